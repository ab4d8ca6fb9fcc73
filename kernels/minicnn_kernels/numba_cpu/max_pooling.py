"""Max pooling on channels-last memory: all channels of a pixel are compared at once.

The window is cut down to what lies in the plane: along each axis an output has a *span* of taps. Which tap has
won is stored as its number, one byte per output for every usual window; a place in the plane would take eight, and this
operation's time is that of the memory.

The gradient is gathered: an input pixel asks every window that sees it, and through which tap, whether
it has won there. So each input is written once, by one thread, and needs no zeros before.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Array
from ..geometry import Window2d
from ..memory import empty
from ..registry import kernel
from .jit import numba_kernel, parallel, serial, serial_no_alias, unsigned
from .layout import channels_first, channels_last


@serial_no_alias
def _start(y, winner, p, tap, c):  # type: ignore[no-untyped-def]
    for j in range(unsigned(p), unsigned(p + c)):
        y[j] = -np.inf
        winner[j] = tap


@serial_no_alias
def _better(y, winner, p, x, q, tap, c):  # type: ignore[no-untyped-def]
    """Where ``x[:c]`` exceeds ``y[:c]`` or is NaN, take it and its tap."""
    p, q, c, tap = unsigned(p), unsigned(q), unsigned(c), winner.dtype.type(tap)
    for j in range(c):
        value, best, who = x[q + j], y[p + j], winner[p + j]
        better = (value > best) | (value != value)
        y[p + j] = value if better else best
        winner[p + j] = tap if better else who


@serial_no_alias
def _best_of_three(y, winner, p, x, places, taps, k, c):  # type: ignore[no-untyped-def]
    """The same for three taps at once: y and its taps are read and written once for all."""
    p, c = unsigned(p), unsigned(c)
    q0, q1, q2 = unsigned(places[k]), unsigned(places[k + 1]), unsigned(places[k + 2])
    number = winner.dtype.type
    t0, t1, t2 = number(taps[k]), number(taps[k + 1]), number(taps[k + 2])
    for j in range(c):
        best, who = y[p + j], winner[p + j]
        a, b, d = x[q0 + j], x[q1 + j], x[q2 + j]
        better = (a > best) | (a != a)
        best, who = a if better else best, t0 if better else who
        better = (b > best) | (b != b)
        best, who = b if better else best, t1 if better else who
        better = (d > best) | (d != d)
        y[p + j] = d if better else best
        winner[p + j] = t2 if better else who


@serial
def _max_row(y, winner, x, n, i, h, w, c, rows, columns, kernel_w):  # type: ignore[no-untyped-def]
    """Output row ``i`` of image ``n``; the spans are those of ``spans``."""
    outputs = columns.shape[0]
    top, height, down, first_a = rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3]
    places, taps = np.empty(height * kernel_w, np.int64), np.empty(height * kernel_w, np.int64)
    for j in range(outputs):
        left, width, right, first_b = columns[j, 0], columns[j, 1], columns[j, 2], columns[j, 3]
        count = 0
        for a in range(height):
            for b in range(width):
                places[count] = ((n * h + top + a * down) * w + left + b * right) * c
                taps[count] = (first_a + a) * kernel_w + first_b + b
                count += 1
        p = ((n * rows.shape[0] + i) * outputs + j) * c
        _start(y, winner, p, taps[0] if count > 0 else 0, c)
        k = 0
        while k + 3 <= count:
            _best_of_three(y, winner, p, x, places, taps, k, c)
            k += 3
        for rest in range(k, count):
            _better(y, winner, p, x, places[rest], taps[rest], c)


@parallel
def _max_pool(y, winner, x, n, h, w, c, rows, columns, kernel_w):  # type: ignore[no-untyped-def]
    outputs = rows.shape[0]
    for t in prange(n * outputs):
        _max_row(y, winner, x, t // outputs, t % outputs, h, w, c, rows, columns, kernel_w)


def max_pool(x: Array, rows: Array, columns: Array, kernel_w: int, tap_type: np.dtype) -> tuple[Array, Array]:  # type: ignore[type-arg]
    """Maxima and the numbers ``a*kernel_w + b`` of their taps, over windows with the given spans."""
    n, c, h, w = x.shape
    y = empty((n, len(rows), len(columns), c), x.dtype)
    winner = empty(y.shape, tap_type)
    if y.size:
        memories = y.reshape(-1), winner.reshape(-1), channels_last(x).reshape(-1)
        _max_pool(*memories, n, h, w, c, rows, columns, kernel_w)
    return channels_first(y), channels_first(winner)


def spans(window: Window2d, axis: int) -> Array:
    """``(first, count, step, tap)`` of the positions inside the plane, for each output; ``tap`` is the first one's."""
    size, kernel, step = window.input_size[axis], window.kernel_size[axis], window.dilation[axis]
    start = np.arange(window.output_size[axis]) * window.stride[axis] - window.padding[axis][0]
    skipped = np.maximum(0, -(start // step))  # positions before the plane
    end = np.minimum(kernel, -((start - size) // step))  # positions up to its end
    columns = start + skipped * step, np.maximum(end - skipped, 0), np.full_like(start, step), skipped
    return np.ascontiguousarray(np.stack(columns, axis=1), np.int64)


@numba_kernel("max_pool2d.forward")
def max_pool2d_forward(x: Array, window: Window2d) -> tuple[Array, Array]:
    """The first maximum under each window and the number of its tap; NaN wins."""
    return max_pool(x, spans(window, 0), spans(window, 1), window.kernel_size[1], window.tap_type)


@serial
def _place_row(indices, winner, n, i, w, c, rows, columns, kernel_w):  # type: ignore[no-untyped-def]
    outputs = columns.shape[0]
    for j in range(outputs):
        p = ((n * rows.shape[0] + i) * outputs + j) * c
        seen = rows[i, 1] > 0 and columns[j, 1] > 0
        for k in range(unsigned(p), unsigned(p + c)):
            a, b = winner[k] // kernel_w - rows[i, 3], winner[k] % kernel_w - columns[j, 3]
            place = (rows[i, 0] + a * rows[i, 2]) * w + columns[j, 0] + b * columns[j, 2]
            indices[k] = place if seen else 0


@parallel
def _places(indices, winner, n, w, c, rows, columns, kernel_w):  # type: ignore[no-untyped-def]
    outputs = rows.shape[0]
    for t in prange(n * outputs):
        _place_row(indices, winner, t // outputs, t % outputs, w, c, rows, columns, kernel_w)


def places_of_taps(winner: Array, rows: Array, columns: Array, kernel_w: int, width: int) -> Array:
    """Places ``h*width + w`` of the winning taps; 0 for a window that sees nothing of the plane."""
    n, c = winner.shape[:2]
    indices = empty((n, len(rows), len(columns), c), np.int64)
    if indices.size:
        memory = channels_last(winner).reshape(-1)
        _places(indices.reshape(-1), memory, n, width, c, rows, columns, np.int64(kernel_w))
    return channels_first(indices)


@kernel("max_pool2d.indices", "numba")
def max_pool2d_indices(winner: Array, window: Window2d) -> Array:
    """The place ``h*W + w`` at which each winning tap looks; 0 if that is padding."""
    return places_of_taps(winner, spans(window, 0), spans(window, 1), window.kernel_size[1], window.input_size[1])


@serial_no_alias
def _take(gx, p, g, winner, q, tap, c):  # type: ignore[no-untyped-def]
    """``gx[:c] = g[:c]`` where the tap has won, else 0."""
    p, q, c, tap, zero = unsigned(p), unsigned(q), unsigned(c), winner.dtype.type(tap), g.dtype.type(0)
    for j in range(c):
        gx[p + j] = g[q + j] if winner[q + j] == tap else zero


@serial_no_alias
def _add(gx, p, g, winner, q, tap, c):  # type: ignore[no-untyped-def]
    """``gx[:c] += g[:c]`` where the tap has won."""
    p, q, c, tap, zero = unsigned(p), unsigned(q), unsigned(c), winner.dtype.type(tap), g.dtype.type(0)
    for j in range(c):
        gx[p + j] += g[q + j] if winner[q + j] == tap else zero


@serial_no_alias
def _zero(gx, p, c):  # type: ignore[no-untyped-def]
    for j in range(unsigned(p), unsigned(p + c)):
        gx[j] = 0


@serial
def _gather_row(gx, g, winner, n, i, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w):  # type: ignore[no-untyped-def]
    """Input row ``i`` of image ``n``: ``pairs`` holds, for each position, the windows that see it and their taps."""
    output_h, output_w = outputs
    width = len(starts) - 1
    for j in range(width):
        p = ((n * (len(row_starts) - 1) + i) * width + j) * c
        first = True
        for k in range(row_starts[i], row_starts[i + 1]):
            row, a = (n * output_h + row_pairs[k, 0]) * output_w, row_pairs[k, 1] * kernel_w
            for m in range(starts[j], starts[j + 1]):
                q, tap = (row + pairs[m, 0]) * c, a + pairs[m, 1]
                if first:
                    _take(gx, p, g, winner, q, tap, c)
                else:
                    _add(gx, p, g, winner, q, tap, c)
                first = False
        if first:
            _zero(gx, p, c)


@parallel
def _gathers(gx, g, winner, n, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w):  # type: ignore[no-untyped-def]
    rows = len(row_starts) - 1
    for t in prange(n * rows):
        _gather_row(gx, g, winner, t // rows, t % rows, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w)


def _seen_by(window: Window2d, axis: int) -> tuple[Array, Array]:
    """For each position of the plane, its pairs ``(output, tap)``: those of position ``h`` are ``starts[h:h+2]``."""
    size, stride = window.input_size[axis], window.stride[axis]
    tap, output = np.indices((window.kernel_size[axis], window.output_size[axis])).reshape(2, -1)
    position = output * stride + tap * window.dilation[axis] - window.padding[axis][0]
    order = np.lexsort((output, position))
    order = order[(position[order] >= 0) & (position[order] < size)]
    starts = np.searchsorted(position[order], np.arange(size + 1))
    return starts.astype(np.int64), np.stack([output[order], tap[order]], axis=1).astype(np.int64)


@numba_kernel("max_pool2d.grad_input")
def max_pool2d_grad_input(grad_y: Array, winner: Array, window: Window2d) -> Array:
    """Each input gathers the gradients of the windows in which it is the maximum."""
    n, c = grad_y.shape[:2]
    grad_x = empty((n, *window.input_size, c), grad_y.dtype)
    if grad_x.size:
        memories = grad_x.reshape(-1), channels_last(grad_y).reshape(-1), channels_last(winner).reshape(-1)
        seen = *_seen_by(window, 0), *_seen_by(window, 1)
        _gathers(*memories, n, window.output_size, c, *seen, window.kernel_size[1])
    return channels_first(grad_x)
