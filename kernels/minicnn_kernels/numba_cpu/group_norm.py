"""Group and layer normalisation: mean 0 and variance 1 within one sample.

Group normalisation stays in channels-last memory: it needs sums per sample and channel, as batch
normalisation does, and the sums of a group's channels are then added up. Layer normalisation takes rows
of a matrix, one row after the other; a row is read three times and comes from the cache the second and third.
The formulas are in ``reference/group_norm.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..memory import empty_like
from .columns import dots, moments
from .columnwise import affine, blend, in_shape_of, or_default
from .jit import numba_kernel, parallel, serial_reordered, share, unsigned
from .layout import channels_last


def _samples(x: Array) -> Array:
    """``x (N, C, *)`` as ``(N, pixels, C)``."""
    return channels_last(x).reshape(len(x), int(np.prod(x.shape[2:])), x.shape[1])


def _per_channel(values: Array, channels: int) -> Array:
    """Numbers per group ``(N, G)``, repeated for the group's channels: ``(N, C)``."""
    return np.repeat(values, channels // values.shape[1], axis=1)


def _per_group(values: Array, groups: int) -> Array:
    """Numbers per channel ``(N, C)``, averaged within the groups: ``(N, G)``."""
    return values.reshape(len(values), groups, values.shape[1] // groups).mean(axis=2)


@numba_kernel("group_norm.forward")
def group_norm_forward(
    x: Array, num_groups: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Return y like x (N, C, *), mean (N, G) and rstd (N, G).

    A group's variance is the mean of its channels' variances plus the variance of their means.
    """
    samples = _samples(x)
    channels = x.shape[1]
    channel_mean, channel_var = moments(samples)
    mean = _per_group(channel_mean, num_groups)
    means = _per_channel(mean, channels)
    rstd = 1 / np.sqrt(_per_group(channel_var + (channel_mean - means) ** 2, num_groups) + eps)
    y = affine(samples, means, _per_channel(rstd, channels) * or_default(weight, 1), or_default(bias, 0))
    return in_shape_of(x, y), mean.astype(x.dtype), rstd.astype(x.dtype)


@numba_kernel("group_norm.grad")
def group_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None, num_groups: int
) -> tuple[Array, Array, Array]:
    """Return grad_x, grad_weight (C,) and grad_bias (C,)."""
    g, samples = _samples(grad_y), _samples(x)
    channels, pixels = x.shape[1], max(samples.shape[1], 1)
    means = _per_channel(mean, channels)
    rstds = _per_channel(rstd.astype(np.float64), channels)
    plain, dot = dots(g, samples, means)  # (N, C): sum of g, and of g*(x - mean)
    hatted = dot * rstds
    w = or_default(weight, 1)
    mean_h = _per_channel(_per_group(plain * w, num_groups) / pixels, channels)
    mean_h_hat = _per_channel(_per_group(hatted * w, num_groups) / pixels, channels)
    grad_x = blend(g, samples, means, w * rstds, -rstds * rstds * mean_h_hat, -rstds * mean_h)
    return in_shape_of(x, grad_x), hatted.sum(axis=0).astype(x.dtype), plain.sum(axis=0).astype(x.dtype)


ROWS = 16  # rows of a layer normalisation in one task


@serial_reordered
def _norm_row(y, x, start, d, weight, bias, eps):  # type: ignore[no-untyped-def]
    start = unsigned(start)
    total = 0.0
    for j in range(unsigned(d)):
        total += x[start + j]
    mean = total / d
    squares = 0.0
    for j in range(unsigned(d)):
        squares += (x[start + j] - mean) ** 2
    rstd = 1 / np.sqrt(squares / d + eps)
    for j in range(unsigned(d)):
        y[start + j] = (x[start + j] - mean) * rstd * weight[j] + bias[j]
    return mean, rstd


@parallel
def _layer_norm(thread, y, means, rstds, x, weight, bias, eps, m, d):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + ROWS - 1) // ROWS):
        for i in range(t * ROWS, min(m, t * ROWS + ROWS)):
            means[i], rstds[i] = _norm_row(y, x, i * d, d, weight, bias, eps)


@serial_reordered
def _norm_row_grad(gx, gw, gb, part, g, x, start, d, mean, rstd, weight):  # type: ignore[no-untyped-def]
    part, start = unsigned(part), unsigned(start)
    sum_h, sum_h_hat = 0.0, 0.0
    for j in range(unsigned(d)):
        h = g[start + j] * weight[j]
        x_hat = (x[start + j] - mean) * rstd
        sum_h += h
        sum_h_hat += h * x_hat
        gw[part + j] += g[start + j] * x_hat
        gb[part + j] += g[start + j]
    for j in range(unsigned(d)):
        x_hat = (x[start + j] - mean) * rstd
        gx[start + j] = rstd * (g[start + j] * weight[j] - sum_h / d - x_hat * sum_h_hat / d)


@parallel
def _layer_norm_grad(thread, gx, gw, gb, g, x, means, rstds, weight, m, d, rows):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + rows - 1) // rows):
        for i in range(t * rows, min(m, t * rows + rows)):
            _norm_row_grad(gx, gw, gb, t * d, g, x, i * d, d, means[i], rstds[i], weight)


def _weight(vector: Array | None, default: float, like: Array) -> Array:
    d = like.shape[1]
    return np.full(d, default, like.dtype) if vector is None else np.ascontiguousarray(vector)


@numba_kernel("layer_norm.forward")
def layer_norm_forward(x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """Return y (M, D), mean (M,) and rstd (M,) of x (M, D)."""
    m, d = x.shape
    x = np.ascontiguousarray(x)
    y, mean, rstd = empty_like(x), np.empty(m, x.dtype), np.empty(m, x.dtype)
    if m:
        vectors = _weight(weight, 1, x), _weight(bias, 0, x)
        _layer_norm(y.reshape(-1), mean, rstd, x.reshape(-1), *vectors, float(eps), m, d)
    return y, mean, rstd


@numba_kernel("layer_norm.grad")
def layer_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    """Return grad_x (M, D), grad_weight (D,) and grad_bias (D,)."""
    m, d = x.shape
    g, x = np.ascontiguousarray(grad_y), np.ascontiguousarray(x)
    rows = max(ROWS, -(-m // 64))  # a task's rows; each task sums weight gradients of its own
    grad_x = empty_like(x)
    parts = np.zeros((2, -(-m // rows), d))
    if m:
        memories = grad_x.reshape(-1), parts[0].reshape(-1), parts[1].reshape(-1), g.reshape(-1), x.reshape(-1)
        statistics = np.ascontiguousarray(mean), np.ascontiguousarray(rstd)
        _layer_norm_grad(*memories, *statistics, _weight(weight, 1, x), m, d, rows)
    grad_weight, grad_bias = parts.sum(axis=1).astype(x.dtype)
    return grad_x, grad_weight, grad_bias
