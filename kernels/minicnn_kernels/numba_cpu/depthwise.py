"""Depthwise convolution: every channel has a window of its own, and no sum over channels.

On channels-last memory the same pixel of 16 channels is one vector (``vector/depthwise.py``). The rows of the output
are dealt to the threads; of the window, the rows that lie outside the image are left out.

The gradient with respect to the input has the same form, phase by phase (``phases.py``). Along each axis, output ``u``
of a phase looks at the input ``u*step + shift + t*spread``, tap ``t`` after tap; the convolution itself is a single
phase with ``step`` = stride, ``shift`` = -padding and ``spread`` = dilation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..geometry import Window2d
from ..memory import empty
from .jit import parallel, serial
from .layout import channels_first, channels_last
from .phases import phases
from .vector.call import call
from .vector.depthwise import MOST_TAPS, correlation, window_sums

CACHED = 1 << 18  # bytes of image and gradient that stay in the second cache while the rows of the window pass
PARTS = 64  # most partial sums of the weights' gradient


@serial
def _inside(base, count, step, size):  # type: ignore[no-untyped-def]
    """The ``i < count`` with ``0 <= base + i*step < size``: the first, and the one after the last."""
    first = max(0, -(base // step))
    return first, max(first, min(count, (size - base + step - 1) // step))


@serial
def _correlate_row(t, y, x, w, bias, bounds, offsets, rows, columns, sizes):  # type: ignore[no-untyped-def]
    """Row ``t`` of the output rows of all images; ``y``, ``x``, ... are addresses."""
    out_height, height, y_row, x_row = sizes
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
        call(kernel, (target + first, source + left, weights, end - a, bias, bounds, plan))


@parallel
def _correlate(y, x, w, bias, bounds, offsets, rows, columns, n, sizes):  # type: ignore[no-untyped-def]
    for t in prange(n * sizes[0]):
        to, source, weights = np.int64(y.ctypes.data), np.int64(x.ctypes.data), np.int64(w.ctypes.data)
        ends = np.int64(bias.ctypes.data), np.int64(bounds.ctypes.data)
        _correlate_row(np.int64(t), to, source, weights, *ends, offsets, rows, columns, sizes)


class _Line(NamedTuple):
    """Outputs ``first, first + stride, ...`` along one axis, ``outputs`` of them.

    Output ``u`` is the sum over ``t`` of the window's number ``taps[t]`` times the input ``u*step + shift + t*spread``.
    """

    first: int
    stride: int
    outputs: int
    taps: Sequence[int]
    step: int
    shift: int
    spread: int

    def run(self, size: int) -> tuple[int, int]:
        """The outputs all of whose taps are inside an axis of ``size``: the first, and the one after the last."""
        first = min(self.outputs, max(0, -(self.shift // self.step)))
        last = (size - 1 - self.shift - (len(self.taps) - 1) * self.spread) // self.step + 1
        return first, max(first, min(self.outputs, last))


class _Plan(NamedTuple):
    """The phases of a convolution, as Python and as the compiled functions see them."""

    lines: list[list[_Line]]
    rows: Array  # (row phases, 4): taps, step, shift, spread
    columns: Array  # (column phases, 14): kernel, bytes to first output and input, bytes of w's row, a kernel's plan
    sizes: tuple[int, int, int, int]  # height of y and x, bytes of their rows


def _forward_lines(window: Window2d) -> list[list[_Line]]:
    axes = zip(window.output_size, window.kernel_size, window.stride, window.padding, window.dilation, strict=True)
    return [[_Line(0, 1, count, range(k), stride, -pads[0], d)] for count, k, stride, pads, d in axes]


def _gradient_lines(window: Window2d) -> list[list[_Line]]:
    axes = zip(window.input_size, window.kernel_size, window.stride, window.padding, window.dilation, strict=True)
    return [
        [
            _Line(p.first, stride, p.count, [p.last_tap - t * p.step for t in range(p.taps)], 1, p.shift, p.spread)
            for p in phases(size, k, stride, pads[0], d)
        ]
        for size, k, stride, pads, d in axes
    ]


@lru_cache(maxsize=512)
def _plan(window: Window2d, channels: int, itemsize: int, gradient: bool) -> _Plan:
    """Decide all that depends on the sizes alone."""
    sizes, inputs = window.output_size, window.input_size
    if gradient:
        sizes, inputs = inputs, sizes
    pixel, width = channels * itemsize, inputs[1]
    lines = _gradient_lines(window) if gradient else _forward_lines(window)
    spread = lines[0][0].spread if lines[0] else 1
    columns = []
    for line in lines[1]:
        count = len(line.taps)
        taps, groups = (count, 1) if 0 < count <= MOST_TAPS else (1, count)
        kernel = correlation(taps, line.step, line.spread if taps > 1 else 1, itemsize)
        start = kernel, line.first * pixel, line.shift * pixel, count * pixel
        run = line.outputs, width, line.shift, *line.run(width)
        steps = groups, line.spread, line.stride * pixel, spread * width * pixel
        columns.append((*start, channels, *run, *steps))
    rows = [(len(line.taps), line.step, line.shift, line.spread) for line in lines[0]]
    lengths = sizes[0], inputs[0], sizes[1] * pixel, width * pixel
    return _Plan(lines, np.array(rows, np.int64), np.array(columns, np.int64), lengths)


def _windows(w: Array, plan: _Plan) -> tuple[Array, Array]:
    """The numbers of the windows ``w (C, KH, KW)``, phase by phase as ``(taps, taps, C)``, and where each begins."""
    rows, columns = plan.lines
    parts = [w[:, r.taps][:, :, c.taps].transpose(1, 2, 0).reshape(-1) for r in rows for c in columns]
    ends = np.cumsum([part.nbytes for part in parts])
    offsets = (ends - [part.nbytes for part in parts]).reshape(len(rows), len(columns))
    return (parts[0] if len(parts) == 1 else np.concatenate(parts)), offsets


def _correlation(x: Array, w: Array, bias: Array, low: float, high: float, plan: _Plan) -> Array:
    """``clamp(x (*) w + bias, low, high)`` for ``x (N, C, H, W)`` and ``w (C, 1, KH, KW)``, in channels-last memory."""
    height, _, row, _ = plan.sizes
    y = empty((len(x), height, row // (x.itemsize * len(w)), len(w)), x.dtype)
    if y.size:
        weights, offsets = _windows(w[:, 0], plan)
        memories = y.reshape(-1), channels_last(x).reshape(-1), weights, bias, np.array((low, high), x.dtype)
        _correlate(*memories, offsets, plan.rows, plan.columns, len(y), plan.sizes)
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
    return _correlation(x, weights, start, epilogue.low, epilogue.high, _plan(window, groups, x.itemsize, False))


def depthwise_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int) -> Array:
    """``dx[n, c, h, w]``: gathered by input rows."""
    zeros = np.zeros(groups, w.dtype)
    return _correlation(grad_y, w, zeros, NONE.low, NONE.high, _plan(window, groups, w.itemsize, True))


@serial
def _add_rows(sums, g, x, n, first, last, kernel_rows, stride, pad, dilation, groups, sizes):  # type: ignore[no-untyped-def]
    """Add what the output rows ``first .. last-1`` of image ``n`` contribute to all weights."""
    height, out_height, g_row, x_row, w_row = sizes
    for a in range(kernel_rows):
        base = a * dilation - pad
        i, end = _inside(base, last, stride, height)
        i = max(i, first)
        if i < end:
            slopes, source = g + (n * out_height + i) * g_row, x + (n * height + base + i * stride) * x_row
            for q in range(len(groups)):
                kernel, tap, left = groups[q, 0], groups[q, 1], groups[q, 2]
                plan = np.int64(groups.ctypes.data) + groups.itemsize * (q * groups.shape[1] + 3)
                call(kernel, (sums + a * w_row + tap, slopes, source + left, end - i, plan))


@parallel
def _add_parts(parts, g, x, n, chunk, kernel_rows, stride, pad, dilation, groups, sizes):  # type: ignore[no-untyped-def]
    """Part ``t`` takes the chunks of rows from number ``t*n*chunks // parts`` on."""
    chunks = (sizes[1] + chunk - 1) // chunk
    for t in prange(len(parts)):
        i, slopes, source = np.int64(t), np.int64(g.ctypes.data), np.int64(x.ctypes.data)
        sums = np.int64(parts.ctypes.data) + i * kernel_rows * sizes[4]
        for k in range(i * n * chunks // len(parts), (i + 1) * n * chunks // len(parts)):
            first = k % chunks * chunk
            last = min(first + chunk, sizes[1])
            _add_rows(sums, slopes, source, k // chunks, first, last, kernel_rows, stride, pad, dilation, groups, sizes)


@lru_cache(maxsize=512)
def _groups(window: Window2d, channels: int, itemsize: int) -> Array:
    """The columns of the window, in groups of at most MOST_TAPS: kernel, bytes to weight and pixel, a kernel's plan."""
    (line,) = _forward_lines(window)[1]
    pixel, width = channels * itemsize, window.input_size[1]
    rows = line.outputs * pixel, window.stride[0] * width * pixel
    groups = []
    for start in range(0, len(line.taps), MOST_TAPS):
        taps = line.taps[start : start + MOST_TAPS]
        part = line._replace(taps=taps, shift=line.shift + start * line.spread)
        kernel = window_sums(len(taps), line.step, line.spread if len(taps) > 1 else 1, itemsize)
        run = line.outputs, width, part.shift, *part.run(width)
        groups.append((kernel, start * pixel, part.shift * pixel, channels, *run, *rows))
    return np.array(groups, np.int64)


def depthwise_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """``dw[c, 0, kh, kw]``: the rows are dealt to at most PARTS sums, which are added in order."""
    (height, width), (oh, ow), (kh, kw) = window.input_size, window.output_size, window.kernel_size
    pixel = groups * x.itemsize
    chunk = max(1, CACHED // max(1, (ow + width * window.stride[0]) * pixel))
    parts = np.zeros((min(PARTS, len(x) * -(-oh // chunk)), kh, kw, groups), x.dtype)
    if parts.size:
        sizes = height, oh, ow * pixel, width * pixel, kw * pixel
        rows = kh, window.stride[0], window.padding[0][0], window.dilation[0]
        memories = parts.reshape(len(parts), -1), channels_last(grad_y).reshape(-1), channels_last(x).reshape(-1)
        _add_parts(*memories, len(x), chunk, *rows, _groups(window, groups, x.itemsize), sizes)
    return np.ascontiguousarray(parts.sum(axis=0).transpose(2, 0, 1)[:, None])
