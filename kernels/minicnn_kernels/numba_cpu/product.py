"""The one engine of matrix products: ``C[i, j] = sum over k of A[i, k] * B[k, j]``, with an epilogue.

Convolution, its two gradients, ``matmul`` and ``linear`` are all this product. They differ in where
the matrix ``A`` lies in memory. In the im2col matrix of a convolution, row ``i`` is an output pixel
``(n, oh, ow)``, column ``k`` a window position ``(kh, kw, c)``, and the element's address is a sum of two parts::

    address(i, k) = rows(n, oh, ow) + depth(kh, kw, c)

each of them three indices times three strides. So the im2col matrix need not be built: ``A`` is any
memory with six sizes and strides, three for the rows and three for the depth. Exchange the two
triples and it is the transposed matrix, for the gradient of the weights.

This file decides how the work is cut into tasks; ``blocks.py`` is a task, ``vector/tile.py`` the innermost loop. The
decisions depend on the sizes only, never on the number of threads, so the result does not either:

- B is *packed* before, once for all tasks, if many tasks use it; else each packs what it needs;
- a small C over a great depth (the gradient of a convolution's weights) makes few tasks: then ranges of ``k`` are
  summed apart, and the partial sums added in order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..errors import DTypeError
from ..memory import empty
from ..threads import available_threads
from . import blocks
from .blocks import BY_COLUMNS, BY_ROWS, IN_PLACE, pack, task
from .jit import in_sequence, run_on_team, serial, share, unsigned
from .streaming import STREAMED, fence, whole_lines
from .vector.copy import copy
from .vector.target import host
from .vector.tile import tile, tile_columns, tile_rows
from .vector.transpose import transpose, transpose_scattered

TASKS = 16  # wanted at least, so that the threads finish at about the same time
CACHE = 384 * 1024  # bytes of A in one task: they stay in the L2 cache while the panels pass
PANEL = 640 * 1024  # bytes of a panel of B
LEAST_RUN = 4  # numbers of B in a row that are worth a transposition
FEW_PANELS = 4  # in one task: fewer, and reading A again takes longer than it needs
MOST_PART = 512 * 1024  # numbers of a partial sum
SHORT_ROWS = 24  # tiles of rows in a block that is read by columns, at most
SHORT_DEPTH = 256  # of such a block: with 128, transposed matrices of 2048 rows take a tenth longer than with copies
LEAST_PART = 512  # of the depth, that is summed apart
AHEAD = 8 * 1024  # bytes of A, at least, from what a tile reads in place to what it fetches
ROW_GAP = 16  # numbers between rows of a copied block


class _Cut(NamedTuple):
    """How a product is cut."""

    m: int
    k: int
    plan: Array
    tasks: int
    panels: int  # of one product of the batch
    packed: bool
    scratch: int  # elements per thread
    split: int
    apart: bool  # results are computed elsewhere and then put where C is


def _run(sizes: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """How many rows are neighbours in memory, one after the other, at least."""
    length = 1
    for size, stride in zip(sizes[::-1], strides[::-1], strict=True):
        if size == 1:
            continue
        if stride != length:
            break
        length *= size
    return length


def _pitch(sizes: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """The distance from one position of three indices to the next, if it is the same everywhere, else 0."""
    pitch = length = 0
    for size, stride in zip(sizes[::-1], strides[::-1], strict=True):
        if size > 1 and length and stride != length:
            return 0
        if size > 1:
            pitch, length = pitch or stride, size * stride
    return pitch


def _mode(a_sizes: tuple[int, ...], a_strides: tuple[int, ...], k: int, panels: int, itemsize: int) -> int:
    """How A is read: ``blocks.py`` tells."""
    along_depth, along_rows = _run(a_sizes[3:], a_strides[3:]), _run(a_sizes[:3], a_strides[:3])
    if k == 0:
        return IN_PLACE
    if along_depth < k and along_depth < along_rows:
        return BY_COLUMNS
    far = max((abs(stride) for size, stride in zip(a_sizes[:3], a_strides[:3], strict=True) if size > 1), default=0)
    nearest = next((s for n, s in zip(a_sizes[2::-1], a_strides[2::-1], strict=True) if n > 1), far)
    if along_depth == k and panels > 2 and nearest * itemsize % 2048 == 0:
        return BY_ROWS
    return IN_PLACE


def _runs(sizes: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """How ``B`` lies in memory along k, for ``blocks._pack_runs``; zeros if in no runs worth it."""
    steps = (sizes[1] * sizes[2], sizes[2], 1)
    start = sum((n - 1) * s for n, s in zip(sizes, strides, strict=True) if s < 0)
    first = sum((n - 1) * t for n, s, t in zip(sizes, strides, steps, strict=True) if s < 0)
    axes = [(n, abs(s), t if s >= 0 else -t) for n, s, t in zip(sizes, strides, steps, strict=True)]
    axes.sort(key=lambda axis: (-axis[1], axis[0] > 1))  # an axis of one number fits anywhere: not between others
    sizes, strides, steps = zip(*axes, strict=True)
    run = _run(sizes, strides)
    if run < LEAST_RUN:
        return (0,) * 12
    return run, first, *sizes, *strides, *steps, start


def _equal_blocks(m: int, block: int, rows: int) -> tuple[int, int]:
    """At most ``block`` rows in each, as many as in the others, in whole tiles; and how many blocks that makes."""
    block = -(-m // (-(-m // max(block, rows)) * rows)) * rows
    return block, -(-m // block)


def _least_moved(m: int, n: int, k: int, panels: int, batches: int, parts: bool) -> tuple[int, int, int]:
    """Rows of a task, groups of panels and parts of the depth, so that a product by columns moves least.

    Each task reads its part of A and copies its part of B. So A is read once for each group of panels, B once for each
    block of rows; and each part of the depth has a C of its own, which is written and read again.
    """
    rows = tile_rows()
    most, splits = SHORT_ROWS * rows, max(1, k // LEAST_PART) if parts else 1
    tasks, fewest = -(-TASKS // batches), -(-m // most)
    choices = []
    for row_blocks in range(fewest, max(fewest, min(-(-m // (4 * rows)), tasks)) + 1):
        for groups in range(1, min(panels, tasks) + 1):
            split = min(-(-tasks // (row_blocks * groups)), splits)
            missing = max(0, tasks - row_blocks * groups * split)
            moved = m * k * groups + k * n * row_blocks + 2 * m * n * split
            choices.append((missing, moved, row_blocks, groups, split))
    _, _, row_blocks, groups, split = min(choices)
    return -(-m // row_blocks), groups, split


@lru_cache(4096)
def cut_product(
    n: int,
    a_sizes: tuple[int, ...],
    a_strides: tuple[int, ...],
    b_strides: tuple[int, ...],
    c_strides: tuple[int, ...],
    batches: int,
    itemsize: int,
    plain: bool,
    streamed: bool = False,
) -> _Cut:
    m, k = a_sizes[0] * a_sizes[1] * a_sizes[2], a_sizes[3] * a_sizes[4] * a_sizes[5]
    columns, rows = tile_columns(itemsize), tile_rows()
    if m == 0 or n == 0 or batches == 0:
        return _Cut(m, k, np.zeros(blocks.PLAN, np.int64), 0, 0, False, 0, 1, False)
    panels = -(-n // columns)
    mode = _mode(a_sizes, a_strides, k, panels, itemsize)
    parts = plain and batches == 1 and m * n <= MOST_PART  # of the depth may be summed apart
    if mode == BY_COLUMNS:
        depth = min(k, SHORT_DEPTH)
        block, groups, split = _least_moved(m, n, k, panels, batches, parts)
        block, row_blocks = _equal_blocks(m, block, rows)
    else:
        depth = min(k, PANEL // (columns * itemsize))
        if panels > 1:
            depth = min(depth, max(256, CACHE // (8 * rows * itemsize)))
        block = max(CACHE // (max(depth, 1) * itemsize) // rows, 4) * rows
        block, row_blocks = _equal_blocks(m, block, rows)
        # enough tasks: first by columns, of which each task has a few panels at least, then by depth, then by rows
        groups, split = min(max(panels // FEW_PANELS, 1), -(-TASKS // (batches * row_blocks))), 1
        made = batches * row_blocks * groups
        if parts and made < TASKS and k >= 2 * LEAST_PART:
            split = min(-(-TASKS // made), k // LEAST_PART)
        if row_blocks == 1 and split == 1:
            groups = min(panels, max(groups, TASKS // batches))
        while batches * row_blocks * groups * split < TASKS and block > 4 * rows:
            block, row_blocks = _equal_blocks(m, block // 2, rows)
    packed = row_blocks > 1 and mode != BY_COLUMNS
    per_group = -(-panels // groups)
    groups = -(-panels // per_group)
    scratch = depth * columns + ((depth + ROW_GAP) * block if mode == BY_ROWS else 0) + 64
    plan = np.zeros(blocks.PLAN, np.int64)
    plan[:10] = m, n, k, block, split, m * n, depth, mode, per_group, packed
    plan[11:30] = *a_sizes, *a_strides, *b_strides, *c_strides[:3]
    lanes, sizes = host().lanes(itemsize), (rows, (rows + 2) // 2, rows // 3)
    streamed = streamed and depth == k and split == 1 and columns * itemsize % blocks.LINE == 0  # all lines at once

    def tiles(vectors: int, fetching: bool = False) -> list[int]:
        return [tile(size, itemsize, vectors, fetching, streamed) for size in sizes]

    plan[30:43] = (
        rows, columns, lanes, itemsize, *tiles(2),
        transpose(itemsize), transpose_scattered(itemsize), copy(itemsize), scratch, ROW_GAP,
        _run(a_sizes[3:], b_strides[:3]) == k,
    )  # fmt: skip
    if 0 < n % columns <= lanes:
        plan[blocks.NARROW : blocks.NARROW + 3] = tiles(1)
    pitches = _pitch(a_sizes[3:], a_strides[3:]), _pitch(a_sizes[3:], b_strides[:3])
    if mode == BY_COLUMNS and any(pitches):
        plan[blocks.A_PITCH], plan[blocks.B_PITCH] = pitches
        plan[blocks.FETCHING : blocks.FETCHING + 6] = tiles(2, True) + tiles(1, True)
    if mode == IN_PLACE and 0 < depth == k and split == 1 and _run(a_sizes, a_strides) == m * k:
        whole = rows * k * itemsize  # bytes of A in a tile
        plan[blocks.AHEAD] = -(-AHEAD // whole) * whole
        plan[blocks.FETCHING : blocks.FETCHING + 6] = tiles(2, True) + tiles(1, True)
    if b_strides[3] != 1:
        plan[blocks.RUNS : blocks.RUNS_START + 1] = _runs(a_sizes[3:], b_strides[:3])
    plan[blocks.C_PLACES : blocks.C_PLACES + 4] = c_strides
    apart = split > 1 or c_strides[3] != 1
    if apart:  # the parts lie one after the other, in rows of n
        plan[blocks.C_STRIDES : blocks.C_STRIDES + 3] = a_sizes[1] * a_sizes[2] * n, a_sizes[2] * n, n
    return _Cut(m, k, plan, batches * split * row_blocks * groups, panels, packed, scratch, split, apart)


@serial
def _tasks(thread, c, a, b, scratch, vectors, starts, plan, tasks):  # type: ignore[no-untyped-def]
    for t in share(thread, tasks):
        task(t, c, a, b, scratch, vectors, starts, plan)
    fence()


@serial
def pack_panel(packed, b, t, panels, starts, plan):  # type: ignore[no-untyped-def]
    """Panel ``t``."""
    n, k, columns = plan[blocks.N], plan[blocks.K], plan[blocks.TILE_COLUMNS]
    column = t % panels * columns
    q = starts[t // panels, 2] + column * plan[blocks.B_STRIDES + 3]
    sizes, strides = plan[blocks.A_SIZES + 3 : blocks.A_SIZES + 6], plan[blocks.B_STRIDES : blocks.B_STRIDES + 3]
    chunk = k if plan[blocks.RUNS] else min(k, 512)  # so that the table of k stays small
    depth = np.empty(chunk, np.int64)
    for first in range(0, k, chunk):
        deep = min(chunk, k - first)
        blocks.offsets(depth, first, deep, sizes, strides, 0, plan[blocks.ITEMSIZE])
        pack(packed, (t * k + first) * columns, b, q, depth, deep, min(columns, n - column), plan)


@serial
def _pack_all(thread, packed, b, panels, starts, plan, tasks):  # type: ignore[no-untyped-def]
    for t in share(thread, tasks):
        pack_panel(packed, b, np.int64(t), panels, starts, plan)


@serial
def add_parts_of_rows(c, parts, start, first, last, split, stride, n, sizes, strides):  # type: ignore[no-untyped-def]
    """Rows ``first .. last-1`` of C: the parts' sum, in order, put where C is."""
    rows = np.empty(last - first, np.int64)
    blocks.offsets(rows, first, last - first, sizes, strides[:3], start, 1)
    for i in range(last - first):
        p, q = unsigned((first + i) * n), unsigned(rows[i])
        for part in range(1, split):
            shift = unsigned(part * stride)
            for j in range(unsigned(n)):
                parts[p + j] += parts[p + shift + j]
        if strides[3] == 1:
            for j in range(unsigned(n)):
                c[q + j] = parts[p + j]
    if strides[3] != 1:
        for j in range(n):
            for i in range(last - first):
                c[unsigned(rows[i] + j * strides[3])] = parts[unsigned((first + i) * n + j)]


