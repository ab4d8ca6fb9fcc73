"""Max pooling, its inverse, and average pooling on channels-last memory.

Max pooling compares, position by position of the window, all channels of a pixel at once. Its gradient is
*scattered* to the places of the maxima, which lie anywhere in the plane of their channel; so one task owns
some channels of one image, and no two threads add to one number. Average pooling is a
``resample.py`` of windows and their transposes.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Array
from ..geometry import Pair, Window2d
from .jit import numba_kernel, parallel, serial, serial_no_alias, unsigned
from .layout import channels_first, channels_last
from .resample import Sparse, resample, windows_to_sparse

CHANNELS = 64  # channels in one task of a scatter


@serial_no_alias
def _larger(y, indices, p, x, q, place, c):  # type: ignore[no-untyped-def]
    """Where ``x[:c]`` exceeds ``y[:c]`` or is NaN, take it and its place."""
    p, q, c = unsigned(p), unsigned(q), unsigned(c)
    for j in range(c):
        value, best = x[q + j], y[p + j]
        better = (value > best) | (value != value)
        y[p + j] = value if better else best
        indices[p + j] = place if better else indices[p + j]


@serial
def _max_row(y, indices, x, n, i, h, w, c, rows, columns):  # type: ignore[no-untyped-def]
    """Output row ``i`` of image ``n``; a span is ``(first, count, step)`` of the window's positions in the plane."""
    outputs = columns.shape[0]
    top, height, down = rows[i, 0], rows[i, 1], rows[i, 2]
    for j in range(outputs):
        left, width, right = columns[j, 0], columns[j, 1], columns[j, 2]
        p = ((n * rows.shape[0] + i) * outputs + j) * c
        first = top * w + left if height > 0 and width > 0 else 0
        for k in range(unsigned(p), unsigned(p + c)):
            y[k] = -np.inf
            indices[k] = first
        for a in range(height):
            for b in range(width):
                place = (top + a * down) * w + left + b * right
                _larger(y, indices, p, x, (n * h * w + place) * c, place, c)


@parallel
def _max_pool(y, indices, x, n, h, w, c, rows, columns):  # type: ignore[no-untyped-def]
    outputs = rows.shape[0]
    for t in prange(n * outputs):
        _max_row(y, indices, x, t // outputs, t % outputs, h, w, c, rows, columns)


def max_pool(x: Array, rows: Array, columns: Array) -> tuple[Array, Array]:
    """Maxima and their places ``h*W + w`` over windows given by spans ``(first, count, step)`` along both axes."""
    n, c, h, w = x.shape
    y = np.empty((n, len(rows), len(columns), c), x.dtype)
    indices = np.empty(y.shape, np.int64)
    if y.size:
        _max_pool(y.reshape(-1), indices.reshape(-1), channels_last(x).reshape(-1), n, h, w, c, rows, columns)
    return channels_first(y), channels_first(indices)


def _spans(window: Window2d, axis: int) -> Array:
    """``(first, count, step)`` of the positions inside the plane, for each window along one axis."""
    size, kernel, step = window.input_size[axis], window.kernel_size[axis], window.dilation[axis]
    start = np.arange(window.output_size[axis]) * window.stride[axis] - window.padding[axis][0]
    skipped = np.maximum(0, -(start // step))  # positions before the plane
    end = np.minimum(kernel, -((start - size) // step))  # positions up to its end
    spans = np.stack([start + skipped * step, np.maximum(end - skipped, 0), np.full_like(start, step)], axis=1)
    return np.ascontiguousarray(spans, np.int64)


@numba_kernel("max_pool2d.forward")
def max_pool2d_forward(x: Array, window: Window2d) -> tuple[Array, Array]:
    """The first maximum under each window and its place; NaN wins."""
    return max_pool(x, _spans(window, 0), _spans(window, 1))


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
def _scatter_adds(gx, g, indices, n, area, outputs, c, block):  # type: ignore[no-untyped-def]
    blocks = (c + block - 1) // block
    for t in prange(n * blocks):
        first = t % blocks * block
        _scatter_add(gx, g, indices, t // blocks, first, min(c, first + block), area, outputs, c)


def _block(n: int, c: int) -> int:
    """Channels per task: a cache line at least, more where there are images enough to share out."""
    return CHANNELS if n >= 8 else max(16, min(CHANNELS, -(-c * n // 8)))


@numba_kernel("max_pool2d.grad_input")
def max_pool2d_grad_input(grad_y: Array, indices: Array, input_size: Pair) -> Array:
    """Each gradient is added at the place its maximum came from."""
    n, c, oh, ow = grad_y.shape
    h, w = input_size
    grad_x = np.empty((n, h, w, c), grad_y.dtype)
    if grad_x.size:
        g, places = channels_last(grad_y).reshape(-1), channels_last(indices).reshape(-1)
        _scatter_adds(grad_x.reshape(-1), g, places, n, h * w, oh * ow, c, _block(n, c))
    return channels_first(grad_x)


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
def _places(y, x, indices, n, area, inputs, c, block):  # type: ignore[no-untyped-def]
    blocks = (c + block - 1) // block
    for t in prange(n * blocks):
        first = t % blocks * block
        _place(y, x, indices, t // blocks, first, min(c, first + block), area, inputs, c)


@numba_kernel("max_unpool2d.forward")
def max_unpool2d_forward(x: Array, indices: Array, output_size: Pair) -> Array:
    """Each value at the place its index names, zeros elsewhere."""
    n, c, h, w = x.shape
    oh, ow = output_size
    y = np.empty((n, oh, ow, c), x.dtype)
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
def _fetches(gx, g, indices, n, area, inputs, c):  # type: ignore[no-untyped-def]
    for t in prange(n * inputs):
        _fetch(gx, g, indices, t // inputs, t % inputs, area, inputs, c)


@numba_kernel("max_unpool2d.grad_input")
def max_unpool2d_grad_input(grad_y: Array, indices: Array) -> Array:
    """Each gradient is read where the value was put."""
    n, c, h, w = indices.shape
    grad_x = np.empty((n, h, w, c), grad_y.dtype)
    if grad_x.size:
        g, places = channels_last(grad_y).reshape(-1), channels_last(indices).reshape(-1)
        _fetches(grad_x.reshape(-1), g, places, n, grad_y.shape[2] * grad_y.shape[3], h * w, c)
    return channels_first(grad_x)


def _averages(window: Window2d, axis: int, count_include_pad: bool, divisor_override: int | None) -> Sparse:
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


@numba_kernel("avg_pool2d.forward")
def avg_pool2d_forward(x: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None) -> Array:
    """The mean under each window."""
    rows, columns = (_averages(window, axis, count_include_pad, divisor_override) for axis in (0, 1))
    return resample(x, rows, columns)


@numba_kernel("avg_pool2d.grad_input")
def avg_pool2d_grad_input(
    grad_y: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None
) -> Array:
    """A pixel gathers from all windows that saw it."""
    rows, columns = (
        _averages(window, axis, count_include_pad, divisor_override).transposed(window.input_size[axis])
        for axis in (0, 1)
    )
    return resample(grad_y, rows, columns)
