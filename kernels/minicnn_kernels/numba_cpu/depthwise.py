"""Depthwise convolution: every channel has a window of its own, and no sum over channels.

On channels-last memory the same pixel of 16 channels is one vector (``vector/depthwise.py``). The rows of the output
are dealt to the threads; of the window, the rows that lie outside the image are left out.

The gradient with respect to the input has the same form, phase by phase (``phases.py``). Along each axis, output ``u``
of a phase looks at the input ``u*step + shift + t*spread``, tap ``t`` after tap; the convolution itself is a single
phase with ``step`` = stride, ``shift`` = -padding and ``spread`` = dilation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..geometry import Window2d
from ..memory import empty
from .fetching import LINE
from .jit import parallel, serial, share
from .layout import channels_first, channels_last
from .phases import phases
from .streaming import STREAMED, fence, whole_lines
from .vector.call import call
from .vector.depthwise import MOST_TAPS, correlation, window_rows, window_sums
from .vector.target import host

CACHED = 1 << 18  # bytes of image and gradient that stay in the second cache while the rows of the window pass
CHANNELS = 192  # at most so many at a time (about): what eight pixels touch, and the weights, stay in the first cache
PARTS = 64  # most partial sums of the weights' gradient
WIDTH = 64  # channels of these sums at a time
ZEROS = np.zeros(16)  # what lies outside of the image: at least one vector


@serial
def _inside(base, count, step, size):  # type: ignore[no-untyped-def]
    """The ``i < count`` with ``0 <= base + i*step < size``: the first, and the one after the last."""
    first = max(0, -(base // step))
    return first, max(first, min(count, (size - base + step - 1) // step))


@serial
def correlate_row(t, y, x, w, bias, bounds, offsets, rows, columns, sizes):  # type: ignore[no-untyped-def]
    """Row ``t`` of the output rows of all images; ``y``, ``x``, ... are addresses."""
    out_height, height, y_row, x_row, channels, chunk, itemsize = sizes
    n, h = t // out_height, t % out_height
    p, u = h % len(rows), h // len(rows)
    taps, step, shift, spread = rows[p, 0], rows[p, 1], rows[p, 2], rows[p, 3]
    base = u * step + shift
    a, end = _inside(base, taps, spread, height)
    target, source = y + t * y_row, x + (n * height + base + a * spread) * x_row
    for q in range(len(columns)):
        kernel, first, left, w_row = columns[q, 0], columns[q, 1], columns[q, 2], columns[q, 3]
        plan = np.int64(columns.ctypes.data) + columns.itemsize * (q * columns.shape[1] + 4)
        weights = w + offsets[p, q] + a * w_row
        for c in range(0, channels, chunk):
            at, some = c * itemsize, min(chunk, channels - c)
            places = target + first + at, source + left + at, weights + at
            call(kernel, (*places, end - a, some, bias + at, bounds, plan))


@parallel
def _correlate(thread, y, x, w, bias, bounds, offsets, rows, columns, n, sizes):  # type: ignore[no-untyped-def]
    for t in share(thread, n * sizes[0]):
        to, source, weights = np.int64(y.ctypes.data), np.int64(x.ctypes.data), np.int64(w.ctypes.data)
        ends = np.int64(bias.ctypes.data), np.int64(bounds.ctypes.data)
        correlate_row(np.int64(t), to, source, weights, *ends, offsets, rows, columns, sizes)
    fence()


class _Line(NamedTuple):
    """Outputs ``first, first + stride, ...`` along one axis, ``outputs`` of them.

    Output ``u`` is the sum over ``t`` of the window's number ``taps[t]`` times the input ``u*step + shift + t*spread``.
    """

    first: int
    stride: int
    outputs: int
    taps: range
    step: int
    shift: int
    spread: int


class _Plan(NamedTuple):
    """The phases of a convolution, as Python and as the compiled functions see them."""

    lines: list[list[_Line]]
    rows: Array  # (row phases, 4): taps, step, shift, spread
    offsets: Array  # (row phases, column phases): bytes before the window of the phases
    columns: Array  # (column phases, 14): kernel, bytes to first output and input, bytes of w's row, a kernel's plan
    sizes: tuple[int, ...]  # height of y and x, bytes of their rows; channels, how many at a time, bytes of a number


def _forward_lines(window: Window2d) -> list[list[_Line]]:
    axes = zip(window.output_size, window.kernel_size, window.stride, window.padding, window.dilation, strict=True)
    return [[_Line(0, 1, count, range(k), stride, -pads[0], d)] for count, k, stride, pads, d in axes]


def _gradient_lines(window: Window2d) -> list[list[_Line]]:
    axes = zip(window.input_size, window.kernel_size, window.stride, window.padding, window.dilation, strict=True)
    lines: list[list[_Line]] = []
    for size, kernel, stride, pads, dilation in axes:
        lines.append([])
        for p in phases(size, kernel, stride, pads[0], dilation):
            taps = range(p.last_tap, p.last_tap - p.taps * p.step, -p.step)
            lines[-1].append(_Line(p.first, stride, p.count, taps, 1, p.shift, p.spread))
    return lines


@lru_cache(maxsize=512)
def depthwise_plan(window: Window2d, channels: int, itemsize: int, gradient: bool, streamed: bool = False) -> _Plan:
    """Decide all that depends on the sizes alone."""
    outputs, inputs = window.output_size, window.input_size
    if gradient:
        outputs, inputs = inputs, outputs
    rows, columns = lines = _gradient_lines(window) if gradient else _forward_lines(window)
    pixel, width = channels * itemsize, inputs[1]
    x_row = width * pixel
    later = ((window.kernel_size[0] - 1) * window.dilation[0] // rows[0].stride + 1) * x_row
    table = []
    for line in columns:
        taps = len(line.taps)
        spelt, groups = (taps, 1) if 0 < taps <= MOST_TAPS else (1, taps)
        kernel = correlation(spelt, line.step, line.spread if spelt > 1 else 1, itemsize, streamed)
        plan = pixel, line.outputs, width, line.shift, groups, line.spread
        steps = line.stride * pixel, rows[0].spread * x_row, later, ZEROS.ctypes.data
        table.append((kernel, line.first * pixel, line.shift * pixel, taps * pixel, *plan, *steps))
    chunk = -(-channels // -(-channels // CHANNELS))
    sizes = outputs[0], inputs[0], outputs[1] * pixel, x_row, channels, -(-chunk // 64) * 64, itemsize
    windows = np.array([[len(r.taps) * len(c.taps) * pixel for c in columns] for r in rows], np.int64)
    offsets = (np.cumsum(windows) - windows.reshape(-1)).reshape(windows.shape)
    vertical = np.array([(len(line.taps), line.step, line.shift, line.spread) for line in rows], np.int64)
    return _Plan(lines, vertical, offsets, np.array(table, np.int64), sizes)


def depthwise_windows(w: Array, plan: _Plan) -> Array:
    """The numbers of the windows ``w (C, KH, KW)``, phase by phase as ``(taps, taps, C)``, one after another."""
    numbers = np.ascontiguousarray(w.transpose(1, 2, 0))
    rows, columns = plan.lines
    if len(rows) == len(columns) == 1 and rows[0].taps.step == columns[0].taps.step == 1:
        return numbers.reshape(-1)
    return np.concatenate([numbers[r.taps][:, c.taps].reshape(-1) for r in rows for c in columns])


def _correlation(x: Array, w: Array, bias: Array, low: float, high: float, window: Window2d, gradient: bool) -> Array:
    """``clamp(x (*) w + bias, low, high)`` for ``x (N, C, H, W)`` and ``w (C, 1, KH, KW)``, in channels-last memory."""
    channels = len(w)
    y = empty((len(x), *(window.input_size if gradient else window.output_size), channels), x.dtype)
    if y.size:
        streamed = y.nbytes >= STREAMED and host().vector_bytes == LINE and whole_lines(y, channels)
        plan = depthwise_plan(window, channels, x.itemsize, gradient, streamed)
        source, weights, bounds = channels_last(x), depthwise_windows(w[:, 0], plan), np.array((low, high), x.dtype)
        memories = y.reshape(-1), source.reshape(-1), weights, bias, bounds
        _correlate(*memories, plan.offsets, plan.rows, plan.columns, len(y), plan.sizes)
    return channels_first(y)


def depthwise_forward(
    x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue = NONE
) -> Array:
    """``y[n, c] = clamp((x[n, c] (*) w[c, 0])*scale[c] + bias[c] + residual[n, c], low, high)``."""
    if epilogue.residual is not None:
        before = epilogue._replace(residual=None, low=NONE.low, high=NONE.high)
        y = depthwise_forward(x, w, bias, window, groups, before)
        return epilogue._replace(scale=None).apply(y, None)
    weights = w if epilogue.scale is None else w * epilogue.scale.reshape(-1, 1, 1, 1)
    start = np.zeros(groups, x.dtype) if bias is None else np.ascontiguousarray(bias, x.dtype)
    return _correlation(x, weights, start, epilogue.low, epilogue.high, window, gradient=False)


def depthwise_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int) -> Array:
    """``dx[n, c, h, w]``: gathered by input rows."""
    zeros = np.zeros(groups, w.dtype)
    return _correlation(grad_y, w, zeros, NONE.low, NONE.high, window, gradient=True)


@serial
def _add_rows(sums, g, x, n, first, rows, groups, sizes):  # type: ignore[no-untyped-def]
    """Add what output rows ``first, ...`` of image ``n`` give to all weights, a group of weights at a time."""
    out_height, height, g_row, x_row, stride, channels, chunk, itemsize = sizes
    for q in range(len(groups)):
        kernel, weights, left, shift = groups[q, 0], groups[q, 1], groups[q, 2], groups[q, 3]
        plan = np.int64(groups.ctypes.data) + groups.itemsize * (q * groups.shape[1] + 4)
        h = first * stride + shift
        slopes, source = g + (n * out_height + first) * g_row, x + (n * height + h) * x_row + left
        for c in range(0, channels, chunk):
            at, some = c * itemsize, min(chunk, channels - c)
            call(kernel, (sums + weights + at, slopes + at, source + at, h, rows, some, plan))


@parallel
def _add_parts(thread, parts, g, x, n, rows, groups, sizes):  # type: ignore[no-untyped-def]
    """Part ``t`` takes the chunks of rows from number ``t*n*chunks // parts`` on."""
    chunks = (sizes[0] + rows - 1) // rows
    for t in share(thread, len(parts)):
        i, slopes, source = np.int64(t), np.int64(g.ctypes.data), np.int64(x.ctypes.data)
        sums = np.int64(parts.ctypes.data) + i * parts.shape[1] * parts.itemsize
        for k in range(i * n * chunks // len(parts), (i + 1) * n * chunks // len(parts)):
            first = k % chunks * rows
            _add_rows(sums, slopes, source, k // chunks, first, min(rows, sizes[0] - first), groups, sizes)


@lru_cache(maxsize=512)
def _groups(window: Window2d, channels: int, itemsize: int, rows: int) -> Array:
    """The weights in groups: kernel, bytes to the first weight and pixel, rows to the first pixel, a kernel's plan."""
    (sh, sw), (dh, dw), (kh, kw) = window.stride, window.dilation, window.kernel_size
    (top, _), (left, _) = window.padding
    pixel, (height, width), outputs = channels * itemsize, window.input_size, window.output_size[1]
    x_row, g_row = width * pixel, outputs * pixel
    steps = g_row, sh * x_row, dh * x_row, kw * pixel, sh, dh
    later = rows * g_row, rows * sh * x_row, ZEROS.ctypes.data
    groups = []
    for b in range(0, kw, MOST_TAPS):
        taps = min(MOST_TAPS, kw - b)
        deep = window_rows(kh, taps)
        for a in range(0, kh, deep):
            kernel = window_sums(min(deep, kh - a), taps, sw, dw if taps > 1 else 1, itemsize)
            start, column, row = (a * kw + b) * pixel, b * dw - left, a * dh - top
            plan = pixel, outputs, height, width, column, *steps, *later
            groups.append((kernel, start, column * pixel, row, *plan))
    return np.array(groups, np.int64)


def depthwise_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """``dw[c, 0, kh, kw]``: the rows are dealt to at most PARTS sums, which are added in order."""
    (height, width), (oh, ow), (kh, kw) = window.input_size, window.output_size, window.kernel_size
    pixel = groups * x.itemsize
    chunks = -(-oh * (ow + width * window.stride[0]) * pixel // CACHED)
    rows = -(-oh // max(1, min(oh, chunks)))
    parts = np.zeros((min(PARTS, len(x) * -(-oh // rows)), kh * kw * groups), x.dtype)
    if parts.size:
        sizes = oh, height, ow * pixel, width * pixel, window.stride[0], groups, WIDTH, x.itemsize
        memories = parts, channels_last(grad_y).reshape(-1), channels_last(x).reshape(-1)
        _add_parts(*memories, len(x), rows, _groups(window, groups, x.itemsize, rows), sizes)
    return np.ascontiguousarray(parts.sum(axis=0).reshape(kh, kw, groups).transpose(2, 0, 1)[:, None])
