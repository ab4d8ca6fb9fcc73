"""Products of matrices as stages: B packed beforehand, and all tables of distances made beforehand too.

The arithmetic is that of ``product.py``, in the same order, so that the numbers are the same. What differs is the cut.
Tasks cost little here, for threads take them without being woken; so there are more and smaller ones. ``_shares``
tells how rows and columns are shared out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...epilogue import NONE, Epilogue
from ...stages import ITEMSIZE, Distance, Laid, Stages
from ...threads import available_threads
from .. import blocks
from ..blocks import BY_COLUMNS, BY_ROWS, IN_PLACE
from ..blocks import task as product_task
from ..cut import ROW_GAP, TASKS, cut_product
from ..jit import serial
from ..product import add_parts_of_rows, neutral, pack_panel
from ..vector.call import call
from ..vector.tile import tile_columns, tile_rows
from .launch import integers, loop, numbers
from .planes import bounds_as_words

PLAN, FLOAT = blocks.PLAN, np.dtype(np.float32)
SHARES = 16  # tasks wanted at least
CACHE = 384 * 1024  # bytes of A in one task: they stay in the L2 cache while the panels pass


@serial
def _table(address, rows):  # type: ignore[no-untyped-def]
    return integers(address, rows * 4).reshape(rows, 4)


@loop
def _pack(task, worker, words):  # type: ignore[no-untyped-def]
    """One panel of B."""
    at = integers(words, 6)
    packed, b, panels = numbers(at[0], 1), numbers(at[1], 1), at[2]
    pack_panel(packed, b, task, panels, _table(at[3], at[4]), integers(at[5], PLAN))


@loop
def _multiply_part(task, worker, words):  # type: ignore[no-untyped-def]
    """One task of ``product.py``, by columns or of a part of the depth."""
    at = integers(words, 12)
    c, a, b, scratch = numbers(at[0], 1), numbers(at[1], 1), numbers(at[2], 1), numbers(at[3], 1)
    product_task(task, worker, c, a, b, scratch, at[4:9], _table(at[9], at[10]), integers(at[11], PLAN))


@loop
def _add(task, worker, words):  # type: ignore[no-untyped-def]
    """Some rows of the sum of a product's parts."""
    at = integers(words, 14)
    c, parts = numbers(at[0], 1), numbers(at[1], 1)
    start, split, m, n, chunk = at[2], at[3], at[4], at[5], at[6]
    first = task * chunk
    add_parts_of_rows(c, parts, start, first, min(first + chunk, m), split, m * n, n, at[7:10], at[10:14])


def epilogue_words(y: Laid, columns: int, bias: Array | None, epilogue: Epilogue) -> tuple[Any, ...]:
    """The five words of an epilogue, as ``product.epilogue_words``."""
    if bias is None and epilogue is NONE:
        return 0, 0, 0, 0, 0
    scale = neutral(1, columns, FLOAT) if epilogue.scale is None else epilogue.scale
    shift = neutral(0, columns, FLOAT) if bias is None else bias
    residual: Any = epilogue.residual
    return scale, shift, 0 if residual is None else Distance(residual, y), *bounds_as_words(epilogue)


