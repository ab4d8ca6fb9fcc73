"""Several arrays of one shape as flat memories in one order, whatever their strides."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..memory import memory_order
from .layout import contiguous

CHUNK = 16384  # elements in one task of an elementwise loop: 64 KiB of float32


def check_writeable(*arrays: Array) -> None:
    """Refuse arrays that must not be written, as NumPy does; a compiled loop would write them all the same."""
    if not all(x.flags.writeable for x in arrays):
        raise ValueError("the result is to be written into an array that is read-only. Fix: a copy of it, x.copy()")


def aligned(x: Array, *others: Array) -> list[Array]:
    """The elements of ``x`` and ``others`` as flat arrays, all in the memory order of ``x``; copies where needed."""
    order = memory_order(x)
    return [_contiguous(y.transpose(order)).reshape(-1) for y in (x, *others)]


def _contiguous(x: Array) -> Array:
    return contiguous(x) if x.ndim == 4 and x.dtype in (np.float32, np.float64) else np.ascontiguousarray(x)


def shaped(memory: Array, like: Array) -> Array:
    """Flat ``memory`` in the memory order of ``like``, seen with the shape of ``like``."""
    order = memory_order(like)
    return memory.reshape([like.shape[axis] for axis in order]).transpose(np.argsort(order))
