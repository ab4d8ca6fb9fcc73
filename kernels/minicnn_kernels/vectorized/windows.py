"""The strided view under im2col, and how the work is cut so that its copies stay small.

The patches that a window sees overlap in memory. A strided view shows them all
at once without a copy, as a six-dimensional array (N, C, KH, KW, OH, OW): moving
one step along OH is moving ``stride`` rows in the plane, one step along KH is
moving ``dilation`` rows. Reading through the view is im2col; adding into it is col2im.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array, as_strided
from ..geometry import Pair, Window2d

COLUMNS_BUDGET = 16 * 2**20  # bytes of columns that exist at a time; more was not faster


def padded_size(window: Window2d) -> Pair:
    """Return the height and width of the padded plane: it ends with the plane, or later with the last window."""
    rows, columns = (
        max(before + size, (outputs - 1) * stride + (kernel - 1) * dilation + 1)
        for size, kernel, stride, (before, _), dilation, outputs in zip(
            window.input_size,
            window.kernel_size,
            window.stride,
            window.padding,
            window.dilation,
            window.output_size,
            strict=True,
        )
    )
    return rows, columns


def pad(x: Array, window: Window2d, value: float = 0.0) -> Array:
    """Return x (N, C, H, W) inside a frame of ``value``, or x itself where no frame is needed."""
    size = padded_size(window)
    if size == x.shape[2:]:
        return x
    padded = np.full_like(x, value, order="C", shape=(*x.shape[:2], *size))
    crop(padded, window)[...] = x
    return padded


def crop(padded: Array, window: Window2d) -> Array:
    """Return the plane inside the frame, as a view: what `pad` has put there."""
    ((top, _), (left, _)), (height, width) = window.padding, window.input_size
    return padded[:, :, top : top + height, left : left + width]


def sliding_windows(padded: Array, window: Window2d) -> Array:
    """Return the view (N, C, KH, KW, OH, OW) of all windows over the padded planes."""
    n, c, h, w = padded.strides
    (stride_h, stride_w), (dilation_h, dilation_w) = window.stride, window.dilation
    return as_strided(
        padded,
        shape=(*padded.shape[:2], *window.kernel_size, *window.output_size),
        strides=(n, c, h * dilation_h, w * dilation_w, h * stride_h, w * stride_w),
    )


def tiles(batch: int, window: Window2d, bytes_per_output: int) -> Iterator[tuple[slice, slice]]:
    """Yield ``(samples, output rows)`` pieces whose columns fit the budget: whole samples, or some rows of one."""
    height, width = window.output_size
    affordable = max(COLUMNS_BUDGET // max(bytes_per_output * width, 1), 1)  # rows, of whatever sample
    samples, rows = max(affordable // height, 1), min(affordable, height)
    for first in range(0, batch, samples):
        for top in range(0, height, rows):
            yield slice(first, min(first + samples, batch)), slice(top, min(top + rows, height))


def as_columns(windows: Array, groups: int) -> Array:
    """Copy windows (N, C, KH, KW, OH, OW) to columns (G, C/G*KH*KW, N*OH*OW), float16 as float32."""
    n, c, kernel_h, kernel_w, rows, width = windows.shape
    in_order = windows.transpose(1, 2, 3, 0, 4, 5)
    columns = np.ascontiguousarray(in_order, np.float32 if windows.dtype == np.float16 else windows.dtype, like=windows)
    return columns.reshape(groups, c // groups * kernel_h * kernel_w, n * rows * width)


def add_columns(windows: Array, columns: Array) -> None:
    """Add columns (G, C/G*KH*KW, N*OH*OW) into windows, tap by tap: windows overlap, the places of one tap do not."""
    n, c, kernel_h, kernel_w, rows, width = windows.shape
    taps = columns.reshape(c, kernel_h, kernel_w, n, rows, width)
    for a, b in np.ndindex(kernel_h, kernel_w):
        windows[:, :, a, b] += taps[:, a, b].swapaxes(0, 1)