def _shares(m: int, n: int, depth: int, k: int, batches: int) -> tuple[int, int]:
    """Rows of a task (whole tiles) and panels of a task.

    Each task reads its part of A and of B, so A is read once per group of panels, and B once per block of rows. Of all
    ways to make enough tasks the one is taken that reads least, and leaves threads (four, as an example) without work
    for the shortest time at the end.
    """
    rows, columns = tile_rows(), tile_columns(ITEMSIZE)
    tiles, panels = -(-m // rows), -(-n // columns)
    wanted = -(-SHARES // batches)
    most = max(1, CACHE // (rows * max(depth, 1) * ITEMSIZE))
    choices = []
    for groups in range(1, min(panels, wanted) + 1):
        per_group = -(-panels // groups)
        row_blocks = min(tiles, max(-(-tiles // most), -(-wanted // groups)))
        block = -(-tiles // row_blocks)
        idle = 1.5 * block * per_group  # tiles: four threads end at different times, half a task apart
        reads = m * k * groups + n * k * -(-tiles // block)
        cost = (tiles * panels * batches + idle) * rows * columns * k + 4 * batches * reads
        choices.append((cost, block * rows, per_group))
    return min(choices)[1:]


def _distances(sizes: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Sums of three index-times-stride, in bytes."""
    axes = np.ogrid[tuple(slice(size) for size in sizes)]
    total = sum(np.int64(stride * ITEMSIZE) * axis for stride, axis in zip(strides, axes, strict=True))
    return np.ascontiguousarray(np.broadcast_to(total, sizes), np.int64).reshape(-1)


@serial
def _tiles(plan, a_rows, depth, deep, panel, c_rows, height, column, accumulate, width, epilogue):  # type: ignore[no-untyped-def]
    """All tiles of one panel; tables by their addresses."""
    large = plan[blocks.TILE_ROWS]
    medium, small = (large + 2) // 2, large // 3
    tiles = blocks.LARGE_TILE if width > plan[blocks.LANES] else blocks.NARROW
    for i in range(0, height, large):
        rest = height - i
        tile = plan[tiles + (2 if rest <= small else 1 if rest <= medium else 0)]
        call(
            tile,
            (a_rows + i * 8, depth, deep, panel, c_rows + i * 8, column * ITEMSIZE, accumulate, width, epilogue),
        )


@loop
def _multiply(task, worker, words):  # type: ignore[no-untyped-def]
    """One task: some rows and some panels, all of the depth, a part of it at a time."""
    at = integers(words, 16)
    plan, starts = integers(at[11], PLAN), integers(at[9], at[10] * 4)
    n, k, most, by_rows = plan[blocks.N], plan[blocks.K], plan[blocks.DEPTH], plan[blocks.MODE] == BY_ROWS
    m, block, per_group = plan[blocks.M], plan[blocks.BLOCK], plan[blocks.PANELS]
    columns, large = plan[blocks.TILE_COLUMNS], plan[blocks.TILE_ROWS]
    panels, row_blocks = (n + columns - 1) // columns, (m + block - 1) // block
    groups = (panels + per_group - 1) // per_group
    group, rest = task % groups, task // groups
    row, batch = rest % row_blocks * block, rest // row_blocks
    height = min(block, m - row)
    tall = (height + large - 1) // large * large  # superfluous rows repeat the last one

    at_c, at_a = at[0] + starts[4 * batch] * ITEMSIZE, at[1] + starts[4 * batch + 1] * ITEMSIZE
    rows, c_rows = integers(at[12] + row * 8, height), integers(at[13] + row * 8, height)
    tables = np.empty(2 * tall + 5, np.int64)
    for i in range(tall):
        last = min(i, height - 1)
        tables[i], tables[tall + i] = at_a + rows[last], at_c + c_rows[last]
    for i in range(5):
        tables[2 * tall + i] = at[4 + i]
    tables[2 * tall] += starts[4 * batch + 3] * ITEMSIZE
    tables[2 * tall + 1] += starts[4 * batch + 3] * ITEMSIZE
    a_table = np.int64(tables.ctypes.data)
    c_table, after = a_table + 8 * tall, a_table + 16 * tall

    first = 0
    while True:
        deep = min(most, k - first)
        depth = at[14] + 8 * first
        if by_rows:  # rows far apart by a multiple of 2 KiB: copied to where they are not
            across, block_at = (deep + plan[blocks.ROW_GAP]) * ITEMSIZE, at[3] + worker * at[15]
            call(plan[blocks.COPY], (at[12] + row * 8, height, at_a + first * ITEMSIZE, block_at, across, deep))
            for i in range(tall):
                tables[i] = block_at + min(i, height - 1) * across
            depth = at[14]
        epilogue = after if first + deep == k and at[4] != 0 else 0
        for panel in range(group * per_group, min((group + 1) * per_group, panels)):
            column = panel * columns
            place = at[2] + ((batch * panels + panel) * k + first) * columns * ITEMSIZE
            width = min(columns, n - column)
            _tiles(plan, a_table, depth, deep, place, c_table, height, column, first > 0, width, epilogue)
        first += deep
        if first >= k:
            break
    tables[0] = 0  # it lives until here


def product(
    stages: Stages,
    y: Laid,
    a: Laid,
    b: Array,
    *,
    n: int,
    a_sizes: tuple[int, ...],
    a_strides: tuple[int, ...],
    b_strides: tuple[int, ...],
    c_strides: tuple[int, ...],
    bias: Array | None,
    epilogue: Epilogue,
    starts: tuple[tuple[int, ...], ...] = ((0, 0, 0, 0),),
) -> None:
    """As ``product.product``, with B packed beforehand."""
    plain = bias is None and epilogue is NONE
    cut = cut_product(n, a_sizes, a_strides, b_strides, c_strides, len(starts), ITEMSIZE, plain)
    plan = cut.plan.copy()
    plan[blocks.PACKED] = 1
    table = np.array(starts, np.int64)
    packed = stages.store(len(starts) * cut.panels * cut.k * tile_columns(ITEMSIZE) * ITEMSIZE)
    stages.prepare(_pack(), len(starts) * cut.panels, packed, b, cut.panels, table, len(table), plan)
    mode, depth = int(plan[blocks.MODE]), int(plan[blocks.DEPTH])
    if mode == BY_COLUMNS and cut.split == 1 and depth == cut.k:
        # so little depth, as of a first layer's 5x5 windows, is no block of several: the tables are made once, below
        mode = plan[blocks.MODE] = IN_PLACE
    words = epilogue_words(y, max(start[3] for start in starts) + n, bias, epilogue)
    if cut.split > 1 or mode == BY_COLUMNS:
        scratch = stages.scratch(available_threads() * cut.scratch * ITEMSIZE)
        if cut.split == 1:
            stages.run(_multiply_part(), cut.tasks, y, a, packed, scratch, *words, table, len(table), plan)
            return
        target = stages.temporary(1, 1, 1, cut.split * cut.m * n)
        places = table.copy()
        places[0, 0] = 0
        stages.run(_multiply_part(), cut.tasks, target, a, packed, scratch, *words, places, len(places), plan)
        chunk = max(1, min(128, -(-cut.m // TASKS)))
        sizes = starts[0][0], cut.split, cut.m, n, chunk, *a_sizes[:3], *c_strides
        stages.run(_add(), -(-cut.m // chunk), y, target, *sizes)
        return
    block, per_group = _shares(cut.m, n, depth, cut.k, len(starts))
    plan[blocks.BLOCK], plan[blocks.PANELS] = block, per_group
    along = np.arange(depth, dtype=np.int64) * ITEMSIZE if mode == BY_ROWS else _distances(a_sizes[3:], a_strides[3:])
    size = (depth + ROW_GAP) * (block + tile_rows()) * ITEMSIZE if mode == BY_ROWS else 0
    scratch = stages.scratch(available_threads() * size)
    tables = _distances(a_sizes[:3], a_strides[:3]), _distances(a_sizes[:3], c_strides[:3]), along
    tasks = -(-cut.m // block) * -(-cut.panels // per_group) * len(starts)
    stages.run(_multiply(), tasks, y, a, packed, scratch, *words, table, len(table), plan, *tables, size)
