"""Batch normalisation: every channel gets mean 0 and variance 1 over the batch and the plane.

::

    x_hat = (x - mean) / sqrt(var + eps)             y = weight * x_hat + bias
    grad_bias = sum of grad_y                        grad_weight = sum of grad_y * x_hat
    grad_x = weight / sqrt(var + eps) * (grad_y - grad_bias/m - x_hat * grad_weight/m)

``m`` is the number of values per channel. With fixed statistics (evaluation) only the
first of the three terms remains. Where a clamp that came after has cut, ``grad_y`` is 0.

Source: Ioffe & Szegedy, *Batch normalization*, 2015, algorithm 1 and section 3.
"""

from __future__ import annotations

from math import inf

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue, passes
from ..registry import kernel
from .common import channel_sum, channel_vector, wide


def values_per_channel(x: Array) -> int:
    """Return m, at least 1 so that an empty batch divides by something."""
    return max(x.size // max(x.shape[1], 1), 1)


def scale_and_shift(centred: Array, var: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Turn ``x - mean`` into y, in place."""
    scale = 1 / np.sqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    centred *= channel_vector(scale, centred.ndim).astype(centred.dtype)
    if bias is not None:
        centred += channel_vector(bias, centred.ndim)
    return centred


def centre(x: Array, mean: Array) -> Array:
    """Return ``x - mean`` as a new array."""
    x = wide(x)
    return x - channel_vector(mean, x.ndim).astype(x.dtype)


@kernel("batch_norm.statistics", backend="numpy")
def batch_norm_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean (C,) and the biased variance (C,) of this batch of x (N, C, *)."""
    mean = channel_sum(x) / values_per_channel(x)
    var = channel_sum(np.square(centre(x, mean))) / values_per_channel(x)
    kind = wide(x[:0]).dtype
    return mean.astype(kind), var.astype(kind)


@kernel("batch_norm.normalize", backend="numpy")
def batch_norm_normalize(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> Array:
    """Return y like x (N, C, *), normalised by given statistics; add a residual and clamp."""
    y = scale_and_shift(centre(x, mean), var.astype(np.float64), weight, bias, eps)
    return epilogue.apply(y, None).astype(x.dtype, copy=False)


@kernel("batch_norm.grad", backend="numpy")
def batch_norm_grad(
    grad_y: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    eps: float,
    fixed: bool,
    y: Array | None = None,
    low: float = -inf,
    high: float = inf,
    residual: bool = False,
    plain: bool = False,
    bias: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Return grad_x, grad_weight (C,), grad_bias (C,) and, if there was a ``residual``, its gradient.

    ``fixed``: mean and var do not depend on x. ``y``: the result, clamped to [low, high]. If it is
    ``plain``, nothing but x, normalised and clamped, it need not be given: it can be computed again with ``bias``.
    """
    if y is None and plain:
        y = batch_norm_normalize(x, mean, var, weight, bias, eps, Epilogue(None, None, low, high))
    if y is not None:
        grad_y = np.where(passes(y, low, high), grad_y, grad_y.dtype.type(0))
    grads, count = wide(grad_y), values_per_channel(x)
    x_hat = scale_and_shift(centre(x, mean), var.astype(np.float64), None, None, eps)
    grad_weight, grad_bias = channel_sum(grads * x_hat), channel_sum(grads)
    if fixed:
        grad_x = grads.copy()
    else:
        x_hat *= channel_vector(-grad_weight / count, x.ndim).astype(x_hat.dtype)
        x_hat -= channel_vector(grad_bias / count, x.ndim).astype(x_hat.dtype)
        grad_x = x_hat
        grad_x += grads
    scale_and_shift(grad_x, var.astype(np.float64), weight, None, eps)
    grad_residual = (grad_y.copy() if y is None else grad_y) if residual else None
    kind = x.dtype
    return grad_x.astype(kind, copy=False), grad_weight.astype(kind), grad_bias.astype(kind), grad_residual
