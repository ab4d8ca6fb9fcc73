"""Arrays as the compiled functions see them: flat memory, and the strides that give it a shape.

The kernels work on *channels-last* memory: the array has the shape ``(N, C, H, W)``, and the
channels of one pixel are neighbours, as if it were ``(N, H, W, C)``. One vector instruction then
treats the same pixel in 8 or 16 channels, a 1x1 convolution is a plain matrix product, and
a row of a window is one contiguous run. Nothing but the strides tells the two layouts apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, address
from ..errors import ShapeError
from ..geometry import Window2d
from ..memory import empty, memory_order
from .jit import parallel, serial, serial_no_alias, share, unsigned

TASK = 16384  # elements of one task, about: 64 KiB of float32


def flat(x: Array) -> tuple[Array, tuple[int, ...]]:
    """``(memory, strides)``: the elements of ``x`` as a flat array, and its strides counted in elements.

    A copy is made only if the axes of ``x`` in no order are contiguous.
    """
    steps = x.strides
    order = sorted(range(x.ndim), key=steps.__getitem__, reverse=True)
    ordered = x.transpose(order)
    if not ordered.flags.c_contiguous:
        x = ordered = np.ascontiguousarray(x)
    return ordered.reshape(-1), tuple(stride // x.itemsize for stride in x.strides)


def _pixels_last(x: Array) -> Array:
    """``x (N, C, *)`` seen as ``(N, *, C)``."""
    if x.ndim == 4:
        return x.transpose(0, 2, 3, 1)  # ten times as fast, where it is called most
    return np.moveaxis(x, 1, -1)


def channels_last(x: Array) -> Array:
    """``x (N, C, *)`` as a C-contiguous array ``(N, *, C)``; no copy if its memory is that already."""
    x = _pixels_last(x)
    if x.flags.c_contiguous:
        return x
    return contiguous(x) if x.ndim == 4 else np.ascontiguousarray(x)


def pixel_rows(x: Array) -> tuple[Array, int] | None:
    """The memory of ``x (N, C, *)`` from its first element on, and the step from one pixel to the next.

    That is C, or more if x is some channels of a larger array. None if its memory is not channels-last.
    """
    ordered = _pixels_last(x)
    if ordered.flags.c_contiguous:
        return ordered.reshape(-1), x.shape[1]
    step, count = 0, 1
    for axis in (*range(x.ndim - 1, 1, -1), 0):
        if x.shape[axis] > 1:
            step = step or x.strides[axis]
            if x.strides[axis] != step * count:
                return None
            count *= x.shape[axis]
    step = step // x.itemsize or x.shape[1]
    if step < x.shape[1] or (x.shape[1] > 1 and x.strides[1] != x.itemsize):
        return None
    return np.asarray(_Span(x, (count - 1) * step + x.shape[1])), step


def as_pixel_rows(x: Array) -> tuple[Array, int]:
    """The same, of a copy if need be."""
    return pixel_rows(x) or (channels_last(x).reshape(-1), x.shape[1])


def channels_first(x: Array) -> Array:
    """``x (N, *, C)`` seen as ``(N, C, *)``: a view."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else np.moveaxis(x, -1, 1)


def window_numbers(window: Window2d) -> tuple[tuple[int, int], ...]:
    """Input sizes, kernel, stride, padding before, dilation and output sizes: a window as compiled loops take it."""
    (top, _), (left, _) = window.padding
    return window.input_size, window.kernel_size, window.stride, (top, left), window.dilation, window.output_size


