"""The operating system's semaphore, for compiled code: a number of wake-ups, for which threads can wait asleep.

Every system has one with a call to wait and a call to post. What they take besides the semaphore itself, the same
each time, is given to all of them: a function of the C library does not look at more arguments than it has.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

FOREVER = 0xFFFFFFFF if sys.platform == "win32" else -1


class Semaphore(NamedTuple):
    """A handle and two addresses of functions, which :func:`invoke` calls with the handle and ``FOREVER`` or 1."""

    handle: int
    wait: int
    post: int

    def wake_one(self) -> None:
        """Post from Python."""
        ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(self.post)(self.handle, 1, 0)


def address(library: Any, name: str) -> int:
    """Address of a function."""
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


def semaphore(memory: int) -> Semaphore:
    """A new semaphore, on Linux in this memory of 64 bytes."""
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        kernel.CreateSemaphoreW.restype = ctypes.c_void_p
        handle = kernel.CreateSemaphoreW(None, 0, 2**31 - 1, None)
        names = "WaitForSingleObject", "ReleaseSemaphore"
    elif sys.platform == "darwin":
        kernel = ctypes.CDLL(None)
        kernel.dispatch_semaphore_create.restype = ctypes.c_void_p
        handle = kernel.dispatch_semaphore_create(ctypes.c_long(0))
        names = "dispatch_semaphore_wait", "dispatch_semaphore_signal"
    else:
        kernel = ctypes.CDLL(None)
        handle = memory if kernel.sem_init(ctypes.c_void_p(memory), 0, 0) == 0 else None
        names = "sem_wait", "sem_post"
    if not handle:
        raise OSError("the system has no semaphore left for minicnn's threads. Fix: set_num_threads(1) needs none")
    wait, post = (address(kernel, name) for name in names)
    return Semaphore(handle, wait, post)


@intrinsic
def invoke(typing_context, function, handle, number):  # type: ignore[no-untyped-def]
    """``function(handle, number, 0)``."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 3)
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), [*values[1:], ir.IntType(64)(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate
