"""Batch normalisation: mean 0 and variance 1 per channel, over the batch and all pixels.

With ``m`` values per channel, ``rstd = 1/sqrt(var + eps)`` and ``x_hat = (x - mean)*rstd``::

    y      = x_hat*weight + bias
    grad_x = weight*rstd * (grad_y - mean of grad_y - x_hat * mean of (grad_y*x_hat))

The formulas' source and derivation stand in ``reference/batch_norm.py``. Here they are three passes over
channels-last memory (sum, squares about the mean, the affine map) and two for the gradient, all in ``columns.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .columns import affine, blend, centred_dots, in_shape_of, or_default, sums
from .jit import numba_kernel
from .layout import channels_last


def _one_sample(x: Array) -> Array:
    """``x (N, C, *)`` as one sample of pixels: ``(1, N*..., C)``."""
    pixels = x.size // max(x.shape[1], 1)
    return channels_last(x).reshape(1, pixels, x.shape[1])


@numba_kernel("batch_norm.forward")
def batch_norm_forward(x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """Normalise by the batch's own statistics; return y, mean (C,) and the biased variance (C,)."""
    rows = _one_sample(x)
    m = max(rows.shape[1], 1)
    mean = sums(rows)[0] / m
    var = centred_dots(rows, mean, rows, mean)[0] / m
    y = affine(rows, mean, or_default(weight, 1) / np.sqrt(var + eps), or_default(bias, 0))
    return in_shape_of(x, y), mean.astype(x.dtype), var.astype(x.dtype)


@numba_kernel("batch_norm.normalize")
def batch_norm_normalize(
    x: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """Normalise by given statistics."""
    scale = or_default(weight, 1) / np.sqrt(var.astype(np.float64) + eps)
    return in_shape_of(x, affine(_one_sample(x), mean, scale, or_default(bias, 0)))


@numba_kernel("batch_norm.grad")
def batch_norm_grad(
    grad_y: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float, fixed: bool
) -> tuple[Array, Array, Array]:
    """Return grad_x, grad_weight (C,) and grad_bias (C,); ``fixed`` statistics do not depend on x."""
    g, rows = _one_sample(grad_y), _one_sample(x)
    m = max(rows.shape[1], 1)
    rstd = 1 / np.sqrt(var.astype(np.float64) + eps)
    grad_bias = sums(g)[0]
    grad_weight = centred_dots(g, 0.0, rows, mean)[0] * rstd
    scale = or_default(weight, 1) * rstd
    if fixed:
        grad_x = affine(g, 0.0, scale, 0.0)
    else:
        grad_x = blend(g, rows, mean, scale, -scale * rstd * grad_weight / m, -scale * grad_bias / m)
    return in_shape_of(x, grad_x), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)
