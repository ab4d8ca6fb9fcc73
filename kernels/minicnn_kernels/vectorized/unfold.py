"""im2col and col2im: the patches under a sliding window, as the columns of a matrix.

Reading the strided view of all windows is im2col; adding into it, one tap at a
time, is its transpose, col2im. See ``windows.py`` for the view.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..geometry import Window2d
from ..registry import kernel
from .common import wide
from .windows import crop, pad, padded_size, sliding_windows


@kernel("im2col", backend="numpy")
def im2col(x: Array, window: Window2d) -> Array:
    """Return the columns (N, C*KH*KW, OH*OW) of x (N, C, H, W); padding is 0."""
    windows = sliding_windows(pad(x, window), window).copy()  # (N, C, KH, KW, OH, OW)
    n, c, kernel_h, kernel_w, rows, columns = windows.shape
    return windows.reshape(n, c * kernel_h * kernel_w, rows * columns)


@kernel("col2im", backend="numpy")
def col2im(columns: Array, window: Window2d) -> Array:
    """Return (N, C, H, W) from columns (N, C*KH*KW, OH*OW), overlapping entries added up."""
    kernel_h, kernel_w = window.kernel_size
    batch, channels = len(columns), columns.shape[1] // (kernel_h * kernel_w)
    taps = columns.reshape(batch, channels, kernel_h, kernel_w, *window.output_size)
    padded = np.zeros((batch, channels, *padded_size(window)), wide(columns).dtype, like=columns)
    windows = sliding_windows(padded, window)
    for a, b in np.ndindex(kernel_h, kernel_w):
        windows[:, :, a, b] += taps[:, :, a, b]
    return np.ascontiguousarray(crop(padded, window), columns.dtype, like=columns)
