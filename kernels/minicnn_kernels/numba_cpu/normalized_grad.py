"""What joined arrays receive through a batch norm and the 1x1 convolution after it, in one pass.

One after the other, the gradient of the convolution's input is written to memory, where that of the batch norm reads it
again. It is as large as the joined arrays, and used once. Here it never leaves the registers: a tile of the product
goes on with the numbers that it has computed (``vector/norm_tile.py``), as ``joined_norm.py`` does with an array.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..geometry import Window2d
from ..memory import empty
from ..prologue import Prologue
from ..registry import kernel
from . import blocks
from .batch_norm import weight_times_rstd
from .columns import clear, reached
from .columnwise import or_default
from .conv import conv2d_grad_input
from .cut import cut_product
from .fetching import fetch
from .jit import in_sequence, run_on_team, serial, share
from .joined_norm import batch_norm_grad_joined, from_sums, per_channel
from .layout import channels_first, channels_last, flat, pixel_rows
from .normalized_conv import declines
from .product import neutral, pack_all
from .vector.call import call
from .vector.norm_tile import norm_tile
from .vector.tile import tile_columns, tile_rows

BLOCK = 3  # tiles of rows: what they need and what the next ones need is in the L2 cache

# What a task is told, in words, besides the plan of the product. The parts' are address and channels of each.
TILE, REST, OUT, OUT_STEP, NUMBERS, PARTS = range(6)


@serial
def _join(joined, row, rows, column, width, words, plan):  # type: ignore[no-untyped-def]
    """Some columns of some rows of x, which several parts have, to rows of a tile's width."""
    size, step, first = plan[blocks.ITEMSIZE], plan[blocks.TILE_COLUMNS] * plan[blocks.ITEMSIZE], 0
    table = np.empty(rows, np.int64)
    for part in range(PARTS, len(words), 2):
        channels = words[part + 1]
        begin, end = max(column, first), min(column + width, first + channels)
        if begin < end:
            for i in range(rows):
                table[i] = (row + i) * channels * size
            source, goal = words[part] + (begin - first) * size, joined.ctypes.data + (begin - column) * size
            call(plan[blocks.COPY], (table.ctypes.data, rows, source, goal, step, end - begin))
        first += channels


@serial
def _block(start, end, total, dot, at_sums, a, b, depth, joined, words, plan):  # type: ignore[no-untyped-def]
    """Rows ``start .. end-1``, panel after panel. Its tiles fetch what the next block reads."""
    n, k, columns, large = plan[blocks.N], plan[blocks.K], plan[blocks.TILE_COLUMNS], plan[blocks.TILE_ROWS]
    size, part, first, out_step, count = plan[blocks.ITEMSIZE], PARTS, 0, words[OUT_STEP], end - start
    tiles = (n + columns - 1) // columns * ((count + large - 1) // large)
    soon, each = end * k, (count * k + tiles - 1) // tiles  # numbers of A
    for column in range(0, n, columns):
        while first + words[part + 1] <= column:
            first += words[part + 1]
            part += 2
        width, x_step = min(columns, n - column), words[part + 1] * size
        x, out = words[part] + (column - first) * size, words[OUT] + column * size
        at_b, sums = b.ctypes.data + column * k * size, (at_sums + column) * 8
        several = column + width > first + words[part + 1]
        step = columns * size if several else x_step
        for i in range(start, end, large):
            rows = min(large, end - i)
            at_x, at_out = x + i * x_step, out + i * out_step
            x_soon, out_soon = at_x + count * x_step, at_out + count * out_step
            if several:
                _join(joined, i, rows, column, width, words, plan)
                at_x = x_soon = joined.ctypes.data
            fetch(a, soon, each)
            soon += each
            settings = (
                *(a.ctypes.data + i * k * size, k * size, depth.ctypes.data, k, at_b),
                *(at_x, step, at_out, out_step, x_soon, out_soon, words[NUMBERS], column * size),
                *(total.ctypes.data + sums, dot.ctypes.data + sums, width),
            )
            call(words[TILE if rows == large else REST], settings)


