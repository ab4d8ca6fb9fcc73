"""The sum of two arrays of one shape: what a residual connection computes, and a gradient that comes from two sides."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import ShapeError
from ..memory import empty_like
from ..registry import kernel
from .elementwise import check_writeable
from .jit import parallel, serial_no_alias, share, unsigned
from .layout import in_rows, piece


@serial_no_alias
def _sum_rows(y, a, b, p, q, r, rows, run, step, step_a, step_b):  # type: ignore[no-untyped-def]
    p, q, r, run = unsigned(p), unsigned(q), unsigned(r), unsigned(run)
    for _ in range(rows):
        for j in range(run):
            y[p + j] = a[q + j] + b[r + j]
        p += unsigned(step)
        q += unsigned(step_a)
        r += unsigned(step_b)


@serial_no_alias
def _add_rows(y, b, p, r, rows, run, step, step_b):  # type: ignore[no-untyped-def]
    p, r, run = unsigned(p), unsigned(r), unsigned(run)
    for _ in range(rows):
        for j in range(run):
            y[p + j] += b[r + j]
        p += unsigned(step)
        r += unsigned(step_b)


@parallel
def _sum(thread, y, a, b, in_place, count, run, units, some, step, step_a, step_b):  # type: ignore[no-untyped-def]
    for t in share(thread, (units + some - 1) // some):
        first, rows, start, size = piece(t, count, run, units, some)
        p, q, r = first * step + start, first * step_a + start, first * step_b + start
        if in_place:
            _add_rows(y, b, p, r, rows, size, step, step_b)
        else:
            _sum_rows(y, a, b, p, q, r, rows, size, step, step_a, step_b)


def _declines(a: Array, b: Array, out: Array | None = None) -> str | None:
    if a.dtype not in (np.float32, np.float64) or b.dtype != a.dtype:
        return f"it is compiled for float32 and float64, the same for both arrays, and they are {a.dtype} and {b.dtype}"
    if a.shape != b.shape:
        return f"it adds arrays of one shape, and the shapes are {a.shape} and {b.shape}"
    return None


@kernel("add.forward", "numba", _declines)
def add_forward(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a + b``, in the memory order of ``a``; ``out`` may be ``a`` itself."""
    if out is not None and out.shape != a.shape:
        raise ShapeError(f"the sum of two arrays of shape {a.shape} does not fit into one of shape {out.shape}")
    y = empty_like(a) if out is None else out
    rows = in_rows(y, a, b)
    if rows is None or (out is not None and (out is not a or np.may_share_memory(a, b))):
        return np.add(a, b) if out is None else np.add(a, b, out=out)
    check_writeable(y)
    _sum(*rows.memories, out is a, *rows.numbers)
    return y
