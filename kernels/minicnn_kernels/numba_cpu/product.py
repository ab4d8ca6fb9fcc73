"""The one engine of matrix products: ``C[i, j] = bias[j] + sum over k of A[i, k] * B[k, j]``.

Convolution, its two gradients, ``matmul`` and ``linear`` are all this product. They differ in where
the matrix ``A`` lies in memory. In the im2col matrix of a convolution, row ``i`` is an output pixel
``(n, oh, ow)``, column ``k`` a window position ``(kh, kw, c)``, and the element's address is a sum of two parts::

    address(i, k) = rows(n, oh, ow) + depth(kh, kw, c)

each of them three indices times three strides. So the im2col matrix need not be built: ``A`` is any
memory with six sizes and strides, three for the rows and three for the depth. Exchange the two
triples and it is the transposed matrix, for the gradient of the weights.

Why it is fast (about 85-95 % of what one core can do in float32, as measured):

- A *tile* of 4 rows x 32 columns of ``C`` stays in registers while ``k`` runs: per ``k`` 2 vector loads
  of ``B`` and 4 numbers of ``A`` serve 8 fused multiply-adds (16 columns in 256-bit registers).
  The four rows are spelt out because LLVM keeps them in registers only then
  (a loop over the rows measured 14 times slower).
- ``B`` is copied, 256 x 32 numbers at a time, into a *panel* that is read in order and stays in the
  cache for all rows of the task. The copy also fills a narrow panel up with zeros, so there is
  one kind of tile; the superfluous columns (and rows) are computed and not stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding
from numba import config, prange

from ..arrays import Array
from .jit import parallel, serial, serial_no_alias, unsigned


def _has_avx512() -> bool:
    """Whether LLVM compiles for 512-bit vectors here."""
    features = config.CPU_FEATURES  # type: ignore[attr-defined]
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    return "+avx512f" in features


ROWS = 4  # rows of a tile, spelt out in _tile
COLUMNS = 32 if _has_avx512() else 16  # columns of a tile: 8 accumulators of 16 floats, or of 8
DEPTH = 256  # rows of a panel of B: 32 KiB of float32
BLOCK = 256  # most rows of C in one task
SMALL_BLOCK = 64  # with fewer rows, packing B takes more than a tenth of the time
TASKS = 32  # wanted at least, so that the threads finish at about the same time

ZERO, ONE = unsigned(0), unsigned(1)
_ROWS, _COLUMNS, _DEPTH = unsigned(ROWS), unsigned(COLUMNS), unsigned(DEPTH)


@serial_no_alias
def _tile(acc, p, a, r0, r1, r2, r3, depth, panel, k):  # type: ignore[no-untyped-def]
    """``acc (4, COLUMNS) += A (4, k) @ panel (k, COLUMNS)``; row ``i`` of A is ``a[r_i + depth[:k]]``."""
    p0, p1, p2, p3 = p, p + _COLUMNS, p + unsigned(2) * _COLUMNS, p + unsigned(3) * _COLUMNS
    q = ZERO
    for step in range(k):
        d = depth[step]
        a0, a1, a2, a3 = a[r0 + d], a[r1 + d], a[r2 + d], a[r3 + d]
        for j in range(_COLUMNS):
            b = panel[q + j]
            acc[p0 + j] += a0 * b
            acc[p1 + j] += a1 * b
            acc[p2 + j] += a2 * b
            acc[p3 + j] += a3 * b
        q += _COLUMNS


@serial
def _offsets(table, start, count, sizes, strides):  # type: ignore[no-untyped-def]
    """``table[i] = i0*s0 + i1*s1 + i2*s2`` for the ``count`` index triples from number ``start`` on."""
    n1, n2 = sizes[1], sizes[2]
    s0, s1, s2 = strides
    i0, rest = start // (n1 * n2), start % (n1 * n2)
    i1, i2 = rest // n2, rest % n2
    for i in range(count):
        table[i] = i0 * s0 + i1 * s1 + i2 * s2
        i2 += 1
        if i2 == n2:
            i2 = 0
            i1 += 1
            if i1 == n1:
                i1 = 0
                i0 += 1


@serial
def _pack(panel, b, q, stride_k, stride_n, k, n):  # type: ignore[no-untyped-def]
    """``panel[:k, :n] = B[:k, :n]``, and zeros in the columns from ``n`` on."""
    p = ZERO
    for _ in range(k):
        if stride_n == ONE and n == _COLUMNS:
            for j in range(_COLUMNS):
                panel[p + j] = b[q + j]
        else:
            for j in range(n):
                panel[p + j] = b[q + j * stride_n]
            for j in range(n, _COLUMNS):
                panel[p + j] = 0
        p += _COLUMNS
        q += stride_k


@serial
def _store(c, acc, rows, c_start, stride_n, bias, bias_start, m, n):  # type: ignore[no-untyped-def]
    """``C[:m, :n] = acc[:m, :n] + bias[:n]``."""
    for i in range(m):
        p = c_start + rows[i]
        q = i * _COLUMNS
        for j in range(n):
            c[p + j * stride_n] = acc[q + j] + bias[bias_start + j]


@serial
def _task(t, c, a, b, bias, starts, plan):  # type: ignore[no-untyped-def]
    """Task ``t``: some rows, and at most COLUMNS columns, of one product of the batch."""
    m, n, k, block, split, split_stride = plan[0], plan[1], plan[2], plan[3], plan[4], plan[5]
    a_sizes, a_strides, b_strides, c_strides = plan[6:12], plan[12:18], plan[18:20], plan[20:24]
    blocks, panels = (m + block - 1) // block, (n + COLUMNS - 1) // COLUMNS
    column, rest = t % panels * COLUMNS, t // panels
    row, rest = rest % blocks * block, rest // blocks
    part, batch = rest % split, rest // split
    height, width = min(block, m - row), min(COLUMNS, n - column)

    tall = (height + ROWS - 1) // ROWS * ROWS
    rows = np.empty(tall, np.uint64)
    depth = np.empty(DEPTH, np.uint64)
    panel = np.empty(DEPTH * COLUMNS, b.dtype)
    acc = np.zeros(tall * COLUMNS, c.dtype)
    _offsets(rows, row, height, a_sizes[:3], a_strides[:3])
    for i in range(height, tall):
        rows[i] = rows[height - 1]  # superfluous rows repeat the last one
    a0 = unsigned(starts[batch, 1])
    last = k * (part + 1) // split
    for first in range(k * part // split, last, DEPTH):
        deep = min(DEPTH, last - first)
        _offsets(depth, first, deep, a_sizes[3:], a_strides[3:])
        q = unsigned(starts[batch, 2] + first * b_strides[0] + column * b_strides[1])
        _pack(panel, b, q, unsigned(b_strides[0]), unsigned(b_strides[1]), unsigned(deep), unsigned(width))
        for i in range(ZERO, unsigned(tall), _ROWS):
            r0, r1, r2, r3 = rows[i], rows[i + ONE], rows[i + unsigned(2)], rows[i + unsigned(3)]
            _tile(acc, i * _COLUMNS, a, a0 + r0, a0 + r1, a0 + r2, a0 + r3, depth, panel, unsigned(deep))
    _offsets(rows, row, height, a_sizes[:3], c_strides[:3])
    start = unsigned(starts[batch, 0] + part * split_stride + column * c_strides[3])
    bias_start = unsigned(starts[batch, 3] + column)
    _store(c, acc, rows, start, unsigned(c_strides[3]), bias, bias_start, unsigned(height), unsigned(width))


@parallel
def _product(c, a, b, bias, starts, plan, tasks):  # type: ignore[no-untyped-def]
    for t in prange(tasks):
        _task(np.int64(t), c, a, b, bias, starts, plan)  # prange's own type is unsigned


def product(
    c: Array,
    a: Array,
    b: Array,
    bias: Array | None,
    *,
    n: int,
    a_sizes: tuple[int, ...],
    a_strides: tuple[int, ...],
    b_strides: tuple[int, int],
    c_strides: tuple[int, ...],
    starts: Any = ((0, 0, 0, 0),),
) -> None:
    """``C = A @ B + bias`` for every row of ``starts``; all arrays are flat memory, no overlap with ``c``.

    Parameters
    ----------
    n : int
        Columns of B and C.
    a_sizes, a_strides : six ints
        Three indices that make a row of A and C, three that make the depth k; their strides in ``a``.
    b_strides : two ints
        Strides of (k, j) in ``b``.
    c_strides : four ints
        Strides in ``c`` of the three row indices and of the column j.
    starts : sequence of (c, a, b, bias)
        Where each of a batch of products begins in the four memories.
    """
    m, k = int(np.prod(a_sizes[:3])), int(np.prod(a_sizes[3:]))
    table = np.array(starts, np.int64).reshape(-1, 4)
    batches = len(table)
    if m == 0 or n == 0 or batches == 0:
        return
    if bias is None:
        bias = np.zeros(int(table[:, 3].max()) + n, c.dtype)
    panels, blocks = -(-n // COLUMNS), -(-m // BLOCK)
    tasks = batches * panels * blocks
    # A small C over a great depth (the gradient of a convolution's weights) makes few tasks: then ranges of k are
    # summed apart, and the partial sums added in order. Only the sizes decide, never the number of threads.
    split = max(1, min(-(-TASKS // tasks), k // (4 * DEPTH))) if batches == 1 else 1
    while tasks * split < TASKS and m > blocks * SMALL_BLOCK:
        blocks, tasks = 2 * blocks, 2 * tasks
    block = -(-m // (blocks * ROWS)) * ROWS  # as many rows in each, in whole tiles
    tasks = batches * panels * -(-m // block)
    geometry = *a_sizes, *a_strides, *b_strides
    if split == 1:
        plan = np.array((m, n, k, block, 1, 0, *geometry, *c_strides), np.int64)
        _product(c, a, b, bias, table, plan, tasks)
        return
    parts = np.empty((split, *a_sizes[:3], n), c.dtype)
    plan = np.array((m, n, k, block, split, m * n, *geometry, *_element_strides(parts[0])), np.int64)
    _product(parts.reshape(-1), a, b, np.zeros_like(bias), table * (0, 1, 1, 1), plan, tasks * split)
    result = np.lib.stride_tricks.as_strided(c[table[0, 0] :], parts.shape[1:], [s * c.itemsize for s in c_strides])
    result[...] = parts.sum(axis=0) + bias[table[0, 3] :][:n]


def _element_strides(x: Array) -> tuple[int, ...]:
    return tuple(stride // x.itemsize for stride in x.strides)
