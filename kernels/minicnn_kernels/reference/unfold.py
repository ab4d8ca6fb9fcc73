"""im2col and col2im: the patches under a sliding window, as the columns of a matrix.

Column ``i*OW + j`` holds what the window at output (i, j) sees; row
``(c*KH + a)*KW + b`` is tap (a, b) in channel c. A convolution is then the
matrix product of the weights, one row per output channel, with these columns.
col2im is the transposed map: it adds every entry back to where it came from.

Source: Chellapilla, Puri & Simard, *High performance convolutional neural
networks for document processing*, 2006, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from ..geometry import Window2d
from ..registry import kernel
from .indexing import doubles, taps


def entries(batch: int, channels: int, window: Window2d) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield for every entry that is not padding its index in the columns and its index in x."""
    kernel_h, kernel_w = window.kernel_size
    for n, c, i, j in np.ndindex(batch, channels, *window.output_size):
        for a, b, row, column in taps(window, i, j):
            yield (n, (c * kernel_h + a) * kernel_w + b, i * window.output_size[1] + j), (n, c, row, column)


@kernel("im2col", backend="reference")
def im2col(x: Array, window: Window2d) -> Array:
    """Return the columns (N, C*KH*KW, OH*OW) of x (N, C, H, W); padding is 0."""
    batch, channels = x.shape[:2]
    columns = np.zeros((batch, channels * int(np.prod(window.kernel_size)), int(np.prod(window.output_size))), x.dtype)
    for at_columns, at_x in entries(batch, channels, window):
        columns[at_columns] = x[at_x]
    return columns


@kernel("col2im", backend="reference")
def col2im(columns: Array, window: Window2d) -> Array:
    """Return (N, C, H, W) from columns (N, C*KH*KW, OH*OW), overlapping entries added up."""
    batch, channels = len(columns), columns.shape[1] // int(np.prod(window.kernel_size))
    values = doubles(columns)
    x = np.zeros((batch, channels, *window.input_size))
    for at_columns, at_x in entries(batch, channels, window):
        x[at_x] += values[at_columns]
    return x.astype(columns.dtype)
