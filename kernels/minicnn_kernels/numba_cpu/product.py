"""The one engine of matrix products: ``C[i, j] = sum over k of A[i, k] * B[k, j]``, with an epilogue.

Convolution, its two gradients, ``matmul`` and ``linear`` are all this product. They differ in where
the matrix ``A`` lies in memory. In the im2col matrix of a convolution, row ``i`` is an output pixel
``(n, oh, ow)``, column ``k`` a window position ``(kh, kw, c)``, and the element's address is a sum of two parts::

    address(i, k) = rows(n, oh, ow) + depth(kh, kw, c)

each of them three indices times three strides. So the im2col matrix need not be built: ``A`` is any
memory with six sizes and strides, three for the rows and three for the depth. Exchange the two
triples and it is the transposed matrix, for the gradient of the weights.

``cut.py`` decides how the work is cut into tasks; ``blocks.py`` is a task, ``vector/tile.py`` the innermost loop.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import Array, address
from ..epilogue import NONE, Epilogue
from ..errors import DTypeError
from ..memory import empty
from ..threads import available_threads
from . import blocks
from .blocks import pack, task
from .cut import TASKS, cut_product
from .jit import in_sequence, run_on_team, serial, share, unsigned
from .loading import Loading
from .streaming import STREAMED, fence, whole_lines
from .vector.tile import tile_columns


@serial
def _tasks(thread, c, a, b, scratch, vectors, starts, plan, tasks):  # type: ignore[no-untyped-def]
    for t in share(thread, tasks):
        task(t, thread[0], c, a, b, scratch, vectors, starts, plan)
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
def pack_all(thread, packed, b, panels, starts, plan, tasks):  # type: ignore[no-untyped-def]
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
        run_on_team(pack_all, threads, (packed, b, panels, starts, plan, count))
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


_NO_WORDS = np.zeros(blocks.EPILOGUE, np.int64)


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
    words = np.empty(blocks.EPILOGUE, np.int64)
    words[0], words[1] = address(scale), address(shift)
    words[2] = 0 if residual is None else address(residual) - address(c)
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
    loading: Loading | None = None,
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
    loading : Loading, optional
        Where the numbers of A or of B come from, and how they are normalised: then ``a`` or ``b`` is not read. Only for
        a single product.
    """
    dtype = c.dtype
    plain = bias is None and epilogue is NONE
    loaded = None if loading is None else loading.factor
    large = c.nbytes >= STREAMED and c_strides[3] == 1
    streamed = large and whole_lines(c, n, *c_strides[:3], *(start[0] for start in starts))
    cut = cut_product(n, a_sizes, a_strides, b_strides, c_strides, len(starts), dtype.itemsize, plain, loaded, streamed)
    if cut.tasks == 0:
        return
    table = starts if isinstance(starts, np.ndarray) else _table(starts)
    m, k = cut.m, cut.k
    packed = target = neutral(0, 0, dtype)
    if cut.lies_packed:
        b = b[table[0, 2] :]
    if cut.packed and k:
        packed = empty((len(table) * cut.panels * k * tile_columns(dtype.itemsize),), dtype)
    places = table
    if cut.apart:
        target = empty((len(table) * cut.split * m * n,), dtype)
        places = table.copy()
        places[:, 0] = np.arange(len(table)) * (cut.split * m * n)
    columns = n if plain else n + int(table[:, 3].max())
    words, _alive = epilogue_words(dtype, columns, bias, epilogue, c)
    if loading is not None:
        words = np.concatenate((words, loading.words))
    scratch = empty((available_threads() * cut.scratch,), dtype)  # the number in use may change meanwhile
    chunk = max(1, min(128, -(-m // TASKS)))
    _product(c, a, b, packed, target, scratch, words, table, places, cut.plan, cut.panels, cut.tasks, chunk)


@lru_cache(4096)
def _table(starts: tuple[tuple[int, ...], ...]) -> Array:
    return np.array(starts, np.int64).reshape(-1, 4)
