"""What batch normalisation adds up, forward and backward.

In training mean and variance depend on every element of the channel, so that every gradient that arrives at the
channel goes on to every element of it: with m elements::

    d y' / d x = weight/sqrt(var + eps) * ((1 if y' is at x, else 0) - 1/m - x_hat' * x_hat / m)

In evaluation they are constants, and only the first part is there.

Source: Ioffe & Szegedy, *Batch normalization*, 2015, section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import normalisation
from .printed import factor, number
from .terms import Given, Index, Terms, channel_places, images, one_place, summed, taken, terms


@terms.register
def _(function: normalisation.BatchNorm, of: str, at: Index, given: Given) -> Terms:
    weight, bias = given.array(1), given.array(2)
    return normalised(of, at, given, (function.mean, function.var, weight, bias), function.eps, fixed=False)


@terms.register
def _(function: normalisation.BatchNormFixed, of: str, at: Index, given: Given) -> Terms:
    constants = tuple(given.array(which) for which in (1, 2, 3, 4))
    return normalised(of, at, given, constants, function.eps, fixed=True)


def normalised(of: str, at: Index, given: Given, of_channel: tuple[Any, ...], eps: float, fixed: bool) -> Terms:
    """``of_channel``: mean, variance, weight and bias, the last two perhaps None."""
    if of == "grad_bias":
        return summed(given.grad, at)
    x, grad = given.array(0), given.grad
    c = at[0] if of == "grad_weight" else at[1]
    (mean, var), (weight, bias) = (float(a[c]) for a in of_channel[:2]), of_channel[2:]
    scale, rstd = 1.0 if weight is None else float(weight[c]), 1 / np.sqrt(var + eps)
    found = channel_places(x, c)
    all_real = np.ones(found.shape[:3], bool)
    x_hat = (taken(x, found, all_real) - mean) * rstd
    count = x_hat.size
    source = "the running ones: constants" if fixed else f"of the {count} elements of channel {c} in this batch"
    notes = [
        f"mean = {number(mean)} and var = {number(var)}, {source}",
        f"1/sqrt(var + eps) = 1/sqrt({number(var)} + {eps:g}) = {number(rstd)}",
    ]
    if of == "grad_weight":
        first, letters = taken(grad, found, all_real), ", ".join(("n", "c", "i", "j")[: x.ndim])
        text = f"grad_weight[c] = sum over all but c of grad_y[{letters}] * x_hat[{letters}]"
        return Terms(("grad_y", "x_hat"), first, x_hat, found, found, all_real, text, notes, whole=images(grad))
    here = one_place(at)
    hat = (float(x[at]) - mean) * rstd  # type: ignore[operator]
    hat_text = f"x_hat = (x - mean)/sqrt(var + eps) = ({number(x[at])} - {factor(mean)})*{number(rstd)} = {number(hat)}"
    one = np.ones((1, 1, 1), bool)
    if of == "output":
        text = "y = x_hat * weight + bias"
        factors = one * hat, one * scale, here, here[..., 1:2], one
        added = None if bias is None else float(bias[c])
        return Terms(("x_hat", "weight"), *factors, text, [*notes, hat_text], added, images(x))
    part = f"weight/sqrt(var + eps) = {factor(scale)}*{number(rstd)} = {number(scale * rstd)}"
    if fixed:
        factors = one * float(grad[at]), one * scale * rstd, here, here[..., :0], one
        text = "grad_x = grad_y * weight/sqrt(var + eps)"
        return Terms(("grad_y", ""), *factors, text, [*notes, part], whole=images(grad))
    first, same = taken(grad, found, all_real), (found == here).all(-1)
    second = scale * rstd * (same - 1 / count - x_hat * hat / count)
    text = (
        "grad_x = sum over the channel of grad_y' * d y'/d x, "
        "d y'/d x = weight/sqrt(var + eps) * ((1 at x itself, else 0) - 1/m - x_hat'*x_hat/m)"
    )
    sums = f"grad_bias = {number(first.sum())} and grad_weight = {number((first * x_hat).sum())}"
    parts = (
        f"the same from the sums {sums}: {number(scale * rstd)} * (grad_y - grad_bias/m - x_hat*grad_weight/m) = "
        f"{number(scale * rstd)} * ({number(grad[at])} - {factor(first.sum())}/{count} - "
        f"{factor(hat)}*{factor((first * x_hat).sum())}/{count})"
    )
    notes += [hat_text, part, parts]
    return Terms(("grad_y", ""), first, second, found, found[..., :0], all_real, text, notes, whole=images(grad))
