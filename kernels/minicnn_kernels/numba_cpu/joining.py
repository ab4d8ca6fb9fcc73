"""Concatenation in the memory layout of the arrays: every number is read once and written once, in order.

With the axes in the order of memory, an array is rows of one contiguous *run* each: all that lies inside of the axis
along which arrays are joined. For feature maps in channels-last memory a row is a pixel and a run its channels; a row
of the result is the runs of all arrays, one after another. Some rows make a task, few enough that the lines
of the cache which two runs share are still there when the second one is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..arrays import Array
from ..memory import empty
from ..registry import kernel
from .addresses import elements
from .elementwise import memory_order
from .jit import FLOATS, parallel, serial_no_alias, share, unsigned

TASK = 8192  # elements of the result in one task, about


@serial_no_alias
def _copy_runs(y, p, x, rows, run, row):  # type: ignore[no-untyped-def]
    """``y[p + i*row : + run] = x[i*run : + run]`` for ``i < rows``."""
    p, q, run, row = unsigned(p), unsigned(0), unsigned(run), unsigned(row)
    for _ in range(rows):
        for j in range(run):
            y[p + j] = x[q + j]
        p += row
        q += run


@parallel
def _join(thread, y, identities, runs, rows, row, some):  # type: ignore[no-untyped-def]
    for t in share(thread, (rows + some - 1) // some):
        first = t * some
        count = min(some, rows - first)
        start = first * row
        for k in range(len(runs)):
            run = runs[k]
            _copy_runs(y, start, elements(identities[k], first * run, count * run, y), count, run, row)
            start += run


def declines(arrays: Sequence[Array], *_: object) -> str | None:
    """Why these arrays cannot be joined by a compiled loop."""
    kind = arrays[0].dtype
    if kind in FLOATS and all(x.dtype == kind for x in arrays):
        return None
    return f"it is compiled for arrays that are all float32 or all float64, and the first is {kind}"


@kernel("cat.forward", "numba", declines)
def cat_forward(arrays: Sequence[Array], axis: int) -> Array:
    """Return the arrays one after another along ``axis``, in the memory layout of the largest of them."""
    order = memory_order(max(arrays, key=lambda x: x.size))
    ordered = [np.ascontiguousarray(x.transpose(order)) for x in arrays]
    place = order.index(axis % arrays[0].ndim)
    shape = list(ordered[0].shape)
    shape[place] = sum(x.shape[place] for x in ordered)
    y = empty(tuple(shape), arrays[0].dtype)
    if y.size:
        rows, row = prod(shape[:place]), prod(shape[place:])
        identities = np.array([id(x) for x in ordered], np.int64)
        runs = np.array([prod(x.shape[place:]) for x in ordered], np.int64)
        _join(y.reshape(-1), identities, runs, rows, row, max(1, TASK // row))
    return y.transpose(np.argsort(order))
