"""How a matrix product is cut into tasks: a plan of integers that tells a task (``blocks.py``) everything about sizes.

The decisions depend on the sizes only, never on the number of threads, so the result does not either:

- B is *packed* before, once for all tasks, if many tasks use it; else each packs what it needs;
- a factor may be normalised while it is copied (``loading.py``);
- a small C over a great depth (the gradient of a convolution's weights) makes few tasks: then ranges of ``k`` are
  summed apart, and the partial sums added in order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from . import blocks
from .blocks import BY_COLUMNS, BY_ROWS, IN_PLACE, NORMALIZED
from .loading import A, B
from .vector.copy import copy
from .vector.normalize import normalize
from .vector.target import host
from .vector.tile import tile, tile_columns, tile_rows
from .vector.transpose import transpose, transpose_scattered

TASKS = 16  # wanted at least, so that the threads finish at about the same time
CACHE = 384 * 1024  # bytes of A in one task: they stay in the L2 cache while the panels pass
LOADED_CACHE = 192 * 1024  # the same of an A that is normalised: the next block comes to the cache meanwhile
PANEL = 640 * 1024  # bytes of a panel of B
LEAST_RUN = 4  # numbers of B in a row that are worth a transposition
FEW_PANELS = 4  # in one task: fewer, and reading A again takes longer than it needs
MOST_PART = 512 * 1024  # numbers of a partial sum
SHORT_ROWS = 24  # tiles of rows in a block that is read by columns, at most
SHORT_DEPTH = 512  # of such a block: with 256, gradients of the weights of 1x1 convolutions take 4 % longer
CLOSE_DEPTH = 1024  # of a block whose numbers lie close together: as long as its panels stay in the L2 cache
LEAST_PART = 512  # of the depth, that is summed apart
AHEAD = 8 * 1024  # bytes of A, at least, from what a tile reads in place to what it fetches
ROW_GAP = 16  # numbers between rows of a copied block


class Cut(NamedTuple):
    """How a product is cut."""

    m: int
    k: int
    plan: Array
    tasks: int
    panels: int  # of one product of the batch
    packed: bool
    lies_packed: bool  # B is one panel as it lies in memory
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


def _close(sizes: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    """Whether neighbours along the depth lie less than a line of the cache apart.

    So it is in the gradient of the weights of a network's first convolution, whose image has few channels: a line that
    is read serves several ``k``, and all rows are in the same few lines. There is nothing to copy together then.
    """
    nearest = next((abs(s) for n, s in zip(sizes[::-1], strides[::-1], strict=True) if n > 1), 0)
    return nearest * itemsize < blocks.LINE


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
    loaded: str | None = None,
    streamed: bool = False,
) -> Cut:
    m, k = a_sizes[0] * a_sizes[1] * a_sizes[2], a_sizes[3] * a_sizes[4] * a_sizes[5]
    columns, rows = tile_columns(itemsize), tile_rows()
    if m == 0 or n == 0 or batches == 0:
        return Cut(m, k, np.zeros(blocks.PLAN, np.int64), 0, 0, False, False, 0, 1, False)
    panels = -(-n // columns)
    mode = NORMALIZED if loaded == A else _mode(a_sizes, a_strides, k, panels, itemsize)
    parts = plain and batches == 1 and m * n <= MOST_PART  # of the depth may be summed apart
    by_columns = mode == BY_COLUMNS
    if by_columns:
        close = _close(a_sizes[3:], a_strides[3:], itemsize)
        mode = IN_PLACE if close else BY_COLUMNS
        depth = min(k, CLOSE_DEPTH if close else SHORT_DEPTH)
        block, groups, split = _least_moved(m, n, k, panels, batches, parts)
        block, row_blocks = _equal_blocks(m, block, rows)
    else:
        depth = min(k, PANEL // (columns * itemsize))
        if panels > 1:
            depth = min(depth, max(256, CACHE // (8 * rows * itemsize)))
        cache = LOADED_CACHE if loaded == A else CACHE
        block = max(cache // (max(depth, 1) * itemsize) // rows, 4) * rows
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
    pitches = _pitch(a_sizes[3:], a_strides[3:]), _pitch(a_sizes[3:], b_strides[:3])
    lies_packed = batches == 1 and n == columns == pitches[1] and b_strides[3] == 1 and loaded != B
    packed = row_blocks > 1 and not by_columns and not lies_packed and loaded != B
    per_group = -(-panels // groups)
    groups = -(-panels // per_group)
    scratch = depth * columns + ((depth + ROW_GAP) * block if mode in (BY_ROWS, NORMALIZED) else 0) + 64
    plan = np.zeros(blocks.PLAN, np.int64)
    plan[:9] = m, n, k, block, split, m * n, depth, mode, per_group
    plan[blocks.PACKED] = packed or lies_packed
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
    if mode == BY_COLUMNS and any(pitches):
        plan[blocks.A_PITCH], plan[blocks.B_PITCH] = pitches
        plan[blocks.FETCHING : blocks.FETCHING + 6] = tiles(2, True) + tiles(1, True)
    if mode == IN_PLACE and 0 < depth == k and split == 1 and _run(a_sizes, a_strides) == m * k:
        whole = rows * k * itemsize  # bytes of A in a tile
        plan[blocks.DISTANCE] = -(-AHEAD // whole) * whole
        plan[blocks.FETCHING : blocks.FETCHING + 6] = tiles(2, True) + tiles(1, True)
    if loaded is not None:
        plan[blocks.NORMALIZE] = normalize(itemsize)
    if mode == NORMALIZED and 0 < k == depth and groups == split == 1:
        plan[blocks.FETCHING : blocks.FETCHING + 6] = tiles(2, True) + tiles(1, True)
    if b_strides[3] != 1:
        plan[blocks.RUNS : blocks.RUNS_START + 1] = _runs(a_sizes[3:], b_strides[:3])
    plan[blocks.C_PLACES : blocks.C_PLACES + 4] = c_strides
    apart = split > 1 or c_strides[3] != 1
    if apart:  # the parts lie one after the other, in rows of n
        plan[blocks.C_STRIDES : blocks.C_STRIDES + 3] = a_sizes[1] * a_sizes[2] * n, a_sizes[2] * n, n
    return Cut(m, k, plan, batches * split * row_blocks * groups, panels, packed, lies_packed, scratch, split, apart)
