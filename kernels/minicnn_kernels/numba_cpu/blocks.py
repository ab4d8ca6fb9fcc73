"""One task of a matrix product: blocks that stay in the caches, around the tile that stays in the registers.

A tile (``vector/tile.py``) reads 14 rows of A and 32 columns of B along ``k``. So that those come from a cache and not
from memory, a task walks through its rows and columns in blocks (Goto & van de Geijn 2008)::

    for k-block:                      at most DEPTH long
        for panel of 32 columns:      packed: k after k, 32 numbers each; stays in the L1/L2 cache
            for tile of 14 rows:      its rows of A were just used by the panel before: L2 cache
                C tile += A tile @ panel

A is read where it lies, *in place*, unless it lies badly or is not there yet:

- *by rows*: rows a multiple of 2 KiB apart fall into the same few places of the L1 cache and drive each other out;
  their numbers are copied to rows that are a little longer;
- *by columns*: where the numbers along a row are far apart and those along a column are neighbours (A is a transposed
  matrix), blocks of the depth are short, so that a line of A is still in a cache when the next tile reads its other
  numbers. (Copied tile by tile they would be read from fewer lines, but copying takes longer than that saves: the
  gradients of the weights of 1x1 convolutions from 24 channels to 144 and from 16 to 96 took a fifth more time.)
- *normalised*: a batch norm is done while its numbers are copied, from several arrays that are joined along the columns
  (``loading.py``). B can be normalised likewise, instead of A.

An index ``i`` of rows, or ``k``, is three indices in one, as ``(n, oh, ow)`` or ``(kh, kw, c)``: the tables ``rows``
and ``depth`` hold their distances, sums of three index-times-stride.
"""

from __future__ import annotations

import numpy as np

from .jit import serial, unsigned
from .vector.call import call

IN_PLACE, BY_ROWS, BY_COLUMNS, NORMALIZED = 0, 1, 2, 3

# Places in a plan: one array of integers that tells a task everything about sizes (strides are in elements).
M, N, K, BLOCK, SPLIT, SPLIT_STRIDE, DEPTH, MODE, PANELS, PACKED = range(10)
A_SIZES, A_STRIDES, B_STRIDES, C_STRIDES = 11, 17, 23, 27
(
    TILE_ROWS, TILE_COLUMNS, LANES, ITEMSIZE, LARGE_TILE, MEDIUM_TILE, SMALL_TILE, SQUARE, SCATTERED, COPY, SCRATCH,
    ROW_GAP, ALONG,
) = range(30, 43)  # fmt: skip
RUNS, RUNS_START = 43, 54  # how B lies in memory: see _pack_runs
NARROW = 55  # the three tiles for a panel with half the columns at most
C_PLACES = 58  # strides of C, where a task writes elsewhere
A_PITCH, B_PITCH = 62, 63  # by columns: distance from one k to the next, if it is the same everywhere, else 0
FETCHING = 64  # three tiles that fetch what is read next, and three for a panel with half the columns; 0: none
NORMALIZE = 70  # the micro-kernel that normalises A, where the mode says so, or else B; 0: none
DISTANCE = 71  # in place, where A has no gaps: bytes from what a tile reads to what it fetches, else 0
PLAN = 72

EPILOGUE = 5  # words; those of a Loading come after them:
PARTS, NUMBERS, TABLE = EPILOGUE, EPILOGUE + 1, EPILOGUE + 6  # how many; for the micro-kernel; addresses and channels

LINE = 64  # bytes of a line of the caches


@serial
def offsets(table, start, count, sizes, strides, base, itemsize):  # type: ignore[no-untyped-def]
    """``table[i] = base + (i0*s0 + i1*s1 + i2*s2)*itemsize`` for ``count`` index triples from number ``start`` on."""
    if count == 0:
        return
    n1, n2 = sizes[1], sizes[2]
    s0, s1, s2 = strides[0] * itemsize, strides[1] * itemsize, strides[2] * itemsize
    i0, rest = start // (n1 * n2), start % (n1 * n2)
    i1, i2 = rest // n2, rest % n2
    for i in range(count):
        table[i] = base + i0 * s0 + i1 * s1 + i2 * s2
        i2 += 1
        if i2 == n2:
            i2 = 0
            i1 += 1
            if i1 == n1:
                i1 = 0
                i0 += 1


