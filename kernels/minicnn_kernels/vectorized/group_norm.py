"""Group and layer normalisation: mean 0 and variance 1 within one sample.

Both normalise rows of D values by the row's own statistics; with ``h = grad_y * weight``::

    x_hat = (x - mean) * rstd                        y = weight * x_hat + bias
    grad_x = rstd * (h - mean of h - x_hat * mean of (h * x_hat))

Source: Ba, Kiros & Hinton, *Layer normalization*, 2016; Wu & He, *Group normalization*, 2018, section 3.1.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .common import channel_sum, channel_vector, wide


def row_means(rows: Array) -> Array:
    """Return (R, 1): the mean of every row, added up in float64."""
    return rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(rows.dtype)


def normalize_rows(rows: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return x_hat (R, D), mean (R,) and rstd (R,) of rows (R, D)."""
    mean = row_means(rows)
    x_hat = rows - mean
    rstd = 1 / np.sqrt(row_means(np.square(x_hat)) + eps)
    x_hat *= rstd
    return x_hat, mean[:, 0], rstd[:, 0]


def grad_rows(h: Array, x_hat: Array, rstd: Array) -> Array:
    """Return grad_x (R, D) from the gradient h (R, D) of x_hat."""
    grad_x = h - x_hat * row_means(h * x_hat)
    grad_x -= row_means(h)
    grad_x *= rstd[:, None]
    return grad_x


def group_rows(x: Array, num_groups: int) -> Array:
    """Return x (N, C, *) as rows (N*G, C/G * places), float16 as float32."""
    return wide(x).reshape(len(x) * num_groups, x.shape[1] // num_groups * int(np.prod(x.shape[2:])))


@kernel("group_norm.forward", backend="numpy")
def group_norm_forward(
    x: Array, num_groups: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Return y like x (N, C, *), mean (N, G) and rstd (N, G)."""
    x_hat, mean, rstd = normalize_rows(group_rows(x, num_groups), eps)
    y = x_hat.reshape(x.shape)
    if weight is not None:
        y *= channel_vector(weight, x.ndim)
    if bias is not None:
        y += channel_vector(bias, x.ndim)
    mean, rstd = (values.reshape(len(x), num_groups).astype(x.dtype) for values in (mean, rstd))
    return y.astype(x.dtype, copy=False), mean, rstd


@kernel("group_norm.grad", backend="numpy")
def group_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None, num_groups: int
) -> tuple[Array, Array, Array]:
    """Return grad_x, grad_weight (C,) and grad_bias (C,)."""
    rstds, h = wide(rstd).reshape(-1), wide(grad_y)
    x_hat = (group_rows(x, num_groups) - wide(mean).reshape(-1, 1)) * rstds[:, None]
    grad_weight, grad_bias = channel_sum(h * x_hat.reshape(x.shape)), channel_sum(h)
    if weight is not None:
        h = h * channel_vector(weight, x.ndim)
    grad_x = grad_rows(group_rows(h, num_groups), x_hat, rstds).reshape(x.shape)
    return grad_x.astype(x.dtype, copy=False), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)


@kernel("layer_norm.forward", backend="numpy")
def layer_norm_forward(x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """Return y (M, D), mean (M,) and rstd (M,) of x (M, D)."""
    y, mean, rstd = normalize_rows(wide(x), eps)
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y.astype(x.dtype, copy=False), mean.astype(x.dtype), rstd.astype(x.dtype)


@kernel("layer_norm.grad", backend="numpy")
def layer_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    """Return grad_x (M, D), grad_weight (D,) and grad_bias (D,)."""
    h = wide(grad_y)
    x_hat = (wide(x) - wide(mean)[:, None]) * wide(rstd)[:, None]
    grad_weight, grad_bias = channel_sum(h * x_hat), channel_sum(h)
    grad_x = grad_rows(h if weight is None else h * weight, x_hat, wide(rstd))
    return grad_x.astype(x.dtype, copy=False), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)
