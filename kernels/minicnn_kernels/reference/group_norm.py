"""Group and layer normalisation: mean 0 and variance 1 within one sample.

Both cut a sample into rows and normalise each row of D values by its own statistics::

    mean = 1/D * sum of x            rstd = 1 / sqrt(1/D * sum of (x - mean)^2 + eps)
    x_hat = (x - mean) * rstd        y = weight * x_hat + bias

A row of layer normalisation is a whole sample and has one weight per value; a
row of group normalisation is a group of channels and has one weight per channel. With
``h = grad_y * weight``, the gradient of x_hat::

    grad_x = rstd * (h - mean of h - x_hat * mean of (h * x_hat))
    grad_weight = sum of grad_y * x_hat          grad_bias = sum of grad_y

Source: Ba, Kiros & Hinton, *Layer normalization*, 2016; Wu & He, *Group normalization*, 2018, section 3.1.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .indexing import doubles


def normalize_rows(rows: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return x_hat (R, D), mean (R,) and rstd (R,) of rows (R, D)."""
    x_hat = np.empty(rows.shape)
    mean, rstd = np.empty(len(rows)), np.empty(len(rows))
    for r, row in enumerate(rows):
        mean[r] = sum(row) / len(row)
        rstd[r] = 1 / math.sqrt(sum((value - mean[r]) ** 2 for value in row) / len(row) + eps)
        for d, value in enumerate(row):
            x_hat[r, d] = (value - mean[r]) * rstd[r]
    return x_hat, mean, rstd


def grad_rows(h: Array, x_hat: Array, rstd: Array) -> Array:
    """Return grad_x (R, D) from the gradient h (R, D) of x_hat."""
    grad_x = np.empty(h.shape)
    for r in range(len(h)):
        mean_h = sum(h[r]) / h.shape[1]
        mean_hx = sum(h[r, d] * x_hat[r, d] for d in range(h.shape[1])) / h.shape[1]
        for d in range(h.shape[1]):
            grad_x[r, d] = rstd[r] * (h[r, d] - mean_h - x_hat[r, d] * mean_hx)
    return grad_x


def x_hat_rows(rows: Array, mean: Array, rstd: Array) -> Array:
    """Return x_hat (R, D) for given statistics (R,)."""
    x_hat = np.empty(rows.shape)
    for r, d in np.ndindex(rows.shape):
        x_hat[r, d] = (rows[r, d] - mean[r]) * rstd[r]
    return x_hat


def group_rows(x: Array, num_groups: int) -> Array:
    """Return x (N, C, *) as rows (N*G, C/G * places), in double precision."""
    row_length = x.shape[1] // num_groups * int(np.prod(x.shape[2:]))
    return doubles(x).reshape(len(x) * num_groups, row_length)


@kernel("group_norm.forward", backend="reference")
def group_norm_forward(
    x: Array, num_groups: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Return y like x (N, C, *), mean (N, G) and rstd (N, G)."""
    x_hat, mean, rstd = normalize_rows(group_rows(x, num_groups), eps)
    y = x_hat.reshape(x.shape)
    for at in np.ndindex(x.shape):
        y[at] *= 1.0 if weight is None else float(weight[at[1]])
        y[at] += 0.0 if bias is None else float(bias[at[1]])
    mean, rstd = (values.reshape(len(x), num_groups).astype(x.dtype) for values in (mean, rstd))
    return y.astype(x.dtype), mean, rstd


@kernel("group_norm.grad", backend="reference")
def group_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None, num_groups: int
) -> tuple[Array, Array, Array]:
    """Return grad_x, grad_weight (C,) and grad_bias (C,)."""
    h, rstds = doubles(grad_y), doubles(rstd).reshape(-1)
    x_hat = x_hat_rows(group_rows(x, num_groups), doubles(mean).reshape(-1), rstds)
    grad_weight, grad_bias = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for at in np.ndindex(x.shape):
        grad_weight[at[1]] += h[at] * x_hat.reshape(x.shape)[at]
        grad_bias[at[1]] += h[at]
        h[at] *= 1.0 if weight is None else float(weight[at[1]])
    grad_x = grad_rows(group_rows(h, num_groups), x_hat, rstds).reshape(x.shape)
    return grad_x.astype(x.dtype), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)


@kernel("layer_norm.forward", backend="reference")
def layer_norm_forward(x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """Return y (M, D), mean (M,) and rstd (M,) of x (M, D)."""
    y, mean, rstd = normalize_rows(doubles(x), eps)
    for m, d in np.ndindex(x.shape):
        y[m, d] *= 1.0 if weight is None else float(weight[d])
        y[m, d] += 0.0 if bias is None else float(bias[d])
    return y.astype(x.dtype), mean.astype(x.dtype), rstd.astype(x.dtype)


@kernel("layer_norm.grad", backend="reference")
def layer_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    """Return grad_x (M, D), grad_weight (D,) and grad_bias (D,)."""
    h, x_hat = doubles(grad_y), x_hat_rows(doubles(x), doubles(mean), doubles(rstd))
    grad_weight, grad_bias = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for m, d in np.ndindex(x.shape):
        grad_weight[d] += h[m, d] * x_hat[m, d]
        grad_bias[d] += h[m, d]
        h[m, d] *= 1.0 if weight is None else float(weight[d])
    grad_x = grad_rows(h, x_hat, doubles(rstd))
    return grad_x.astype(x.dtype), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)