@serial
def _pack_runs(target, source, plan):  # type: ignore[no-untyped-def]
    """All of a panel of B, whose memory has ``run`` numbers of k in a row: the weights of a convolution.

    They lie as (o, c, kh, kw), and k is (kh, kw, c) in the forward pass: a run is ``C*KH*KW`` long, and a panel is its
    transpose with the rows in another order. For the gradient of the input k is (kh, kw, o), backwards, and a run has
    ``KH*KW`` numbers. ``plan[RUNS:]`` has the three indices in the order of the memory: sizes, strides, steps of k.
    """
    columns, lanes, size, k = plan[TILE_COLUMNS], plan[LANES], plan[ITEMSIZE], plan[K]
    run, first = plan[RUNS], plan[RUNS + 1] * columns * size
    step = plan[B_STRIDES + 3] * size
    sizes, strides, steps = plan[RUNS + 2 : RUNS + 5], plan[RUNS + 5 : RUNS + 8], plan[RUNS + 8 : RUNS + 11]
    places, sources = np.empty(k, np.int64), np.empty(k, np.int64)
    offsets(places, 0, k, sizes, steps, first, columns * size)
    offsets(sources, 0, k, sizes, strides, source, size)
    for begin in range(0, k, run):
        for i in range(begin, begin + run, lanes):
            count = min(lanes, begin + run - i)
            for j in range(0, columns, lanes):
                table = places.ctypes.data + i * 8
                call(plan[SCATTERED], (sources[i] + j * step, step, count, table, target + j * size))


