"""Copies from the CPU's memory to a GPU's, and pinned memory, from which such copies run beside other work.

The pages of ordinary memory may be moved by the operating system, so a GPU cannot read them at its own time: they are
first copied to memory that stays in its place, *pinned* memory. What lies there already is read while the program
goes on.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from .device import cupy, in_its_order

_under_way: deque[tuple[Any, Any]] = deque()  # events, and the pinned arrays that are read until they have happened


def pinned(array: Any) -> bool:
    """Whether a NumPy array lies in pinned memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return type(array).__name__ == "PinnedMemoryPointer"  # CuPy's, or made of one


def pin(array: Any) -> Any:
    """A copy of a NumPy array in pinned memory, laid out as it is."""

    def copy(x: Any) -> Any:
        memory = cupy().cuda.alloc_pinned_memory(max(x.nbytes, 1))
        y = np.ndarray(x.shape, x.dtype, memory)
        y[...] = x
        return y

    return in_its_order(array, copy)


def send(array: Any, non_blocking: bool) -> Any:
    """A copy of a NumPy array on the current GPU, contiguous, in the order of its other work."""
    cp = cupy()
    if not pinned(array):
        return cp.asarray(array, order="C")  # by way of pinned memory of CuPy's
    x = cp.empty(array.shape, array.dtype)
    stream = cp.cuda.get_current_stream()
    source = np.ascontiguousarray(array)
    x.set(source, stream=stream)
    if not non_blocking:
        stream.synchronize()
        return x
    while _under_way and _under_way[0][0].done:
        _under_way.popleft()
    event = cp.cuda.Event(disable_timing=True)
    event.record(stream)
    _under_way.append((event, source))  # else its memory could serve another array before it has been read
    return x
