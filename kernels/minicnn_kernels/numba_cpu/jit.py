"""How the kernels of this package are compiled and launched. (Numba's options are in ``part.py``.)

Every kernel is written in three layers:

1. a *task*: a serial function (``@serial``) that computes one part of the output;
2. a *loop* over the tasks (``@parallel``), a few lines long, in which each thread takes its share (``team.py``).
   Each task writes its own part of the output and sums in its own fixed order,
   so the result is the same for any number of threads;
3. a *launcher* in plain Python, registered as the kernel, which brings the arrays into one canonical form.

Compiling takes longer than most things a kernel does, so it is kept small:

- compiled functions see flat C-contiguous arrays and numbers only, whatever the caller's shapes and
  strides: one compilation per element type, not one per layout;
- the result is cached on disk (``cache.py``), next to the source or in the user's cache directory;
- serial functions get no machine code of their own: LLVM optimises and translates them once, as parts of the loop that
  is launched (``part.py``). (The kernels of a small convolutional network take half the time so, and a third less
  again without Numba's ``prange``.)

``NUMBA_DISABLE_JIT=1`` runs the same functions as plain Python, for debugging.
"""

from __future__ import annotations

import gc
import inspect
import os
import threading
import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..registry import kernel
from ..threads import get_num_threads
from .cache import KernelCache
from .part import JIT, OPTIONS, part
from .team import run_on_team as run_compiled_on_team
from .team import share as share_compiled
from .workers import MOST, hire, take_failure

# Offsets into flat arrays are unsigned: Numba then omits the test for Python's negative indices
# in the innermost loop, without which LLVM could not vectorise it. (Plain Python has no such cost.)
unsigned = np.uintp if JIT else int

FLOATS = np.dtype(np.float32), np.dtype(np.float64)


@cache
def _warn_of_no_cache() -> None:
    """Warn at the first function, not at every one."""
    warnings.warn(
        "minicnn compiles its kernels anew in every process: neither the package's directory nor a cache directory "
        "can be written. Fix: set NUMBA_CACHE_DIR to a directory that can",
        RuntimeWarning,
        stacklevel=2,
    )


def serial(function: Callable[..., Any]) -> Any:
    """Compile a task, or a part of one."""
    return part(function)


def serial_no_alias(function: Callable[..., Any]) -> Any:
    """Compile an innermost loop whose array arguments never overlap.

    C calls this ``restrict``: LLVM may keep an output in registers while it reads the inputs.
    """
    return part(function, no_alias=True)


def serial_reordered(function: Callable[..., Any]) -> Any:
    """Compile a task whose sums LLVM may reorder, so that a sum along a row runs in vector registers.

    The order is fixed when the function is compiled: it does not depend on the data or the threads.
    """
    return part(function, fastmath={"contract", "reassoc"})


def _run_in_python(function: Callable[..., Any], size: int, arguments: tuple[Any, ...]) -> None:
    for number in range(size):
        function((number, size, 0), *arguments)


def _share_in_python(thread: tuple[int, int, int], tasks: int) -> range:
    number, size, _ = thread
    return range(tasks * number // size, tasks * (number + 1) // size)


run_on_team = run_compiled_on_team if JIT else _run_in_python
share: Any = share_compiled if JIT else _share_in_python


class _Alias:
    """The memory of a read-only array, writable for Numba: it would compile a kernel anew for read-only arguments."""

    def __init__(self, x: NDArray[Any]) -> None:
        self.x = x  # keeps the memory alive
        self.__array_interface__ = {**x.__array_interface__, "data": (x.ctypes.data, False)}


def _writable(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same with read-only arrays as an :class:`_Alias` shows them."""
    return tuple(
        [np.asarray(_Alias(x)) if isinstance(x, np.ndarray) and not x.flags.writeable else x for x in arguments]
    )


_one_at_a_time = threading.RLock()


def _forked() -> None:
    """In a child process after ``os.fork``: another thread of the parent may have had the lock."""
    global _one_at_a_time
    _one_at_a_time = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def parallel(function: Callable[..., Any]) -> Callable[..., None]:
    """Compile a loop over tasks, and launch it with as many threads as ``set_num_threads`` says.

    The function's first parameter is ``thread``, which it hands to ``share``; a launch does without it.
    """
    if next(iter(inspect.signature(function).parameters)) != "thread":
        raise TypeError(f"{function.__qualname__}: a parallel loop takes `thread` first, and gives it to share()")
    body = serial(function)

    def on_team(threads, arguments):  # type: ignore[no-untyped-def]
        run_on_team(body, threads, arguments)

    return _launcher(function, on_team)


def in_sequence(function: Callable[..., Any]) -> Callable[..., None]:
    """Compile a function that runs loops over tasks one after the other: ``run_on_team(loop, threads, arguments)``.

    A loop is a serial function with ``thread`` as first parameter. The first parameter of this one is ``threads``.
    """
    body = serial(function)

    def one_by_one(threads, arguments):  # type: ignore[no-untyped-def]
        body(threads, *arguments)

    return _launcher(function, one_by_one)


def _undisturbed(translate: Callable[..., Any]) -> Callable[..., Any]:
    """A compiler that Python's search for reference cycles does not interrupt: it would take a tenth of the time."""

    def translate_undisturbed(*arguments: Any) -> Any:
        searching = gc.isenabled()
        gc.disable()
        try:
            return translate(*arguments)
        finally:
            if searching:
                gc.enable()

    return translate_undisturbed


def _launcher(function: Callable[..., Any], entry: Callable[..., Any]) -> Callable[..., None]:
    """What launches ``entry(threads, arguments)``, kept on disk under the name of ``function``.

    Launches from several Python threads wait for each other, unless ``set_num_threads`` says 1: each takes all the
    cores.
    """
    compiled = entry
    if JIT:
        compiled = numba.njit(**{**OPTIONS, "no_cfunc_wrapper": True})(entry)
        compiled._compiler.compile = _undisturbed(compiled._compiler.compile)
        try:
            compiled._cache = KernelCache(function)  # njit(cache=True) would set Numba's own here
        except RuntimeError as error:  # "cannot cache function ...: no locator available"
            if "cannot cache" not in str(error):
                raise
            _warn_of_no_cache()

    @wraps(function)
    def launch(*arguments: Any) -> None:
        threads = min(get_num_threads(), MOST) if JIT else 1
        if threads == 1:
            compiled(1, _writable(arguments))
        else:
            with _one_at_a_time:
                hire(threads - 1)
                compiled(threads, _writable(arguments))
        if take_failure():
            raise MemoryError(f"{function.__qualname__}: there was no memory for what a thread needs for its work")

    launch.compiled = compiled  # type: ignore[attr-defined]
    return launch


def _declines(first: Any, second: Any = None, *_: Any) -> str | None:
    """These kernels are compiled for float32 and float64 in the machine's byte order, the same for all arrays."""
    if first.dtype not in FLOATS:
        return f"it is compiled for float32 and float64, and the array is {first.dtype}"
    if type(second) is np.ndarray and second.dtype != first.dtype and second.dtype.kind == "f":
        return f"it is compiled for arrays of one type, and they are {first.dtype} and {second.dtype}"
    return None


def numba_kernel(
    operation: str, details: Callable[..., str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a launcher as this backend's kernel for ``operation``."""
    return kernel(operation, "numba", _declines, details)
