"""The sum of two arrays of one shape, and concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod

from ...arrays import Array
from . import order
from .launch import launch, launcher
from .optimizers import MOST


def _shapes(a: Array, b: Array, out: Array | None = None) -> str | None:
    if a.shape != b.shape or (out is not None and out.shape != a.shape):
        return f"its kernel adds arrays of one shape, not {a.shape} and {b.shape}"
    return None


@launcher("add.forward", "add.forward", _shapes)
def add_forward(a: Array, b: Array, out: Array | None = None) -> Array:
    """``a + b``, in the memory order of ``a``; ``out`` may be ``a`` itself."""
    lies = order.of(a)
    y = out if out is not None and lies.lies(out) else lies.empty(a.shape, a)
    launch("add.forward", a=lies.flat(a), b=lies.flat(b), y=lies.flat(y))
    if out is not None and y is not out:
        out[...] = y
    return y if out is None else out


def _joinable(arrays: Sequence[Array], axis: int) -> str | None:
    if not 0 < arrays[0].ndim < len(order.FIRST):
        return f"its kernel joins arrays with axes, not of {arrays[0].ndim}"
    if len({x.dtype for x in arrays}) > 1:
        return "its arrays have several types"
    wide = max(sum(x.size for x in arrays), 0) >= 1 << 31
    return "its kernel joins less than 2^31 numbers" if wide else None


@launcher("cat.forward", "cat.forward", _joinable)
def cat_forward(arrays: Sequence[Array], axis: int) -> Array:
    """The arrays one after another along ``axis``, in the memory order of the largest of them."""
    largest = max(arrays, key=lambda x: x.size)
    lies, axis = order.of(largest), axis % largest.ndim
    place = lies.axes.index(axis)
    shape = list(largest.shape)
    shape[axis] = sum(x.shape[axis] for x in arrays)
    y = lies.empty(tuple(shape), largest)
    memory = lies.turned(y)
    rows = memory.reshape(prod(memory.shape[:place]), prod(memory.shape[place:]))
    some = [lies.flat(x) for x in arrays if x.size]
    first = 0
    for start in range(0, len(some), MOST):
        joined = some[start : start + MOST]
        ends = list(accumulate(x.size // len(rows) for x in joined))
        launch("cat.forward", y=rows, joined=joined, ends=ends, arrays=len(joined), first=first, columns=ends[-1])
        first += ends[-1]
    return y
