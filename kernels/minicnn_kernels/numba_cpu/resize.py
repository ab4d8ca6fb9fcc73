"""Resizing: nearest neighbour copies one pixel, bilinear mixes two rows and two columns (see ``resample.py``)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import Array
from ..geometry import Pair
from .jit import numba_kernel
from .resample import Sparse, resample, sparse

Blend = tuple[Array, Array, Array]  # low, high, fraction


def _picks(indices: Array) -> Sparse:
    """Row ``i`` has a single 1, at ``indices[i]``."""
    return _picks_of(np.asarray(indices, np.int64).tobytes())


@lru_cache(maxsize=64)
def _picks_of(indices: bytes) -> Sparse:
    columns = np.frombuffer(indices, np.int64)
    return Sparse(np.arange(len(columns) + 1), columns, np.ones(len(columns)))


def _blends(table: Blend) -> Sparse:
    """Row ``i`` has ``1 - fraction`` at ``low`` and ``fraction`` at ``high``."""
    low, high, fraction = table
    return _blends_of(
        *(np.asarray(x, kind).tobytes() for x, kind in ((low, np.int64), (high, np.int64), (fraction, np.float64)))
    )


@lru_cache(maxsize=64)
def _blends_of(lows: bytes, highs: bytes, fractions: bytes) -> Sparse:
    low, high, fraction = np.frombuffer(lows, np.int64), np.frombuffer(highs, np.int64), np.frombuffer(fractions)
    rows = np.repeat(np.arange(len(low)), 2)
    return sparse(rows, np.stack([low, high], 1).ravel(), np.stack([1 - fraction, fraction], 1).ravel(), len(low))


@numba_kernel("resize_nearest.forward")
def resize_nearest_forward(x: Array, rows: Array, columns: Array) -> Array:
    """``y[i, j] = x[rows[i], columns[j]]``."""
    return resample(x, _picks(rows), _picks(columns))


@numba_kernel("resize_nearest.grad_input")
def resize_nearest_grad_input(grad_y: Array, rows: Array, columns: Array, input_size: Pair) -> Array:
    """A pixel gathers from all outputs that copied it."""
    height, width = input_size
    return resample(grad_y, _picks(rows).transposed(height), _picks(columns).transposed(width))


@numba_kernel("resize_bilinear.forward")
def resize_bilinear_forward(x: Array, rows: Blend, columns: Blend) -> Array:
    """Each output pixel is a mixture of four input pixels."""
    return resample(x, _blends(rows), _blends(columns))


@numba_kernel("resize_bilinear.grad_input")
def resize_bilinear_grad_input(grad_y: Array, rows: Blend, columns: Blend, input_size: Pair) -> Array:
    """A pixel gathers its share from all outputs it went into."""
    height, width = input_size
    return resample(grad_y, _blends(rows).transposed(height), _blends(columns).transposed(width))