def padded(x: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """``x (N, C, H, W)`` as a C-contiguous ``(N, top+H+bottom, left+W+right, C)`` with zeros around it."""
    if rows == columns == (0, 0):
        return channels_last(x)
    n, c, h, w = x.shape
    memory, (sn, sc, sh, sw) = flat(x)
    out = empty((n, sum(rows) + h, sum(columns) + w, c), x.dtype)
    if out.size:
        plan = np.array((h, w, c, sn, sh, sw, sc, *rows, *columns), np.int64)
        _pad(out.reshape(-1), memory, plan, n * out.shape[1])
    return out


@serial_no_alias
def zeros(out, p, count):  # type: ignore[no-untyped-def]
    for j in range(unsigned(p), unsigned(p + count)):
        out[j] = 0


@serial_no_alias
def run_of_numbers(out, x, p, q, count):  # type: ignore[no-untyped-def]
    p, q = unsigned(p), unsigned(q)
    for j in range(unsigned(count)):
        out[p + j] = x[q + j]


@serial_no_alias
def three_planes(out, a, b, c, pixels):  # type: ignore[no-untyped-def]
    """Pixels of three colours that lie in a plane each."""
    for j in range(unsigned(pixels)):
        p = unsigned(j * 3)
        out[p], out[p + unsigned(1)], out[p + unsigned(2)] = a[j], b[j], c[j]


@serial_no_alias
def any_order(out, x, p, q, pixels, channels, sw, sc):  # type: ignore[no-untyped-def]
    channels = unsigned(channels)
    for j in range(unsigned(pixels)):
        for k in range(channels):
            out[unsigned(p) + j * channels + k] = x[unsigned(q + np.int64(j) * sw + np.int64(k) * sc)]


@serial
def _pad_row(out, x, t, plan):  # type: ignore[no-untyped-def]
    """Row ``t`` of the padded images: zeros, ``w`` pixels of ``c`` channels, zeros; or zeros alone."""
    h, w, c, sn, sh, sw, sc = plan[0], plan[1], plan[2], plan[3], plan[4], plan[5], plan[6]
    top, bottom, left, right = plan[7], plan[8], plan[9], plan[10]
    n, i = t // (top + h + bottom), t % (top + h + bottom) - top
    p, q = t * (left + w + right) * c, n * sn + i * sh
    if not 0 <= i < h:
        zeros(out, p, (left + w + right) * c)
        return
    zeros(out, p, left * c)
    p += left * c
    if sw == c and (sc == 1 or c == 1):
        run_of_numbers(out, x, p, q, w * c)
    elif c == 3 and sw == 1:
        three_planes(out[p:], x[q:], x[q + sc :], x[q + 2 * sc :], w)
    else:
        any_order(out, x, p, q, w, c, sw, sc)
    zeros(out, p + w * c, right * c)


@parallel
def _pad(thread, out, x, plan, rows):  # type: ignore[no-untyped-def]
    for t in share(thread, rows):
        _pad_row(out, x, np.int64(t), plan)


class Rows(NamedTuple):
    """Arrays of one shape as ``height`` rows of ``run`` neighbouring elements, in one order.

    Each array has a flat memory from its first element on, and a ``step`` in it from one row to the next.
    """

    height: int
    run: int
    memories: list[Array]
    steps: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """How compiled loops take them: rows, elements of a row, what is shared out (see ``piece``), the steps."""
        units, some = (self.run, TASK) if self.height == 1 else (self.height, max(1, TASK // self.run))
        return self.height, self.run, units, some, *self.steps


class _Span:
    """Memory from the first element of ``x`` on, as NumPy's array interface tells it."""

    def __init__(self, x: Array, size: int) -> None:
        self.x = x  # keeps the memory alive
        self.__array_interface__: dict[str, Any] = {
            "data": (address(x), not x.flags.writeable), "shape": (size,), "typestr": x.dtype.str, "version": 3
        }  # fmt: skip


def one_row(*memories: Array) -> Rows:
    """Flat arrays of one size."""
    return Rows(1, memories[0].size, list(memories), (memories[0].size,) * len(memories))


def in_rows(*arrays: Array) -> Rows | None:
    """Arrays of one shape as rows; None if their elements do not lie so.

    Dense arrays in the same memory order are one row. Some channels of a channels-last array are a row per pixel.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    first = arrays[0]
    if any(x.shape != first.shape for x in arrays):
        raise ShapeError(f"these arrays must have one shape; they have {', '.join(str(x.shape) for x in arrays)}")
    axes = [axis for axis in memory_order(first) if first.shape[axis] > 1]
    sizes = [first.shape[axis] for axis in axes]
    table = [[x.strides[axis] // x.itemsize for axis in axes] for x in arrays]
    if first.size == 0 or any(x.strides[axis] % x.itemsize for x in arrays for axis in axes):
        return None
    run = 1
    while axes and all(strides[-1] == run for strides in table):
        run *= sizes.pop()
        axes.pop()
        table = [strides[:-1] for strides in table]
    count, steps = 1, (run,) * len(arrays)
    if axes:
        if run == 1 or any(strides[-1] < run for strides in table):
            return None
        steps = tuple(strides[-1] for strides in table)
        for i in range(len(axes) - 1, -1, -1):
            if any(strides[i] != step * count for strides, step in zip(table, steps, strict=True)):
                return None
            count *= sizes[i]
    spans = [_Span(x, (count - 1) * step + run) for x, step in zip(arrays, steps, strict=True)]
    return Rows(count, run, [np.asarray(span) for span in spans], steps)


def contiguous(x: Array) -> Array:
    """``x (4-d)`` in C order."""
    if x.flags.c_contiguous:
        return x
    out = empty(x.shape, x.dtype)
    copy_into(out, x)
    return out


def copy_into(out: Array, x: Array) -> None:
    """``out[...] = x`` for 4-d arrays; ``out`` is contiguous with its axes in some order, ``x`` has any strides."""
    rows = in_rows(out, x)
    if rows is not None:
        _copy_rows(*rows.memories, *rows.numbers)
        return
    memory, strides = flat(x)
    target, steps = flat(out)
    if x.size:
        _copy(target, memory, x.shape, steps, strides)


@serial
def piece(t, count, run, units, some):  # type: ignore[no-untyped-def]
    """Task ``t`` of rows: some of them, or a part of a single one: first row, how many, first element, how many."""
    first = t * some
    if count == 1:
        return 0, 1, first, min(some, units - first)
    return first, min(some, units - first), 0, run


@serial_no_alias
def _copy_some(out, x, p, q, count, run, step_out, step):  # type: ignore[no-untyped-def]
    """``out[p + i*step_out : + run] = x[q + i*step : + run]`` for ``i < count``."""
    p, q, run = unsigned(p), unsigned(q), unsigned(run)
    for _ in range(count):
        for j in range(run):
            out[p + j] = x[q + j]
        p += unsigned(step_out)
        q += unsigned(step)


@parallel
def _copy_rows(thread, out, x, count, run, units, some, step_out, step):  # type: ignore[no-untyped-def]
    for t in share(thread, (units + some - 1) // some):
        first, rows, start, size = piece(t, count, run, units, some)
        _copy_some(out, x, first * step_out + start, first * step + start, rows, size, step_out, step)


@serial
def _copy_plane(out, x, p, q, shape, steps, strides):  # type: ignore[no-untyped-def]
    """A matrix from anywhere to anywhere, the innermost loop along the memory of the output."""
    p, q = unsigned(p), unsigned(q)
    m, n = unsigned(shape[0]), unsigned(shape[1])
    pm, pn = unsigned(steps[0]), unsigned(steps[1])
    qm, qn = unsigned(strides[0]), unsigned(strides[1])
    for i in range(m):
        for j in range(n):
            out[p + i * pm + j * pn] = x[q + i * qm + j * qn]


@parallel
def _copy(thread, out, x, shape, steps, strides):  # type: ignore[no-untyped-def]
    for t in share(thread, shape[0] * shape[1]):
        i, j = t // shape[1], t % shape[1]
        p = i * steps[0] + j * steps[1]
        q = i * strides[0] + j * strides[1]
        _copy_plane(out, x, p, q, shape[2:], steps[2:], strides[2:])
