"""Averages and interpolations in one kernel: ``y = R @ x @ C.T`` with sparse matrices ``R`` and ``C``.

Average pooling, adaptive average pooling and both kinds of resizing treat rows and columns separately: output row
``i`` is a weighted sum of a few input rows, ``y[i] = sum of R[i, h] * x[h]``, and output columns likewise.
So each of these operations is a pair of small sparse matrices, and its gradient is the same kernel with both
matrices transposed. Every output pixel gathers what it needs: no two threads add to one number.

An output row mixes its input rows first, in long loops over all their pixels, and then the columns of that mixture:
``3 + 3`` operations for a 3 x 3 window instead of ``3 * 3``. The matrices depend on sizes alone, and making
them takes longer than using them on a small image; so their makers keep them (``lru_cache``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..geometry import Pair
from ..memory import empty
from .jit import parallel, serial_no_alias, share, unsigned
from .layout import channels_first, channels_last


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse matrix by rows: row ``i`` has the entries ``starts[i] .. starts[i+1]-1``."""

    starts: Array  # (rows + 1,) int64
    columns: Array  # (entries,) int64
    values: Array  # (entries,)

    @property
    def rows(self) -> int:
        """How many rows the matrix has."""
        return len(self.starts) - 1

    def transposed(self, rows: int) -> Sparse:
        """The transposed matrix, which has ``rows`` rows."""
        of_row = np.repeat(np.arange(self.rows), np.diff(self.starts))
        return sparse(self.columns, of_row, self.values, rows)


def sparse(rows: Array, columns: Array, values: Array, size: int) -> Sparse:
    """A matrix of ``size`` rows from its entries; they stay in order within a row."""
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(size + 1))
    return Sparse(starts.astype(np.int64), np.asarray(columns, np.int64)[order], np.asarray(values)[order])


def windows_to_sparse(spans: Sequence[Pair], counted: Sequence[int]) -> Sparse:
    """Row ``i`` is ``1/counted[i]`` at the positions ``start .. end-1`` of span ``i``."""
    lengths = [max(end - start, 0) for start, end in spans]
    rows = np.repeat(np.arange(len(spans)), lengths)
    columns = np.concatenate([np.arange(start, end) for start, end in spans]) if spans else np.zeros(0, np.int64)
    return sparse(rows, columns, np.repeat(1 / np.maximum(counted, 1), lengths), len(spans))


@serial_no_alias
def resample_row(y, x, n, i, h, w, c, row_starts, row_columns, row_values, starts, columns, values):  # type: ignore[no-untyped-def]
    """Output row ``i`` of image ``n``: first ``mixed = sum of R[i, a] * x[a]``, then its columns.

    One input row alone need not be copied to ``mixed``.
    """
    outputs, channels, one = len(starts) - 1, unsigned(c), unsigned(1)
    p = unsigned((n * (len(row_starts) - 1) + i) * outputs * c)
    first, last = row_starts[i], row_starts[i + 1]
    if first == last:
        for k in range(p, p + unsigned(outputs * c), one):
            y[k] = 0
        return
    place, scale = (n * h + row_columns[first]) * w * c, row_values[first]
    length, mixed = unsigned(w * c), x
    if last - first > 1:
        mixed = np.empty(w * c, x.dtype)
        v, q, r = row_values[first + 1], unsigned(place), unsigned((n * h + row_columns[first + 1]) * w * c)
        for k in range(length):
            mixed[k] = scale * x[q + k] + v * x[r + k]
        for a in range(first + 2, last - 1, 2):
            u, v = row_values[a], row_values[a + 1]
            q, r = unsigned((n * h + row_columns[a]) * w * c), unsigned((n * h + row_columns[a + 1]) * w * c)
            for k in range(length):
                mixed[k] += u * x[q + k] + v * x[r + k]
        if (last - first) % 2 == 1:
            u, q = row_values[last - 1], unsigned((n * h + row_columns[last - 1]) * w * c)
            for k in range(length):
                mixed[k] += u * x[q + k]
        place, scale = 0, x.dtype.type(1)
    for j in range(outputs):
        left, right = starts[j], starts[j + 1]
        if left == right:
            for k in range(channels):
                y[p + k] = 0
        elif right - left == 1:
            u, q = scale * values[left], unsigned(place + columns[left] * c)
            for k in range(channels):
                y[p + k] = u * mixed[q + k]
        else:
            u, q = scale * values[left], unsigned(place + columns[left] * c)
            v, r = scale * values[left + 1], unsigned(place + columns[left + 1] * c)
            for k in range(channels):
                y[p + k] = u * mixed[q + k] + v * mixed[r + k]
            for b in range(left + 2, right - 1, 2):
                u, q = scale * values[b], unsigned(place + columns[b] * c)
                v, r = scale * values[b + 1], unsigned(place + columns[b + 1] * c)
                for k in range(channels):
                    y[p + k] += u * mixed[q + k] + v * mixed[r + k]
            if (right - left) % 2 == 1:
                u, q = scale * values[right - 1], unsigned(place + columns[right - 1] * c)
                for k in range(channels):
                    y[p + k] += u * mixed[q + k]
        p += channels


@parallel
def _resample(thread, y, x, n, h, w, c, row_starts, row_columns, row_values, starts, columns, values):  # type: ignore[no-untyped-def]
    rows = len(row_starts) - 1
    for t in share(thread, n * rows):
        resample_row(y, x, t // rows, t % rows, h, w, c, row_starts, row_columns, row_values, starts, columns, values)


def resample(x: Array, rows: Sparse, columns: Sparse) -> Array:
    """``y[n, c] = rows @ x[n, c] @ columns.T`` for ``x (N, C, H, W)``."""
    n, c, h, w = x.shape
    y = empty((n, rows.rows, columns.rows, c), x.dtype)
    if y.size:
        matrices = [m for s in (rows, columns) for m in (s.starts, s.columns, s.values.astype(x.dtype))]
        _resample(y.reshape(-1), channels_last(x).reshape(-1), n, h, w, c, *matrices)
    return channels_first(y)
