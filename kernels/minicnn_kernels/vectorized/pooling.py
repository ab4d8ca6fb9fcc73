"""Max pooling, its inverse, and average pooling, one tap of the window at a time.

Tap (a, b) of all windows together is one strided slice of the plane, so a k x k
pooling is k*k element-by-element operations on whole arrays. The formulas are in
``reference/pooling.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, sent
from ..geometry import Pair, Window2d
from ..registry import kernel
from .common import wide
from .windows import crop, pad, padded_size, sliding_windows


def tap_positions(window: Window2d, axis: int) -> Array:
    """Return (K, outputs): the input row (axis 0) or column (axis 1) at which each tap of each window looks."""
    starts = np.arange(window.output_size[axis]) * window.stride[axis] - window.padding[axis][0]
    return starts + np.arange(window.kernel_size[axis])[:, None] * window.dilation[axis]


def inside(window: Window2d, axis: int) -> Array:
    """Return (K, outputs): whether each tap of each window looks into the plane, not at padding."""
    positions = tap_positions(window, axis)
    return (positions >= 0) & (positions < window.input_size[axis])


def first_inside(window: Window2d) -> Array:
    """Return (OH, OW): the number of the first tap of each window that is in the plane; it wins if all are -inf."""
    rows, columns = inside(window, 0), inside(window, 1)
    return rows.argmax(axis=0)[:, None] * len(columns) + columns.argmax(axis=0)


@kernel("max_pool2d.forward", backend="numpy")
def max_pool2d_forward(x: Array, window: Window2d) -> tuple[Array, Array]:
    """Return the largest value under each window (N, C, OH, OW) and the number ``a*KW + b`` of the tap that saw it.

    Padding counts as -inf. Of equal values the first wins; NaN wins over all numbers, a later NaN over an earlier.
    Taps come in order, so the last to win has the largest number.
    """
    y = np.full_like(x, -np.inf, order="C", shape=(*x.shape[:2], *window.output_size))
    winner = np.empty(y.shape, window.tap_type, like=x)
    winner[...] = sent(first_inside(window), x)
    windows = sliding_windows(pad(x, window, -np.inf), window)  # (N, C, KH, KW, OH, OW)
    for tap, (a, b) in enumerate(np.ndindex(window.kernel_size)):
        candidate = windows[:, :, a, b].copy()
        better = (candidate > y) | np.isnan(candidate)
        np.maximum(winner, better * winner.dtype.type(tap), out=winner)
        np.maximum(y, candidate, out=y)
    return y, winner


@kernel("max_pool2d.indices", backend="numpy")
def max_pool2d_indices(winner: Array, window: Window2d) -> Array:
    """Return the place ``h*W + w`` (int64) at which each winning tap looks; 0 if that is padding."""
    width, (dilation_h, dilation_w) = window.input_size[1], window.dilation
    rows, columns = tap_positions(window, 0), tap_positions(window, 1)  # (KH, OH), (KW, OW)
    corner = rows[0][:, None] * width + columns[0]
    step = np.arange(len(rows))[:, None] * dilation_h * width + np.arange(len(columns)) * dilation_w  # (KH, KW)
    some = np.outer(inside(window, 0).any(axis=0), inside(window, 1).any(axis=0))
    places = sent(step.ravel(), winner).take(winner)
    places += sent(corner, winner)
    places *= sent(some, winner)
    return places


@kernel("max_pool2d.grad_input", backend="numpy")
def max_pool2d_grad_input(grad_y: Array, winner: Array, window: Window2d) -> Array:
    """Return grad_x (N, C, H, W): each gradient is added where the winning tap looks."""
    grads = wide(grad_y)
    padded = np.zeros((*grad_y.shape[:2], *padded_size(window)), grads.dtype, like=grads)
    windows = sliding_windows(padded, window)  # (N, C, KH, KW, OH, OW)
    for tap, (a, b) in enumerate(np.ndindex(window.kernel_size)):
        windows[:, :, a, b] += np.where(winner == tap, grads, 0)
    return np.ascontiguousarray(crop(padded, window), grad_y.dtype, like=grad_y)


@kernel("max_unpool2d.scatter", backend="numpy")
def max_unpool2d_scatter(x: Array, indices: Array, output_size: Pair) -> Array:
    """Return (N, C, H, W): each value is added at the place its index names."""
    shape = (*x.shape[:2], *output_size)
    area = output_size[0] * output_size[1]
    plane = np.arange(shape[0] * shape[1], like=x).reshape(*shape[:2], 1, 1)
    places = (indices + plane * area).ravel()
    y = np.bincount(places, weights=x.ravel(), minlength=plane.size * area)
    return y.astype(x.dtype).reshape(shape)


@kernel("max_unpool2d.forward", backend="numpy")
def max_unpool2d_forward(x: Array, indices: Array, output_size: Pair) -> Array:
    """Return (N, C, H, W): each value at the place its index names, the last where they collide, zeros elsewhere."""
    n, c, height, width = x.shape
    y = np.zeros((n, c, output_size[0] * output_size[1]), x.dtype, like=x)
    np.put_along_axis(y, indices.reshape(n, c, height * width), x.reshape(n, c, height * width), axis=2)
    return y.reshape(n, c, *output_size)


@kernel("max_unpool2d.grad_input", backend="numpy")
def max_unpool2d_grad_input(grad_y: Array, indices: Array) -> Array:
    """Return grad_x like the indices: each value's gradient is read where the value was put."""
    n, c, height, width = indices.shape
    planes = grad_y.reshape(n, c, grad_y.shape[2] * grad_y.shape[3])
    return np.take_along_axis(planes, indices.reshape(n, c, height * width), axis=2).reshape(indices.shape)