@serial
def _add_parts(thread, c, parts, start, split, m, n, chunk, sizes, strides):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + chunk - 1) // chunk):
        first = np.int64(t) * chunk
        add_parts_of_rows(c, parts, start, first, min(first + chunk, m), split, m * n, n, sizes, strides)


@in_sequence
def _product(threads, c, a, b, packed, target, scratch, vectors, starts, places, plan, panels, tasks, chunk):  # type: ignore[no-untyped-def]
    """Pack B into ``packed`` if that has room for it, multiply, and add the parts if ``target`` has any."""
    factors, count = b, len(starts) * panels
    if len(packed):
        run_on_team(_pack_all, threads, (packed, b, panels, starts, plan, count))
        factors = packed
    m, n, split = plan[blocks.M], plan[blocks.N], plan[blocks.SPLIT]
    if len(target) == 0:
        run_on_team(_tasks, threads, (c, a, factors, scratch, vectors, starts, plan, tasks))
        return
    run_on_team(_tasks, threads, (target, a, factors, scratch, vectors, places, plan, tasks))
    sizes, strides = plan[blocks.A_SIZES : blocks.A_SIZES + 3], plan[blocks.C_PLACES : blocks.C_PLACES + 4]
    for i in range(len(starts)):
        parts = target[i * split * m * n :]
        run_on_team(_add_parts, threads, (c, parts, starts[i, 0], split, m, n, chunk, sizes, strides))


