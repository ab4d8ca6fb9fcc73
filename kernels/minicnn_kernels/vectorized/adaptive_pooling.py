"""Adaptive pooling: the output size is given, the windows (`geometry.adaptive_bins`) follow from it.

A mean over a rectangle is a sum along the rows, then along the columns, divided by the
area; so the average goes through one axis after the other. A maximum with its
place does not separate and takes one bin at a time.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, sent
from ..geometry import Pair, adaptive_bins
from ..registry import kernel
from .common import wide


def areas(input_size: Pair, output_size: Pair, like: Array) -> Array:
    """Return (OH, OW): how many inputs each bin covers, as an array like ``like``."""
    heights, widths = (
        [end - start for start, end in adaptive_bins(size, bins)]
        for size, bins in zip(input_size, output_size, strict=True)
    )
    return sent(np.outer(heights, widths), like, like.dtype)


def bin_sums(x: Array, axis: int, bins: int) -> Array:
    """Return x with the given axis summed over each bin."""
    x = np.moveaxis(x, axis, 0)
    sums = np.stack([x[start:end].sum(axis=0) for start, end in adaptive_bins(len(x), bins)])
    return np.moveaxis(sums, 0, axis)


def spread(y: Array, axis: int, size: int) -> Array:
    """Return the transpose of `bin_sums`: every entry is added to all places of its bin."""
    y = np.moveaxis(y, axis, 0)
    x = np.zeros((size, *y.shape[1:]), y.dtype, like=y)
    for i, (start, end) in enumerate(adaptive_bins(size, len(y))):
        x[start:end] += y[i]
    return np.moveaxis(x, 0, axis)


@kernel("adaptive_avg_pool2d.forward", backend="numpy")
def adaptive_avg_pool2d_forward(x: Array, output_size: Pair) -> Array:
    """Return the mean of every bin (N, C, OH, OW)."""
    sums = bin_sums(bin_sums(wide(x), 2, output_size[0]), 3, output_size[1])
    return np.ascontiguousarray(sums / areas(x.shape[2:], output_size, sums), x.dtype, like=x)


@kernel("adaptive_avg_pool2d.grad_input", backend="numpy")
def adaptive_avg_pool2d_grad_input(grad_y: Array, input_size: Pair) -> Array:
    """Return grad_x (N, C, H, W): each gradient is spread evenly over its bin."""
    grads = wide(grad_y)
    shares = grads / areas(input_size, grad_y.shape[2:], grads)
    return np.ascontiguousarray(spread(spread(shares, 3, input_size[1]), 2, input_size[0]), grad_y.dtype, like=grad_y)


@kernel("adaptive_max_pool2d.forward", backend="numpy")
def adaptive_max_pool2d_forward(x: Array, output_size: Pair) -> tuple[Array, Array]:
    """Return the maximum of every bin (N, C, OH, OW) and its place ``h*W + w``; ties and NaN as in max pooling."""
    n, c, height, width = x.shape
    y = np.empty((n, c, *output_size), x.dtype, like=x)
    indices = np.empty(y.shape, np.int64, like=x)
    for i, (top, bottom) in enumerate(adaptive_bins(height, output_size[0])):
        for j, (left, right) in enumerate(adaptive_bins(width, output_size[1])):
            values = x[:, :, top:bottom, left:right].reshape(n, c, (bottom - top) * (right - left))
            best = argmax_last_nan(values)
            y[:, :, i, j] = np.take_along_axis(values, best[..., None], axis=2)[..., 0]
            rows, columns = np.divmod(best, right - left)
            indices[:, :, i, j] = (top + rows) * width + left + columns
    return y, indices


def argmax_last_nan(values: Array) -> Array:
    """Return the place of the first maximum along the last axis, or of the last NaN if there is one."""
    nan = np.isnan(values)
    last_nan = values.shape[-1] - 1 - nan[..., ::-1].argmax(axis=-1)
    return np.where(nan.any(axis=-1), last_nan, values.argmax(axis=-1))
