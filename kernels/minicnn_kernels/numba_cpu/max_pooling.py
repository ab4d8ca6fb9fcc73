"""Max pooling on channels-last memory: all channels of a pixel are compared at once.

The window is cut down to what lies in the plane: along each axis an output has a *span* of taps. Which tap has
won is stored as its number, one byte per output for every usual window; a place in the plane would take eight, and this
operation's time is that of the memory.

The gradient is gathered: an input pixel asks every window that sees it, and through which tap, whether
it has won there. So each input is written once, by one thread, and needs no zeros before.

Here is which taps and windows there are; the comparing and adding is in ``vector/max_pooling.py``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import Array
from ..geometry import Window2d
from ..memory import empty
from ..registry import kernel
from .jit import numba_kernel, parallel, serial, share, unsigned
from .layout import channels_first, channels_last
from .vector.call import call
from .vector.max_pooling import gather, largest


@serial
def _max_row(y, winner, x, taps, n, i, h, w, c, rows, columns, kernel_w, largest):  # type: ignore[no-untyped-def]
    """Output row ``i`` of image ``n``; the spans are those of ``spans``. There is room for all taps in ``taps``."""
    outputs, size, tap_size = columns.shape[0], x.itemsize, winner.itemsize
    top, height, down, first_a = rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3]
    at_x, at_y, at_winner = x.ctypes.data, y.ctypes.data, winner.ctypes.data
    j = 0
    while j < outputs:
        left, width, right, first_b = columns[j, 0], columns[j, 1], columns[j, 2], columns[j, 3]
        step = columns[j + 1, 0] - left if j + 1 < outputs else 0
        count = 1  # windows that look through the same taps, each a step further on than the one before
        while (
            j + count < outputs
            and columns[j + count, 1] == width
            and columns[j + count, 3] == first_b
            and columns[j + count, 0] == left + count * step
        ):
            count += 1
        p = ((n * rows.shape[0] + i) * outputs + j) * c
        if height * width == 0:
            for k in range(unsigned(p), unsigned(p + count * c)):
                y[k], winner[k] = -np.inf, 0
        else:
            for a in range(height):
                for b in range(width):
                    taps[a * width + b, 0] = (a * down * w + b * right) * c * size
                    taps[a * width + b, 1] = (first_a + a) * kernel_w + first_b + b
            start = at_x + ((n * h + top) * w + left) * c * size
            targets = at_y + p * size, at_winner + p * tap_size
            call(largest, (start, step * c * size, taps.ctypes.data, height * width, count, *targets, c))
        j += count


@parallel
def _max_pool(thread, y, winner, x, n, h, w, c, rows, columns, kernel_w, largest):  # type: ignore[no-untyped-def]
    outputs, tallest = rows.shape[0], 0
    for i in range(outputs):
        tallest = max(tallest, rows[i, 1])
    taps = np.empty((tallest * kernel_w, 2), np.int64)  # here, for an allocation takes as long as some pixels
    for t in share(thread, n * outputs):
        _max_row(y, winner, x, taps, t // outputs, t % outputs, h, w, c, rows, columns, kernel_w, largest)


def max_pool(x: Array, rows: Array, columns: Array, kernel_w: int, tap_type: np.dtype) -> tuple[Array, Array]:  # type: ignore[type-arg]
    """Maxima and the numbers ``a*kernel_w + b`` of their taps, over windows with the given spans."""
    n, c, h, w = x.shape
    y = empty((n, len(rows), len(columns), c), x.dtype)
    winner = empty(y.shape, tap_type)
    if y.size:
        memories = y.reshape(-1), winner.reshape(-1), channels_last(x).reshape(-1)
        _max_pool(*memories, n, h, w, c, rows, columns, kernel_w, largest(x.itemsize, winner.itemsize))
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


@serial
def _gather_row(gx, g, winner, windows, ends, n, i, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w, gather):  # type: ignore[no-untyped-def]
    """Input row ``i`` of image ``n``: ``pairs`` holds, for each position, the windows that see it and their taps.

    There is room for all of a row in ``windows``, and for where each position's end in ``ends``.
    """
    output_h, output_w = outputs
    width, count = len(starts) - 1, 0
    for j in range(width):
        for k in range(row_starts[i], row_starts[i + 1]):
            row, a = (n * output_h + row_pairs[k, 0]) * output_w, row_pairs[k, 1] * kernel_w
            for m in range(starts[j], starts[j + 1]):
                windows[count, 0], windows[count, 1] = (row + pairs[m, 0]) * c, a + pairs[m, 1]
                count += 1
        ends[j] = count
    at_gx = gx.ctypes.data + (n * (len(row_starts) - 1) + i) * width * c * gx.itemsize
    call(gather, (g.ctypes.data, winner.ctypes.data, windows.ctypes.data, ends.ctypes.data, width, at_gx, c))


@parallel
def _gathers(thread, gx, g, winner, n, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w, gather):  # type: ignore[no-untyped-def]
    rows, most = len(row_starts) - 1, 0
    for i in range(rows):
        most = max(most, row_starts[i + 1] - row_starts[i])
    windows, ends = np.empty((most * len(pairs), 2), np.int64), np.empty(len(starts), np.int64)
    for t in share(thread, n * rows):
        image, i = t // rows, t % rows
        _gather_row(
            gx, g, winner, windows, ends, image, i, outputs, c, row_starts, row_pairs, starts, pairs, kernel_w, gather
        )


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
        kernel = gather(grad_y.itemsize, winner.itemsize)
        _gathers(*memories, n, window.output_size, c, *seen, window.kernel_size[1], kernel)
    return channels_first(grad_x)
