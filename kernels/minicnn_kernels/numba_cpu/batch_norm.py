"""Batch normalisation: mean 0 and variance 1 per channel, over the batch and all pixels.

With ``m`` values per channel, ``rstd = 1/sqrt(var + eps)`` and ``x_hat = (x - mean)*rstd``::

    y      = clamp(x_hat*weight + bias + residual, low, high)
    h      = grad_y, and 0 where y has reached low or high
    grad_x = weight*rstd * (h - mean of h - x_hat * mean of (h*x_hat))

The formulas' source and derivation stand in ``reference/batch_norm.py``. Here they are four passes over
channels-last memory: one for mean and variance, one for the result with what follows it (``epilogue.py``), one for the
gradient's two sums, one for the gradient. Nothing is stored between them: ``x_hat`` is cheaper to compute
again than to read, and so is ``y``, if no residual was added. The loops are in ``columns.py`` and ``columnwise.py``.
"""

from __future__ import annotations

from math import inf

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..memory import empty_like
from .columns import EVERYTHING, Mask, dots, moments
from .columnwise import affine, blend, in_shape_of, or_default, scaled
from .jit import numba_kernel
from .layout import channels_last


def _one_sample(x: Array) -> Array:
    """``x (N, C, *)`` as one sample of pixels: ``(1, N*..., C)``."""
    pixels = x.size // max(x.shape[1], 1)
    return channels_last(x).reshape(1, pixels, x.shape[1])


def weight_times_rstd(weight: Array | None, var: Array, eps: float) -> Array:
    """``weight*rstd`` in float64."""
    std = var.astype(np.float64)
    std += eps
    np.sqrt(std, std)
    return np.divide(1.0 if weight is None else weight, std, std)


@numba_kernel("batch_norm.statistics")
def batch_norm_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean (C,) and the biased variance (C,) of this batch."""
    mean, var = moments(_one_sample(x))
    return mean[0].astype(x.dtype), var[0].astype(x.dtype)


@numba_kernel("batch_norm.normalize")
def batch_norm_normalize(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> Array:
    """Normalise by given statistics; add a residual and clamp."""
    scale = weight_times_rstd(weight, var, eps)
    residual = None if epilogue.residual is None else _one_sample(epilogue.residual)
    steps = residual, epilogue.low, epilogue.high
    return in_shape_of(x, affine(_one_sample(x), mean, scale, or_default(bias, 0), *steps))


@numba_kernel("batch_norm.grad")
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
    """Return grad_x, grad_weight (C,), grad_bias (C,) and, if there was a residual, its gradient.

    ``fixed`` statistics do not depend on x; ``y`` is the result, if it was clamped to ``low`` and ``high``. It is not
    read, and need not be given, if it is ``plain``, nothing but x, normalised and clamped: to compute that again is
    cheaper.
    """
    g, rows = _one_sample(grad_y), _one_sample(x)
    m = max(rows.shape[1], 1)
    rstd, scale = weight_times_rstd(None, var, eps), weight_times_rstd(weight, var, eps)
    where = EVERYTHING
    if y is None and plain and fixed:
        y = batch_norm_normalize(x, mean, var, weight, bias, eps, Epilogue(None, None, low, high))
    if plain and not fixed:
        where = Mask(low, high, None, scale, or_default(bias, 0))
    elif y is not None:
        where = Mask(low, high, _one_sample(y))
    masked = empty_like(g) if residual else None
    (grad_bias,), (centred,) = dots(g, rows, mean, where, masked)
    grad_weight = centred * rstd
    if masked is not None:  # the second pass need not mask again
        g, where = masked, EVERYTHING
    if fixed:
        grad_rows = scaled(g, scale, where)
    else:
        grad_rows = blend(g, rows, mean, scale, -scale * rstd * grad_weight / m, -scale * grad_bias / m, where)
    grad_residual = None if masked is None else in_shape_of(x, masked)
    return in_shape_of(x, grad_rows), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype), grad_residual
