"""Unpooling and average pooling on channels-last memory.

Unpooling scatters values to the places that indices name, which lie anywhere in the plane of their channel; so
one task owns some channels of one image, and no two threads write one number. Average pooling is a
``resample.py`` of windows and their transposes. Max pooling has a file of its own.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import Array
from ..geometry import Pair, Window2d
from ..memory import empty
from .jit import numba_kernel, parallel, serial, share, unsigned
from .layout import channels_first, channels_last
from .resample import Sparse, resample, windows_to_sparse

CHANNELS = 64  # channels in one task of a scatter


@serial
def _scatter_add(gx, g, indices, n, first, last, area, outputs, c):  # type: ignore[no-untyped-def]
    """Channels ``first .. last-1`` of image ``n``."""
    for p in range(n * area, n * area + area):
        for j in range(unsigned(p * c + first), unsigned(p * c + last)):
            gx[j] = 0
    image, c = unsigned(n * area * c), unsigned(c)
    for p in range(unsigned(n * outputs), unsigned(n * outputs + outputs)):
        for j in range(unsigned(first), unsigned(last)):
            gx[image + unsigned(indices[p * c + j]) * c + j] += g[p * c + j]


@parallel
def _scatter_adds(thread, gx, g, indices, n, area, outputs, c, block):  # type: ignore[no-untyped-def]
    blocks = (c + block - 1) // block
    for t in share(thread, n * blocks):
        first = t % blocks * block
        _scatter_add(gx, g, indices, t // blocks, first, min(c, first + block), area, outputs, c)


def _block(n: int, c: int) -> int:
    """Channels per task: a cache line at least, more where there are images enough to share out."""
    return CHANNELS if n >= 8 else max(16, min(CHANNELS, -(-c * n // 8)))


@numba_kernel("max_unpool2d.scatter")
def max_unpool2d_scatter(x: Array, indices: Array, output_size: Pair) -> Array:
    """Each value is added at the place its index names."""
    n, c, h, w = x.shape
    oh, ow = output_size
    y = empty((n, oh, ow, c), x.dtype)
    if y.size:
        values, places = channels_last(x).reshape(-1), channels_last(indices).reshape(-1)
        _scatter_adds(y.reshape(-1), values, places, n, oh * ow, h * w, c, _block(n, c))
    return channels_first(y)


@serial
def _place(y, x, indices, n, first, last, area, inputs, c):  # type: ignore[no-untyped-def]
    """Put channels ``first .. last-1`` of image ``n`` where the indices say, in order, so that the last one stays."""
    for p in range(n * area, n * area + area):
        for j in range(unsigned(p * c + first), unsigned(p * c + last)):
            y[j] = 0
    for p in range(n * inputs, n * inputs + inputs):
        for j in range(first, last):
            y[(n * area + indices[p * c + j]) * c + j] = x[p * c + j]


@parallel
def _places(thread, y, x, indices, n, area, inputs, c, block):  # type: ignore[no-untyped-def]
    blocks = (c + block - 1) // block
    for t in share(thread, n * blocks):
        first = t % blocks * block
        _place(y, x, indices, t // blocks, first, min(c, first + block), area, inputs, c)


@numba_kernel("max_unpool2d.forward")
def max_unpool2d_forward(x: Array, indices: Array, output_size: Pair) -> Array:
    """Each value at the place its index names, zeros elsewhere."""
    n, c, h, w = x.shape
    oh, ow = output_size
    y = empty((n, oh, ow, c), x.dtype)
    if y.size:
        values, places = channels_last(x).reshape(-1), channels_last(indices).reshape(-1)
        _places(y.reshape(-1), values, places, n, oh * ow, h * w, c, _block(n, c))
    return channels_first(y)


@serial
def _fetch(gx, g, indices, n, p, area, inputs, c):  # type: ignore[no-untyped-def]
    start = (n * inputs + p) * c
    for j in range(c):
        gx[start + j] = g[(n * area + indices[start + j]) * c + j]


@parallel
def _fetches(thread, gx, g, indices, n, area, inputs, c):  # type: ignore[no-untyped-def]
    for t in share(thread, n * inputs):
        _fetch(gx, g, indices, t // inputs, t % inputs, area, inputs, c)


@numba_kernel("max_unpool2d.grad_input")
def max_unpool2d_grad_input(grad_y: Array, indices: Array) -> Array:
    """Each gradient is read where the value was put."""
    n, c, h, w = indices.shape
    grad_x = empty((n, h, w, c), grad_y.dtype)
    if grad_x.size:
        g, places = channels_last(grad_y).reshape(-1), channels_last(indices).reshape(-1)
        _fetches(grad_x.reshape(-1), g, places, n, grad_y.shape[2] * grad_y.shape[3], h * w, c)
    return channels_first(grad_x)


@lru_cache(maxsize=256)
def window_averages(window: Window2d, axis: int, count_include_pad: bool, divisor_override: int | None) -> Sparse:
    """One row per window: the positions in the plane, each divided by how many positions count.

    The window ends with the padding. A given divisor holds for rows and columns together: it stands with the rows.
    """
    size, (before, after) = window.input_size[axis], window.padding[axis]
    start = np.arange(window.output_size[axis]) * window.stride[axis] - before
    end = np.minimum(start + window.kernel_size[axis], size + after)
    low, high = np.maximum(start, 0), np.minimum(end, size)
    counted = end - start if count_include_pad else high - low
    if divisor_override is not None:
        counted = np.full_like(start, divisor_override if axis == 0 else 1)
    return windows_to_sparse(list(zip(low.tolist(), high.tolist(), strict=True)), counted.tolist())


@lru_cache(maxsize=256)
def _shares(window: Window2d, axis: int, count_include_pad: bool, divisor_override: int | None) -> Sparse:
    """The transpose: one row per position, for all windows that see it."""
    return window_averages(window, axis, count_include_pad, divisor_override).transposed(window.input_size[axis])


@numba_kernel("avg_pool2d.forward")
def avg_pool2d_forward(x: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None) -> Array:
    """The mean under each window."""
    rows, columns = (window_averages(window, axis, count_include_pad, divisor_override) for axis in (0, 1))
    return resample(x, rows, columns)


@numba_kernel("avg_pool2d.grad_input")
def avg_pool2d_grad_input(
    grad_y: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None
) -> Array:
    """A pixel gathers from all windows that saw it."""
    rows, columns = (_shares(window, axis, count_include_pad, divisor_override) for axis in (0, 1))
    return resample(grad_y, rows, columns)
