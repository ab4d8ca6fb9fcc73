"""Copies from the CPU's memory to a GPU's, and pinned memory, from which such copies run beside other work.

The pages of ordinary memory may be moved by the operating system, so a GPU cannot read them at its own time: they are
first copied to memory that stays in its place, *pinned* memory. What lies there already is read while the program
goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from minicnn_kernels.cuda import runtime

from .device import cupy, in_its_order

# For each stream, in its order: events, and the pinned arrays that are read until they have happened.
_under_way: dict[tuple[int, int], deque[tuple[Any, Any]]] = {}
_lock = Lock()


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
    """A copy of a NumPy array on the current GPU, contiguous, in the order of its other work.

    Raises
    ------
    CaptureError
        While that work is recorded into a graph.
    """
    cp = cupy()
    runtime.check_may_send()
    if not pinned(array):
        return cp.asarray(array, order="C")  # by way of pinned memory of CuPy's
    x = cp.empty(array.shape, array.dtype)
    stream = cp.cuda.get_current_stream()
    source = np.asarray(array, order="C")
    x.set(source, stream=stream)
    if non_blocking:
        _keep(source, stream)
    else:
        stream.synchronize()
    return x


def _keep(source: Any, stream: Any) -> None:
    """Keep pinned memory until the stream has read it: it could serve another array before."""
    event = cupy().cuda.Event(disable_timing=True)
    event.record(stream)
    with _lock:
        for key, copies in list(_under_way.items()):
            while copies and copies[0][0].done:
                copies.popleft()
            if not copies:
                del _under_way[key]
        _under_way.setdefault((cupy().cuda.runtime.getDevice(), stream.ptr), deque()).append((event, source))


def between(source: int, copy: Callable[[], Any]) -> Any:
    """``copy()`` from GPU ``source`` to the current one, in the order of the other work of both.

    It begins when what the source has been given to do is done, and what it is given from now on waits for the copy.
    """
    cuda = cupy().cuda
    here = cuda.get_current_stream()
    with cuda.Device(source):
        there = cuda.get_current_stream()
        ready = there.record(cuda.Event(disable_timing=True))
    here.wait_event(ready)
    result = copy()
    copied = here.record(cuda.Event(disable_timing=True))
    with cuda.Device(source):  # the default stream is that of the current GPU
        there.wait_event(copied)
    return result
