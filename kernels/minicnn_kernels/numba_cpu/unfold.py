"""im2col and col2im made visible (``unfold`` and ``fold``): here the matrix is really built.

Row ``(c, kh, kw)`` of the matrix is the whole plane of channel ``c``, shifted, so the copies are row by row of
the plane. col2im adds the same rows back; one task owns one plane. The convolution named "im2col" builds
its matrix channels-last, in ``im2col.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..geometry import Window2d
from ..memory import empty
from .jit import numba_kernel, parallel, serial, share
from .layout import flat, window_numbers


@serial
def _gather_plane(columns, start, x, q, strides, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    """The ``kh*kw`` matrix rows of the plane that begins at ``x[q]``."""
    p = start
    for a in range(kernel[0]):
        for b in range(kernel[1]):
            for i in range(outputs[0]):
                h = i * stride[0] + a * dilation[0] - pads[0]
                for j in range(outputs[1]):
                    w = j * stride[1] + b * dilation[1] - pads[1]
                    inside = 0 <= h < sizes[0] and 0 <= w < sizes[1]
                    columns[p] = x[q + h * strides[2] + w * strides[3]] if inside else 0
                    p += 1


@parallel
def _im2col(thread, columns, x, n, c, strides, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    size = kernel[0] * kernel[1] * outputs[0] * outputs[1]
    for t in share(thread, n * c):
        q = t // c * strides[0] + t % c * strides[1]
        _gather_plane(columns, t * size, x, q, strides, sizes, kernel, stride, pads, dilation, outputs)


@serial
def _add_plane(x, start, columns, q, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    """Add the ``kh*kw`` matrix rows from ``columns[q]`` on to a plane of zeros."""
    for a in range(kernel[0]):
        for b in range(kernel[1]):
            for i in range(outputs[0]):
                h = i * stride[0] + a * dilation[0] - pads[0]
                for j in range(outputs[1]):
                    w = j * stride[1] + b * dilation[1] - pads[1]
                    if 0 <= h < sizes[0] and 0 <= w < sizes[1]:
                        x[start + h * sizes[1] + w] += columns[q]
                    q += 1


@parallel
def _col2im(thread, x, columns, planes, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    size = kernel[0] * kernel[1] * outputs[0] * outputs[1]
    for t in share(thread, planes):
        start = t * sizes[0] * sizes[1]
        _add_plane(x, start, columns, t * size, sizes, kernel, stride, pads, dilation, outputs)


@numba_kernel("im2col")
def im2col(x: Array, window: Window2d) -> Array:
    """Return (N, C*KH*KW, OH*OW): every window of ``x`` as a column."""
    n, c = x.shape[:2]
    (kh, kw), (oh, ow) = window.kernel_size, window.output_size
    columns = empty((n, c * kh * kw, oh * ow), x.dtype)
    memory, strides = flat(x)
    if columns.size:
        _im2col(columns.reshape(-1), memory, n, c, strides, *window_numbers(window))
    return columns


@numba_kernel("col2im")
def col2im(columns: Array, window: Window2d) -> Array:
    """Return (N, C, H, W): every column added back where its window lay."""
    n, c = len(columns), columns.shape[1] // (window.kernel_size[0] * window.kernel_size[1])
    x = np.zeros((n, c, *window.input_size), columns.dtype)
    if x.size:
        _col2im(x.reshape(-1), np.ascontiguousarray(columns).reshape(-1), n * c, *window_numbers(window))
    return x