def counted(window: Window2d, axis: int, count_include_pad: bool) -> Array:
    """Return (outputs,): how many rows (axis 0) or columns (axis 1) of each window count in the divisor.

    A window that ``ceil_mode`` lets reach beyond the padding is cut off at its
    end; without ``count_include_pad`` it is cut off at the edges of the plane.
    """
    size, (before, after) = window.input_size[axis], window.padding[axis]
    start = np.arange(window.output_size[axis]) * window.stride[axis] - before
    end = np.minimum(start + window.kernel_size[axis], size + after)
    return end - start if count_include_pad else np.minimum(end, size) - np.maximum(start, 0)


def divisors(window: Window2d, count_include_pad: bool, divisor_override: int | None, like: Array) -> Array:
    """Return (OH, OW), or (1, 1) if overridden: what the sum under each window is divided by."""
    if divisor_override is not None:
        return np.full_like(like, divisor_override, shape=(1, 1))
    counts = np.outer(counted(window, 0, count_include_pad), counted(window, 1, count_include_pad))
    return sent(counts, like, like.dtype)


@kernel("avg_pool2d.forward", backend="numpy")
def avg_pool2d_forward(x: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None) -> Array:
    """Return the mean under each window (N, C, OH, OW)."""
    windows = sliding_windows(pad(x, window), window)  # (N, C, KH, KW, OH, OW)
    total = np.zeros((*x.shape[:2], *window.output_size), wide(x).dtype, like=x)
    for a, b in np.ndindex(window.kernel_size):
        total += windows[:, :, a, b]
    total /= divisors(window, count_include_pad, divisor_override, total)
    return total.astype(x.dtype, copy=False)


@kernel("avg_pool2d.grad_input", backend="numpy")
def avg_pool2d_grad_input(
    grad_y: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None
) -> Array:
    """Return grad_x (N, C, H, W): each gradient, divided, is added to all places under its window."""
    share = wide(grad_y) / divisors(window, count_include_pad, divisor_override, wide(grad_y))
    padded = np.zeros((*grad_y.shape[:2], *padded_size(window)), share.dtype, like=share)
    windows = sliding_windows(padded, window)
    for a, b in np.ndindex(window.kernel_size):
        windows[:, :, a, b] += share
    return np.ascontiguousarray(crop(padded, window), grad_y.dtype, like=grad_y)
