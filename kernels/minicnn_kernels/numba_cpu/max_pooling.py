"""Max pooling on channels-last memory: all channels of a pixel are compared at once.

The window is cut down to what lies in the plane: along each axis an output has a *span* of taps. Which tap has
won is stored as its number, one byte per output for every usual window; a place in the plane would take eight, and this
operation's time is that of the memory.

The gradient is gathered: an input pixel asks every window that sees it, and through which tap, whether
it has won there. So each input is written once, by one thread, and needs no zeros before.

Both loops ask for memory ahead (``fetching.py``): several rows are read side by side, and a processor foresees too
little of that. (In a step of GoogLeNet, 13 poolings: 14 ms forward and 14 backward without it, then 12 and 10.)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import Array
from ..geometry import Window2d
from ..memory import empty
from ..registry import kernel
from .fetching import fetch_ahead
from .jit import numba_kernel, parallel, serial, serial_no_alias, share, unsigned
from .layout import channels_first, channels_last


@serial_no_alias
def _max_row(y, winner, x, n, i, h, w, c, rows, columns, kernel_w):  # type: ignore[no-untyped-def]
    """Output row ``i`` of image ``n``; the spans are those of ``spans``.

    Where a number exceeds the best so far or is NaN, it is taken, and its tap. Three taps are compared at a
    time, so that y is read and written a third as often. No function is called: passing arrays takes as long
    as comparing 64 channels.
    """
    outputs, one, channels, number = columns.shape[0], unsigned(1), unsigned(c), winner.dtype.type
    top, height, down, first_a = rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3]
    places, taps = np.empty(height * kernel_w + 1, np.int64), np.zeros(height * kernel_w + 1, np.int64)
    for j in range(outputs):
        left, width, right, first_b = columns[j, 0], columns[j, 1], columns[j, 2], columns[j, 3]
        count = 0
        for a in range(height):
            for b in range(width):
                places[count] = ((n * h + top + a * down) * w + left + b * right) * c
                taps[count] = (first_a + a) * kernel_w + first_b + b
                count += 1
            last = min(width, 2)  # pixels of the usual strides that no window to the left has seen
            if last:
                fetch_ahead(x, unsigned(places[count - last]), unsigned(last) * channels)
        p = unsigned(((n * rows.shape[0] + i) * outputs + j) * c)
        if count < 3:
            t0 = number(taps[0] if count > 0 else 0)
            for k in range(p, p + channels, one):
                y[k] = -np.inf
                winner[k] = t0
        for m in range(0, count - 2, 3):
            q0, q1, q2 = unsigned(places[m]), unsigned(places[m + 1]), unsigned(places[m + 2])
            t0, t1, t2 = number(taps[m]), number(taps[m + 1]), number(taps[m + 2])
            if m == 0:
                for k in range(channels):
                    u, v, z = x[q0 + k], x[q1 + k], x[q2 + k]
                    better = (v > u) | (v != v)
                    best, who = v if better else u, t1 if better else t0
                    better = (z > best) | (z != z)
                    y[p + k] = z if better else best
                    winner[p + k] = t2 if better else who
                continue
            for k in range(channels):
                best, who = y[p + k], winner[p + k]
                u, v, z = x[q0 + k], x[q1 + k], x[q2 + k]
                better = (u > best) | (u != u)
                best, who = u if better else best, t0 if better else who
                better = (v > best) | (v != v)
                best, who = v if better else best, t1 if better else who
                better = (z > best) | (z != z)
                y[p + k] = z if better else best
                winner[p + k] = t2 if better else who
        for m in range(count - count % 3, count):
            q0, t0 = unsigned(places[m]), number(taps[m])
            for k in range(channels):
                best, who, u = y[p + k], winner[p + k], x[q0 + k]
                better = (u > best) | (u != u)
                y[p + k] = u if better else best
                winner[p + k] = t0 if better else who


@parallel
def _max_pool(thread, y, winner, x, n, h, w, c, rows, columns, kernel_w):  # type: ignore[no-untyped-def]
    outputs = rows.shape[0]
    for t in share(thread, n * outputs):
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


@lru_cache(maxsize=512)
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
def _places(thread, indices, winner, n, w, c, rows, columns, kernel_w):  # type: ignore[no-untyped-def]
    outputs = rows.shape[0]
    for t in share(thread, n * outputs):
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
def _gather_row(gx, g, winner, n, i, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w):  # type: ignore[no-untyped-def]
    """Input row ``i`` of image ``n``: ``pairs`` holds, for each position, the windows that see it and their taps."""
    output_h, output_w = outputs
    channels, number, zero = unsigned(c), winner.dtype.type, g.dtype.type(0)
    width = len(starts) - 1
    for j in range(width):
        p = unsigned(((n * (len(row_starts) - 1) + i) * width + j) * c)
        first = True
        for k in range(row_starts[i], row_starts[i + 1]):
            row, a = (n * output_h + row_pairs[k, 0]) * output_w, row_pairs[k, 1] * kernel_w
            for m in range(starts[j], starts[j + 1]):
                q, tap = unsigned((row + pairs[m, 0]) * c), number(a + pairs[m, 1])
                if k == row_starts[i + 1] - 1:  # the row of windows that no row of pixels before has asked
                    fetch_ahead(g, q, channels)
                    fetch_ahead(winner, q, channels)
                if first:
                    for z in range(channels):
                        gx[p + z] = g[q + z] if winner[q + z] == tap else zero
                else:
                    for z in range(channels):
                        gx[p + z] += g[q + z] if winner[q + z] == tap else zero
                first = False
        if first:
            for z in range(channels):
                gx[p + z] = zero


@parallel
def _gathers(thread, gx, g, winner, n, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w):  # type: ignore[no-untyped-def]
    rows = len(row_starts) - 1
    for t in share(thread, n * rows):
        _gather_row(gx, g, winner, t // rows, t % rows, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w)


@lru_cache(maxsize=512)
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