_NO_WORDS = np.zeros(5, np.int64)


@lru_cache(256)
def neutral(value: float, columns: int, dtype: Any) -> Array:
    return np.full(columns, value, dtype)


def epilogue_words(
    dtype: Any, columns: int, bias: Array | None, epilogue: Epilogue, c: Array
) -> tuple[Array, list[Array]]:
    """The epilogue as five integers for the tile, and the arrays that they point into."""
    if bias is None and epilogue is NONE:
        return _NO_WORDS, []
    scale, residual = epilogue.scale, epilogue.residual
    if residual is not None and residual.dtype != dtype:
        raise DTypeError(f"the residual must have the result's type, {dtype}; it is {residual.dtype}")
    scale = neutral(1, columns, dtype) if scale is None else np.ascontiguousarray(scale, dtype)
    shift = neutral(0, columns, dtype) if bias is None else np.ascontiguousarray(bias, dtype)
    words = np.empty(5, np.int64)
    words[0], words[1] = scale.ctypes.data, shift.ctypes.data
    words[2] = 0 if residual is None else residual.ctypes.data - c.ctypes.data
    bounds = words.view(dtype)
    bounds[24 // dtype.itemsize], bounds[32 // dtype.itemsize] = epilogue.low, epilogue.high
    return words, [scale, shift]


def product(
    c: Array,
    a: Array,
    b: Array,
    *,
    n: int,
    a_sizes: tuple[int, ...],
    a_strides: tuple[int, ...],
    b_strides: tuple[int, ...],
    c_strides: tuple[int, ...],
    bias: Array | None = None,
    epilogue: Epilogue = NONE,
    starts: tuple[tuple[int, ...], ...] | Array = ((0, 0, 0, 0),),
) -> None:
    """``C = epilogue(A @ B)`` for every row of ``starts``; all arrays are flat memory, no overlap with ``c``.

    Parameters
    ----------
    n : int
        Columns of B and C.
    a_sizes, a_strides : six ints
        Three indices that make a row of A and C, three that make the depth k; their strides in ``a``.
    b_strides : four ints
        Strides in ``b`` of the three depth indices and of the column j.
    c_strides : four ints
        Strides in ``c`` of the three row indices and of the column j.
    bias : array, optional
        One number per column.
    epilogue : Epilogue, optional
        Its residual lies in memory as ``c`` does. Only where the columns of C are neighbours (stride 1).
    starts : tuples of (c, a, b, bias), or an int64 array of such rows
        Where each of a batch of products begins in the four memories.
    """
    dtype = c.dtype
    plain = bias is None and epilogue is NONE
    large = c.nbytes >= STREAMED and c_strides[3] == 1
    streamed = large and whole_lines(c, n, *c_strides[:3], *(start[0] for start in starts))
    cut = cut_product(n, a_sizes, a_strides, b_strides, c_strides, len(starts), dtype.itemsize, plain, streamed)
    if cut.tasks == 0:
        return
    table = starts if isinstance(starts, np.ndarray) else _table(starts)
    m, k = cut.m, cut.k
    packed = target = empty((0,), dtype)
    if cut.packed and k:
        packed = empty((len(table) * cut.panels * k * tile_columns(dtype.itemsize),), dtype)
    places = table
    if cut.apart:
        target = empty((len(table) * cut.split * m * n,), dtype)
        places = table.copy()
        places[:, 0] = np.arange(len(table)) * (cut.split * m * n)
    words, _alive = epilogue_words(dtype, int(table[:, 3].max()) + n, bias, epilogue, c)
    scratch = empty((available_threads() * cut.scratch,), dtype)  # the number in use may change meanwhile
    chunk = max(1, min(128, -(-m // TASKS)))
    _product(c, a, b, packed, target, scratch, words, table, places, cut.plan, cut.panels, cut.tasks, chunk)


@lru_cache(4096)
def _table(starts: tuple[tuple[int, ...], ...]) -> Array:
    return np.array(starts, np.int64).reshape(-1, 4)
