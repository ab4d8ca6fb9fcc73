"""How the kernels of this package are compiled and launched: all of Numba's options are here.

Every kernel is written in three layers:

1. a *task*: a serial function (``@serial``) that computes one part of the output;
2. a *loop* over the tasks (``@parallel``), a few lines long, whose ``prange`` deals the tasks to the threads.
   Each task writes its own part of the output and sums in its own fixed order,
   so the result is the same for any number of threads;
3. a *launcher* in plain Python, registered as the kernel, which brings the arrays into one canonical form.

Compiling takes longer than most things a kernel does, so it is kept small:

- compiled functions see flat C-contiguous arrays and numbers only, whatever the caller's shapes and
  strides: one compilation per element type, not one per layout;
- the result is cached on disk (``cache.py``), next to the source or in the user's cache directory;
- a loop over tasks costs about 0.4 s to compile whatever it does, so there are few, shared where possible;
- of Numba's passes that turn array code into parallel loops only ``prange`` is on: there is no such code here.

``NUMBA_DISABLE_JIT=1`` runs the same functions as plain Python, for debugging.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from typing import Any

import numba
import numpy as np
from numba.core.compiler import Compiler
from numpy.typing import NDArray

from ..registry import kernel
from ..threads import get_num_threads
from .cache import KernelCache

JIT = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]

# Offsets into flat arrays are unsigned: Numba then omits the test for Python's negative indices
# in the innermost loop, without which LLVM could not vectorise it. (Plain Python has no such cost.)
unsigned = np.uintp if JIT else int

_OPTIONS: dict[str, Any] = {
    "nogil": True,  # other Python threads may run meanwhile
    "error_model": "numpy",  # division by zero gives inf, as in NumPy, and no test before each division
    "fastmath": {"contract"},  # a*b + c may be one instruction, rounded once; nothing else is reordered
}
_PRANGE_ONLY = {
    "prange": True,
    "comprehension": False,
    "reduction": False,
    "inplace_binop": False,
    "setitem": False,
    "numpy": False,
    "stencil": False,
    "fusion": False,
}


class _NoAlias(Compiler):
    """Numba's compiler, told that the array arguments of this function do not overlap.

    C calls this ``restrict``: LLVM may keep an output in registers while it reads the inputs.
    """

    def __init__(self, typing: Any, target: Any, library: Any, args: Any, result: Any, flags: Any, local: Any) -> None:
        flags = flags.copy()
        flags.noalias = True
        super().__init__(typing, target, library, args, result, flags, local)


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    """``numba.njit`` with a cache on disk where there is a place for one."""
    if not JIT:
        return function
    compiled = numba.njit(**{**_OPTIONS, **options})(function)
    try:
        compiled._cache = KernelCache(function)  # njit(cache=True) would set Numba's own here
    except RuntimeError as error:  # "cannot cache function ...: no locator available"
        if "cannot cache" not in str(error):
            raise
        _warn_of_no_cache()
    return compiled


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
    return _compile(function)


def serial_no_alias(function: Callable[..., Any]) -> Any:
    """Compile an innermost loop whose array arguments never overlap."""
    return _compile(function, pipeline_class=_NoAlias)


def serial_reordered(function: Callable[..., Any]) -> Any:
    """Compile a task whose sums LLVM may reorder, so that a sum along a row runs in vector registers.

    The order is fixed when the function is compiled: it does not depend on the data or the threads.
    """
    return _compile(function, fastmath={"contract", "reassoc"})


_here = threading.local()
_one_at_a_time: threading.RLock | None = threading.RLock()  # None once Numba's threads are known to be shareable


class _Alias:
    """The memory of a read-only array, writable for Numba: it would compile a kernel anew for read-only arguments."""

    def __init__(self, x: NDArray[Any]) -> None:
        self.x = x  # keeps the memory alive
        self.__array_interface__ = {**x.__array_interface__, "data": (x.ctypes.data, False)}


def _writable(argument: Any) -> Any:
    if isinstance(argument, np.ndarray) and not argument.flags.writeable:
        return np.asarray(_Alias(argument))
    return argument


_cut_off = False  # whether this is a forked process without the threads that its parent has


def _forked() -> None:
    """What is left in a child process after ``os.fork``: no threads, and perhaps a lock that nobody will release."""
    global _cut_off, _one_at_a_time
    _one_at_a_time = threading.RLock()
    with suppress(ValueError):  # no kernel has run yet: no threads to lose
        _cut_off = numba.threading_layer() == "omp"


if sys.platform == "linux":  # where Numba is built with GNU OpenMP, which kills such a process
    os.register_at_fork(after_in_child=_forked)


def _launch(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if _cut_off:
        raise RuntimeError(
            "minicnn's compiled kernels have run in the parent process, and their threads did not come along with the "
            "fork. Fix: start processes with multiprocessing.get_context('spawn'), or compute with "
            "use_backend('numpy') in the forked ones"
        )
    threads = get_num_threads()
    if getattr(_here, "threads", None) != threads:  # Numba keeps one number per Python thread
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        _here.threads = threads
    function(*map(_writable, arguments))


def parallel(function: Callable[..., Any]) -> Callable[..., None]:
    """Compile a loop over tasks, and launch it with as many threads as ``set_num_threads`` says.

    Of Numba's threading layers, ``workqueue`` dies when two Python threads use it at once; there,
    and until the first launch has shown which layer it is, launches wait for each other.
    """
    if not JIT:
        return function
    compiled = _compile(function, parallel=_PRANGE_ONLY)

    @wraps(function)
    def launch(*arguments: Any) -> None:
        global _one_at_a_time
        lock = _one_at_a_time
        if lock is None:
            _launch(compiled, arguments)
            return
        with lock:
            _launch(compiled, arguments)
            if numba.threading_layer() != "workqueue":
                _one_at_a_time = None

    launch.compiled = compiled  # type: ignore[attr-defined]
    return launch


def _declines(first: Any, *_: Any) -> str | None:
    """These kernels are compiled for float32 and float64 in the machine's byte order."""
    if first.dtype in (np.float32, np.float64):
        return None
    return f"it is compiled for float32 and float64, and the array is {first.dtype}"


def numba_kernel(
    operation: str, details: Callable[..., str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a launcher as this backend's kernel for ``operation``."""
    return kernel(operation, "numba", _declines, details)
