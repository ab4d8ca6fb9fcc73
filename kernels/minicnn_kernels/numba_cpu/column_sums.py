"""Sums over all pixels, one per channel: the gradient of every bias, and the heart of batch normalisation.

The rows of a matrix ``(M, C)`` are summed in chunks of a fixed number of rows, one chunk after the other in
each thread, and the chunks' sums in order: the same result for every number of threads. Partial sums are float64,
so a sum over a million pixels is as accurate as one over ten.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from .jit import parallel, serial, serial_no_alias, unsigned

Array = NDArray[Any]

CHUNK = 65536  # elements in one chunk, about


def chunk_rows(m: int, c: int) -> int:
    """How many rows of ``c`` numbers make a chunk; a function of the shape alone."""
    return max(1, min(CHUNK // max(c, 1), -(-m // 8)))


@serial_no_alias
def _add_row(total, p, x, q, c):  # type: ignore[no-untyped-def]
    p, q, c = unsigned(p), unsigned(q), unsigned(c)
    for j in range(c):
        total[p + j] += x[q + j]


@serial
def _sum_rows(total, p, x, first, last, c):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        _add_row(total, p, x, i * c, c)


@parallel
def _sum_chunks(totals, x, m, c, rows):  # type: ignore[no-untyped-def]
    for t in prange((m + rows - 1) // rows):
        _sum_rows(totals, t * c, x, t * rows, min(m, (t + 1) * rows), c)


def sum_over_pixels(x: Array) -> Array:
    """Sum a C-contiguous ``(N, *, C)`` over all axes but the last -> ``(C,)``."""
    c = x.shape[-1]
    m = x.size // max(c, 1)
    if m == 0:
        return np.zeros(c, x.dtype)
    rows = chunk_rows(m, c)
    totals = np.zeros((-(-m // rows), c), np.float64)
    _sum_chunks(totals.reshape(-1), x.reshape(-1), m, c, rows)
    return totals.sum(axis=0).astype(x.dtype)
