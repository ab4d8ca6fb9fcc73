"""What the reference kernels share: which input element meets which weight, and one loop over all elements.

The kernels of this package are the textbook: plain loops over one scalar at a
time, in double precision, rounded to the element type of the arguments at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..arrays import Array
from ..geometry import Window2d


def doubles(x: Array) -> Array:
    """Return a float64 copy, so that the loops add up in double precision."""
    return x.astype(np.float64)


def each(formula: Callable[..., float], *arrays: Array) -> Array:
    """Apply a formula for one number to every element of arrays of one shape."""
    result = np.empty(arrays[0].shape, arrays[0].dtype)
    for position in np.ndindex(result.shape):
        result[position] = formula(*(float(array[position]) for array in arrays))
    return result


def flat_planes(x: Array) -> Array:
    """Reshape (N, C, *) to (N, C, P): all positions of a plane in one row, in C order."""
    return x.reshape(*x.shape[:2], int(np.prod(x.shape[2:])))


def taps(window: Window2d, i: int, j: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(a, b, h, w)``: tap (a, b) of the window at output (i, j) looks at input (h, w); padding is left out."""
    (height, width), (stride_h, stride_w) = window.input_size, window.stride
    (dilation_h, dilation_w), ((top, _), (left, _)) = window.dilation, window.padding
    kernel_h, kernel_w = window.kernel_size
    for a in range(kernel_h):
        h = i * stride_h + a * dilation_h - top
        for b in range(kernel_w):
            w = j * stride_w + b * dilation_w - left
            if 0 <= h < height and 0 <= w < width:
                yield a, b, h, w
