"""im2col and col2im."""

from __future__ import annotations

from math import prod

from ...arrays import Array, namespace
from ...geometry import Window2d
from . import order
from .convolution import columns_of, sliding
from .launch import launch, launcher


@launcher("im2col", "im2col")
def im2col(x: Array, window: Window2d) -> Array:
    """The columns (N, C*KH*KW, OH*OW)."""
    return columns_of(x, window)


@launcher("col2im", "col2im")
def col2im(columns: Array, window: Window2d) -> Array:
    """``x (N, C, H, W)``: each pixel collects what was copied from it."""
    channels = columns.shape[1] // prod(window.kernel_size)
    x = namespace(columns).empty((len(columns), channels, *window.input_size), columns.dtype)
    shape = (len(columns), channels, *window.kernel_size, *window.output_size)
    launch("col2im", columns=order.contiguous(columns).reshape(shape), x=x, **sliding(window))
    return x
