"""Max pooling, its inverse, and average pooling.

Max pooling takes the largest input under the window and remembers which tap of the window it was under: for windows up
to 16 x 16 that is one byte per output. The gradient goes there and nowhere else. Average pooling divides the sum
under the window by a count; the gradient is spread evenly by the same count.

Source: Zeiler & Fergus, *Visualizing and understanding convolutional networks*,
2014, section 2.1 (unpooling); Boureau, Ponce & LeCun, *A theoretical analysis
of feature pooling in visual recognition*, 2010.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..geometry import Pair, Window2d
from ..registry import kernel
from .indexing import doubles, taps


@kernel("max_pool2d.forward", backend="reference")
def max_pool2d_forward(x: Array, window: Window2d) -> tuple[Array, Array]:
    """Return the largest value under each window (N, C, OH, OW) and the number ``a*KW + b`` of the tap that saw it.

    Padding counts as -inf. Of equal values the first wins; NaN wins over all numbers, a later NaN over an earlier.
    """
    width = window.kernel_size[1]
    y = np.full((*x.shape[:2], *window.output_size), -math.inf, x.dtype)
    winner = np.zeros(y.shape, window.tap_type)
    for n, c, i, j in np.ndindex(y.shape):
        inside = list(taps(window, i, j))
        if inside:
            winner[n, c, i, j] = inside[0][0] * width + inside[0][1]  # stays if all values are -inf
        for a, b, h, w in inside:
            if x[n, c, h, w] > y[n, c, i, j] or math.isnan(x[n, c, h, w]):
                y[n, c, i, j] = x[n, c, h, w]
                winner[n, c, i, j] = a * width + b
    return y, winner


@kernel("max_pool2d.indices", backend="reference")
def max_pool2d_indices(winner: Array, window: Window2d) -> Array:
    """Return the place ``h*W + w`` in the plane (int64) at which each winning tap looks; 0 if that is padding."""
    indices = np.zeros(winner.shape, np.int64)
    for n, c, i, j in np.ndindex(winner.shape):
        for a, b, h, w in taps(window, i, j):
            if a * window.kernel_size[1] + b == winner[n, c, i, j]:
                indices[n, c, i, j] = h * window.input_size[1] + w
    return indices


@kernel("max_pool2d.grad_input", backend="reference")
def max_pool2d_grad_input(grad_y: Array, winner: Array, window: Window2d) -> Array:
    """Return grad_x (N, C, H, W): each gradient is added where the winning tap looks."""
    grads = doubles(grad_y)
    grad_x = np.zeros((*grad_y.shape[:2], *window.input_size))
    for n, c, i, j in np.ndindex(grad_y.shape):
        for a, b, h, w in taps(window, i, j):
            if a * window.kernel_size[1] + b == winner[n, c, i, j]:
                grad_x[n, c, h, w] += grads[n, c, i, j]
    return grad_x.astype(grad_y.dtype)


@kernel("max_unpool2d.scatter", backend="reference")
def max_unpool2d_scatter(x: Array, indices: Array, output_size: Pair) -> Array:
    """Return (N, C, H, W): each value is added at the place its index names."""
    values = doubles(x)
    y = np.zeros((*x.shape[:2], *output_size))
    for n, c, i, j in np.ndindex(x.shape):
        h, w = divmod(int(indices[n, c, i, j]), output_size[1])
        y[n, c, h, w] += values[n, c, i, j]
    return y.astype(x.dtype)


@kernel("max_unpool2d.forward", backend="reference")
def max_unpool2d_forward(x: Array, indices: Array, output_size: Pair) -> Array:
    """Return (N, C, H, W): each value at the place its index names, the last where they collide, zeros elsewhere."""
    y = np.zeros((*x.shape[:2], *output_size), x.dtype)
    for n, c, i, j in np.ndindex(x.shape):
        h, w = divmod(int(indices[n, c, i, j]), output_size[1])
        y[n, c, h, w] = x[n, c, i, j]
    return y


@kernel("max_unpool2d.grad_input", backend="reference")
def max_unpool2d_grad_input(grad_y: Array, indices: Array) -> Array:
    """Return grad_x like the indices: each value's gradient is read where the value was put."""
    grad_x = np.empty(indices.shape, grad_y.dtype)
    for n, c, i, j in np.ndindex(grad_x.shape):
        h, w = divmod(int(indices[n, c, i, j]), grad_y.shape[3])
        grad_x[n, c, i, j] = grad_y[n, c, h, w]
    return grad_x


def counted(window: Window2d, axis: int, position: int, count_include_pad: bool) -> int:
    """Return how many rows (axis 0) or columns (axis 1) count in the divisor of one window.

    A window that ``ceil_mode`` lets reach beyond the padding is cut off at its
    end; without ``count_include_pad`` it is cut off at the edges of the plane.
    """
    before, after = window.padding[axis]
    size = window.input_size[axis]
    start = position * window.stride[axis] - before
    end = min(start + window.kernel_size[axis], size + after)
    return end - start if count_include_pad else min(end, size) - max(start, 0)


def divisor(window: Window2d, i: int, j: int, count_include_pad: bool, divisor_override: int | None) -> int:
    """Return the number by which the sum under the window at output (i, j) is divided."""
    if divisor_override is not None:
        return divisor_override
    return counted(window, 0, i, count_include_pad) * counted(window, 1, j, count_include_pad)


@kernel("avg_pool2d.forward", backend="reference")
def avg_pool2d_forward(x: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None) -> Array:
    """Return the mean under each window (N, C, OH, OW)."""
    images = doubles(x)
    y = np.zeros((*x.shape[:2], *window.output_size))
    for n, c, i, j in np.ndindex(y.shape):
        total = sum(images[n, c, h, w] for _, _, h, w in taps(window, i, j))
        y[n, c, i, j] = total / divisor(window, i, j, count_include_pad, divisor_override)
    return y.astype(x.dtype)


@kernel("avg_pool2d.grad_input", backend="reference")
def avg_pool2d_grad_input(
    grad_y: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None
) -> Array:
    """Return grad_x (N, C, H, W): each gradient, divided, is added to all places under its window."""
    grads = doubles(grad_y)
    grad_x = np.zeros((*grad_y.shape[:2], *window.input_size))
    for n, c, i, j in np.ndindex(grad_y.shape):
        share = grads[n, c, i, j] / divisor(window, i, j, count_include_pad, divisor_override)
        for _, _, h, w in taps(window, i, j):
            grad_x[n, c, h, w] += share
    return grad_x.astype(grad_y.dtype)
