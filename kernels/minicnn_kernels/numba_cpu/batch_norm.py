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
from .columns import affine, blend, centred_dots, sums
from .jit import numba_kernel
from .layout import channels_first, channels_last


def _one_sample(x: Array) -> Array:
    """``x (N, C, *)`` as one sample of pixels: ``(1, N*..., C)``."""
    pixels = x.size // max(x.shape[1], 1)
    return channels_last(x).reshape(1, pixels, x.shape[1])


def _back(y: Array, like: Array) -> Array:
    """``(1, N*..., C)`` in the shape of ``like (N, C, *)``."""
    return channels_first(y.reshape(len(like), *like.shape[2:], like.shape[1]))


def _or(vector: Array | None, default: float) -> Array:
    return np.float64(default) if vector is None else vector.astype(np.float64)


@numba_kernel("batch_norm.forward")
def batch_norm_forward(
    x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Normalise by the batch's own statistics; return y, mean (C,) and the biased variance (C,)."""
    rows = _one_sample(x)
    mean = sums(rows)[0] / rows.shape[1]
    var = centred_dots(rows, mean, rows, mean)[0] / rows.shape[1]
    y = affine(rows, mean, _or(weight, 1) / np.sqrt(var + eps), _or(bias, 0))
    return _back(y, x), mean.astype(x.dtype), var.astype(x.dtype)


@numba_kernel("batch_norm.normalize")
def batch_norm_normalize(
    x: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """Normalise by given statistics."""
    scale = _or(weight, 1) / np.sqrt(var.astype(np.float64) + eps)
    return _back(affine(_one_sample(x), mean, scale, _or(bias, 0)), x)


@numba_kernel("batch_norm.grad")
def batch_norm_grad(
    grad_y: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float, fixed: bool
) -> tuple[Array, Array, Array]:
    """Return grad_x, grad_weight (C,) and grad_bias (C,); ``fixed`` statistics do not depend on x."""
    g, rows = _one_sample(grad_y), _one_sample(x)
    m = rows.shape[1]
    rstd = 1 / np.sqrt(var.astype(np.float64) + eps)
    grad_bias = sums(g)[0]
    grad_weight = centred_dots(g, np.float64(0), rows, mean)[0] * rstd
    scale = _or(weight, 1) * rstd
    if fixed:
        grad_x = affine(g, np.float64(0), scale, np.float64(0))
    else:
        grad_x = blend(g, rows, mean, scale, -scale * rstd * grad_weight / m, -scale * grad_bias / m)
    return _back(grad_x, x), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)