@serial
def _tasks(thread, total, dot, a, b, words, plan, tasks):  # type: ignore[no-untyped-def]
    m, n, k, chunk, large = plan[blocks.M], plan[blocks.N], plan[blocks.K], plan[blocks.BLOCK], plan[blocks.TILE_ROWS]
    depth = np.arange(k) * plan[blocks.ITEMSIZE]
    joined = np.empty(large * plan[blocks.TILE_COLUMNS], a.dtype)
    for t in share(thread, tasks):
        clear(total, t * n, n)
        clear(dot, t * n, n)
        end = min((t + 1) * chunk, m)
        for start in range(t * chunk, end, BLOCK * large):
            _block(start, min(start + BLOCK * large, end), total, dot, t * n, a, b, depth, joined, words, plan)


@in_sequence
def _grad(threads, total, dot, a, b, packed, panels, words, plan, tasks):  # type: ignore[no-untyped-def]
    """Pack B into ``packed`` if that has room for it, and do the rest."""
    factors = b
    if len(packed):
        run_on_team(pack_all, threads, (packed, b, panels, np.zeros((1, 4), np.int64), plan, panels))
        factors = packed
    run_on_team(_tasks, threads, (total, dot, a, factors, words, plan, tasks))


def _declines(grad_y: Array, w: Array, parts: Sequence[Array], window: Window2d, groups: int, *_: object) -> str | None:
    return declines((grad_y, w, *parts), window, groups)


@kernel("conv2d.grad_input_normalized", "numba", _declines)
def conv2d_grad_input_normalized(
    grad_y: Array,
    w: Array,
    parts: Sequence[Array],
    window: Window2d,
    groups: int,
    prologue: Prologue,
    out: Array | None = None,
) -> tuple[Array, ...]:
    """``batch_norm.grad_joined`` of ``dx[n, c, h, w] = sum over o of dy[n, o, h, w] * w[o, c]``."""
    (n, o, h, wd), c, kind = grad_y.shape, w.shape[1], grad_y.dtype
    direct, pixels = channels_first(empty((n, h, wd, c), kind)) if out is None else out, n * h * wd
    place = pixel_rows(direct) if direct.size and o else None
    if place is None:  # nothing to do, or ``out`` is not in channels-last memory
        return batch_norm_grad_joined(conv2d_grad_input(grad_y, w, window, groups), parts, *prologue, out)
    g, arrays, (weights, (wo, wc, _, _)) = channels_last(grad_y).reshape(-1), [channels_last(x) for x in parts], flat(w)
    product = (1, 1, pixels, 1, 1, o), (0, 0, o, 0, 0, 1), (0, 0, wo, wc), (0, 0, c, 1)
    cut = cut_product(c, *product, 1, kind.itemsize, False)
    tasks = -(-pixels // int(cut.plan[blocks.BLOCK]))
    packed = neutral(0, 0, kind) if cut.lies_packed else empty((cut.panels * o * tile_columns(kind.itemsize),), kind)
    rstd, scale = (weight_times_rstd(weight, prologue.var, prologue.eps) for weight in (None, prologue.weight))
    vectors = per_channel(kind, prologue.mean, scale, or_default(prologue.bias, 0))
    numbers, words = np.empty(5, np.int64), np.empty(PARTS + 2 * len(parts), np.int64)
    numbers[:3] = [x.ctypes.data for x in vectors]
    numbers.view(kind)[24 // kind.itemsize :: 8 // kind.itemsize] = reached(prologue.low), reached(prologue.high)
    words[TILE] = norm_tile(tile_rows(), kind.itemsize, out is not None)
    words[REST] = norm_tile(pixels % tile_rows() or tile_rows(), kind.itemsize, out is not None)
    words[OUT], words[OUT_STEP], words[NUMBERS] = place[0].ctypes.data, place[1] * kind.itemsize, numbers.ctypes.data
    words[PARTS::2], words[PARTS + 1 :: 2] = [x.ctypes.data for x in arrays], [x.shape[-1] for x in arrays]
    sums = empty((2, tasks * c), np.float64)
    _grad(*sums, g, weights, packed, cut.panels, words, cut.plan, tasks)
    return direct, *from_sums(sums, rstd, scale, pixels, kind)