@serial
def pack(panel, p, b, q, depth, deep, n, plan):  # type: ignore[no-untyped-def]
    """``panel[p:] = B[:deep, :n]``, k after k; row k begins at ``b[q]`` plus ``depth[k]`` bytes; zeros from n on."""
    columns, lanes, size = plan[TILE_COLUMNS], plan[LANES], plan[ITEMSIZE]
    step = plan[B_STRIDES + 3]
    source, target = b.ctypes.data + q * size, panel.ctypes.data + p * size
    if n < columns:
        for i in range(unsigned(p), unsigned(p + deep * columns)):
            panel[i] = 0
    if step == 1:
        call(plan[COPY], (depth.ctypes.data, deep, source, target, columns * size, n))
        return
    if plan[RUNS] and deep == plan[K] and n == columns:
        _pack_runs(target, source + plan[RUNS_START] * size, plan)
        return
    done = 0
    if plan[ALONG] and n == columns:  # neighbours along k: squares of numbers are transposed in registers
        done = deep // lanes * lanes
        for k in range(0, done, lanes):
            for j in range(0, columns, lanes):
                square = source + depth[k] + j * step * size
                call(plan[SQUARE], (square, step * size, target + (k * columns + j) * size, columns * size))
    for k in range(done, deep):
        row, at = unsigned(p + k * columns), unsigned(q + depth[k] // size)
        for j in range(unsigned(n)):
            panel[row + j] = b[at + j * unsigned(step)]


@serial
def _normalize(target, step, row, height, begin, end, words, plan):  # type: ignore[no-untyped-def]
    """Channels ``begin .. end-1`` of some pixels, normalised, to rows that are ``step`` bytes apart."""
    size, numbers, start = plan[ITEMSIZE], words.ctypes.data + 8 * NUMBERS, 0
    for i in range(TABLE, TABLE + 2 * words[PARTS], 2):
        channels = words[i + 1]
        first, last = max(begin, start), min(end, start + channels)
        if first < last:
            source = words[i] + (row * channels + first - start) * size
            goal = target + (first - begin) * size
            call(
                plan[NORMALIZE],
                (source, channels * size, goal, step, height, last - first, numbers, first * size),
            )
        start += channels


@serial
def _load_panel(panel, p, row, deep, column, n, words, plan):  # type: ignore[no-untyped-def]
    """``pack`` for a B that is normalised."""
    columns, size = plan[TILE_COLUMNS], plan[ITEMSIZE]
    if n < columns:
        for i in range(unsigned(p), unsigned(p + deep * columns)):
            panel[i] = 0
    _normalize(panel.ctypes.data + p * size, columns * size, row, deep, column, column + n, words, plan)


@serial
def _multiply(  # type: ignore[no-untyped-def]
    plan, a_rows, depth, deep, panel, c_rows, height, column, accumulate, width, epilogue, soon, wanted
):
    """All tiles of one panel: C[:height, column : column+width] from tables of addresses.

    Each tile fetches one line of every row of ``soon``, from number ``wanted`` on, see ``_lines``.
    """
    large, size = plan[TILE_ROWS], plan[ITEMSIZE]
    medium, small = (large + 2) // 2, large // 3
    narrow = width <= plan[LANES]
    tiles, fetching = NARROW if narrow else LARGE_TILE, FETCHING + 3 if narrow else FETCHING
    for i in range(0, height, large):
        rest = height - i
        which = 2 if rest <= small else 1 if rest <= medium else 0
        table, at_a, at_c = depth.ctypes.data, a_rows.ctypes.data + i * 8, c_rows.ctypes.data + i * 8
        settings = at_a, table, deep, panel, at_c, column * size, accumulate, width, epilogue
        if wanted < len(soon):
            call(plan[fetching + which], (*settings, soon[wanted, 0], soon[wanted, 1]))
            wanted += 1
        else:
            call(plan[tiles + which], settings)


@serial
def _lines(rows, height, at_b, column, width, words, plan):  # type: ignore[no-untyped-def]
    """What a block of the depth reads, cut into lines of the caches: addresses for k = 0 and distances from k to k + 1.

    Copying a block of B waits for memory, as the first tiles do that read a block of A, and multiplying does not need
    it. So the tiles of one block fetch the lines of the next one (without that, the gradients of weights of 1x1
    convolutions take 9 % longer in a step of ResNet-50, and 21 % in one of MobileNetV2).
    """
    size, apart = plan[ITEMSIZE], LINE // plan[ITEMSIZE]
    parts = words[PARTS] if plan[NORMALIZE] else 0
    lines = np.empty(((height + width) // apart + 2 + parts, 2), np.int64)
    count = 0
    for i in range(0, height if plan[A_PITCH] else 0, apart):
        lines[count, 0], lines[count, 1] = rows[i], plan[A_PITCH] * size
        count += 1
    if plan[B_PITCH] == 0:
        return lines[:count]
    for i in range(0, 0 if plan[NORMALIZE] else width, apart):
        lines[count, 0], lines[count, 1] = at_b + i * size, plan[B_PITCH] * size
        count += 1
    start = 0
    for i in range(TABLE, TABLE + 2 * parts, 2):
        channels = words[i + 1]
        for j in range(max(column - start, 0), min(column + width - start, channels), apart):
            lines[count, 0], lines[count, 1] = words[i] + j * size, channels * size
            count += 1
        start += channels
    return lines[:count]


@serial
def _following(row, height, words, plan):  # type: ignore[no-untyped-def]
    """What the rows of a normalised A are read from, as ``_lines``: neighbouring lines, as many as a tile fetches.

    Here the block that follows is fetched, for it is the next task's (a tenth less time for 144 -> 24 channels).
    """
    size = plan[ITEMSIZE]
    count, each = 0, plan[K] * LINE
    for i in range(TABLE, TABLE + 2 * words[PARTS], 2):
        count += (height * words[i + 1] * size + each - 1) // each
    lines = np.empty((count, 2), np.int64)
    count = 0
    for i in range(TABLE, TABLE + 2 * words[PARTS], 2):
        step = words[i + 1] * size
        for start in range(words[i] + row * step, words[i] + (row + height) * step, each):
            lines[count, 0], lines[count, 1] = start, LINE
            count += 1
    return lines


@serial
def _move_on(lines, deep):  # type: ignore[no-untyped-def]
    """The lines for ``k + deep``. (Written as an operation on arrays it takes Numba 2 s to compile.)"""
    for i in range(len(lines)):
        lines[i, 0] += lines[i, 1] * deep


@serial
def _tiles_ahead(rows, tiles, plan):  # type: ignore[no-untyped-def]
    """The tiles of A further on, which lie one after the other, as ``_lines`` has it: the first panel's fetch them.

    A tile reads 14 rows at a time, and the processor does not see that they are one piece of memory. (The gradient of
    the input of a 1x1 convolution from 24 channels to 144 at 56x56 took 2.1 ms, and takes 1.2.)
    """
    soon = np.empty((tiles, 2), np.int64)
    large, size = plan[TILE_ROWS], plan[ITEMSIZE]
    for i in range(tiles):
        soon[i, 0], soon[i, 1] = rows[i * large] + plan[DISTANCE], min(large * size, LINE)
    return soon


@serial
def task(t, number, c, a, b, scratch, vectors, starts, plan):  # type: ignore[no-untyped-def]
    """Task ``t``: some rows, some panels of columns, and a part of the depth of one product of the batch.

    ``number`` is that of the thread; ``vectors`` holds the epilogue: addresses of scales and biases, distance of the
    residual, bounds; and the words of a ``Loading``, if there is one.
    """
    m, n, k, block, split, most, mode = plan[M], plan[N], plan[K], plan[BLOCK], plan[SPLIT], plan[DEPTH], plan[MODE]
    columns, size, large = plan[TILE_COLUMNS], plan[ITEMSIZE], plan[TILE_ROWS]
    a_sizes, a_strides = plan[A_SIZES : A_SIZES + 6], plan[A_STRIDES : A_STRIDES + 6]
    panels = (n + columns - 1) // columns
    groups, blocks = (panels + plan[PANELS] - 1) // plan[PANELS], (m + block - 1) // block
    group, rest = t % groups, t // groups
    row, rest = rest % blocks * block, rest // blocks
    part, batch = rest % split, rest // split
    height = min(block, m - row)
    tall = (height + large - 1) // large * large  # superfluous rows repeat the last one

    mine = number * plan[SCRATCH]  # a panel of B, and perhaps a block of A
    at_block = mine + most * columns
    rows, c_rows, depth = np.empty(tall, np.int64), np.empty(tall, np.int64), np.empty(most, np.int64)
    at_a = a.ctypes.data + starts[batch, 1] * size
    offsets(rows, row, height, a_sizes[:3], a_strides[:3], 0 if mode == BY_ROWS else at_a, size)
    at_c = c.ctypes.data + (starts[batch, 0] + part * plan[SPLIT_STRIDE]) * size
    offsets(c_rows, row, height, a_sizes[:3], plan[C_STRIDES : C_STRIDES + 3], at_c, size)
    for i in range(height, tall):
        rows[i], c_rows[i] = rows[height - 1], c_rows[height - 1]
    a_rows, b_depth = rows, depth
    copied = mode in (BY_ROWS, NORMALIZED)
    if copied:
        a_rows = np.empty(tall, np.int64)
    if not plan[PACKED]:
        b_depth = np.empty(most, np.int64)
    words = vectors.copy()
    words[0] += starts[batch, 3] * size
    words[1] += starts[batch, 3] * size

    begin, end = k * part // split, k * (part + 1) // split
    first = begin
    first_panel, last_panel = group * plan[PANELS], min((group + 1) * plan[PANELS], panels)
    tiles = (height + large - 1) // large
    soon = np.empty((0, 2), np.int64)
    if mode == BY_COLUMNS:
        column = first_panel * columns
        at_b = b.ctypes.data + (starts[batch, 2] + column) * size
        soon = _lines(rows, height, at_b, column, min(n, last_panel * columns) - column, words, plan)
        _move_on(soon, begin)
    elif mode == NORMALIZED and plan[FETCHING]:
        soon = _following(row + height, min(block, m - row - height), words, plan)
    elif plan[DISTANCE]:
        soon = _tiles_ahead(rows, tiles, plan)
    while True:
        deep = min(most, end - first)
        offsets(depth, first, deep, a_sizes[3:], a_strides[3:], 0, size)
        if copied:
            across = (deep + plan[ROW_GAP]) * size
            block_at = scratch.ctypes.data + at_block * size
            if mode == NORMALIZED:
                _normalize(block_at, across, row, height, first, first + deep, words, plan)
            else:
                call(plan[COPY], (rows.ctypes.data, height, at_a + depth[0], block_at, across, deep))
            for i in range(deep):
                depth[i] = i * size
            for i in range(tall):
                a_rows[i] = block_at + min(i, height - 1) * across
        if not plan[PACKED]:
            offsets(b_depth, first, deep, a_sizes[3:], plan[B_STRIDES : B_STRIDES + 3], 0, size)
        if mode == BY_COLUMNS:  # what the next block reads, if there is one
            _move_on(soon, deep)
            if first + deep == end:
                soon = soon[:0]
        epilogue = words.ctypes.data if first + deep == end and vectors[0] != 0 else 0
        for panel in range(first_panel, last_panel):
            column = panel * columns
            width = min(columns, n - column)
            if plan[PACKED]:
                at_panel = b.ctypes.data + ((batch * panels + panel) * k + first) * columns * size
            else:
                at_panel = scratch.ctypes.data + mine * size
                if plan[NORMALIZE] and mode != NORMALIZED:
                    _load_panel(scratch, mine, first, deep, column, width, words, plan)
                else:
                    q = starts[batch, 2] + column * plan[B_STRIDES + 3]
                    pack(scratch, mine, b, q, b_depth, deep, width, plan)
            wanted = (panel - first_panel) * tiles
            _multiply(
                *(plan, a_rows, depth, deep, at_panel, c_rows, height, column, first > begin, width, epilogue),
                *(soon, wanted),
            )
        first += deep
        if first >= end:
            break
