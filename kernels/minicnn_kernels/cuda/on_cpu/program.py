"""A compiled CUDA source and its kernels, to be launched on NumPy arrays."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import address
from ..signature import Parameter, Signature, signatures
from .build import build
from .errors import KernelError, Line, Lines
from .translate import needs_fibers, to_cpp, without_comments

SHARED = 1000  # Event.range of the first shared array
LARGEST_SHARED = 227 << 10  # bytes that a block can have on sm_90

Size = int | Sequence[int]


class Side(ctypes.Structure):
    """``cuda_cpu::Side``: one of the two who disagree."""

    _fields_ = (
        ("block", ctypes.c_uint * 3),
        ("thread", ctypes.c_uint * 3),
        ("pc", ctypes.c_longlong),
        ("writes", ctypes.c_int),
    )


class Report(ctypes.Structure):
    """``cuda_cpu::Report``: why a launch failed."""

    _fields_ = (
        ("kind", ctypes.c_char * 16),
        ("me", Side),
        ("other", Side),
        ("array", ctypes.c_char * 64),
        ("element", ctypes.c_longlong),
        ("text", ctypes.c_char * 256),
    )


class Event(ctypes.Structure):
    """``cuda_cpu::Event``: one step of the thread that is traced."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("range", ctypes.c_int),
        ("element", ctypes.c_longlong),
        ("pc", ctypes.c_longlong),
        ("size", ctypes.c_int),
        ("value", ctypes.c_char * 16),
    )


class Launch(ctypes.Structure):
    """``cuda_cpu::Launch``."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_size_t),
        ("fibers", ctypes.c_int),
        ("order", ctypes.c_int),
        ("checked", ctypes.c_int),
        ("traced_block", ctypes.c_longlong),
        ("traced_thread", ctypes.c_int),
    )


class Program:
    """A CUDA source, compiled for the CPU.

    Parameters
    ----------
    source : str
        CUDA C. Kernels may use grid and block indices, ``__shared__`` memory, ``__syncthreads``, ``__syncwarp``,
        shuffles, votes, atomics, vector types and ``printf``; they include nothing.
    defines : mapping, optional
        Names and values, as by ``-D``.
    checked : bool, default True
        Look at every load and store: bounds, shared memory that nobody wrote, races. Takes up to twice as long.
    file : str
        What messages call the source.

    Raises
    ------
    CompileError
        If there is no g++, or it does not take the source.

    Examples
    --------
    >>> program = Program('''
    ... extern "C" __global__ void add(const float* a,   // (n)
    ...                                const float* b,   // (n)
    ...                                float* y,         // (n)
    ...                                int n) {
    ...     int i = blockIdx.x * blockDim.x + threadIdx.x;
    ...     if (i < n) y[i] = a[i] + b[i];
    ... }''')
    >>> a, b = np.arange(5, dtype=np.float32), np.ones(5, np.float32)
    >>> y = np.empty_like(a)
    >>> program.launch("add", grid=2, block=4, arguments=(a, b, y))
    >>> y
    array([1., 2., 3., 4., 5.], dtype=float32)
    """

    def __init__(
        self, source: str, defines: Mapping[str, str] | None = None, checked: bool = True, file: str = "kernel.cu"
    ) -> None:
        self.source, self.checked, self.file = source, checked, file
        self.kernels = {kernel.name: kernel for kernel in signatures(source, defines)}
        if not self.kernels:
            raise ValueError(f"{file} declares no kernel: a function that begins with `__global__ void name(`")
        options = [f"-D{name}={value}" for name, value in (defines or {}).items()]
        cpp = to_cpp(source, list(self.kernels.values()), file)
        self._path = build(cpp, options, checked, file)
        self._library = ctypes.CDLL(str(self._path))
        self._library.cuda_cpu_output.restype = ctypes.c_char_p
        self._library.cuda_cpu_shared_name.restype = ctypes.c_char_p
        self._library.cuda_cpu_shared_type.restype = ctypes.c_char_p
        self._library.cuda_cpu_events.restype = ctypes.c_size_t
        self._fibers = needs_fibers(without_comments(source))
        self._lock = _lock_of(self._path)
        self.lines = Lines(Path(self._path), source, file)

    def __repr__(self) -> str:
        return f"<{self.file}: {', '.join(map(str, self.kernels.values()))}>"

    def signature(self, kernel: str) -> Signature:
        """What a kernel takes."""
        if kernel not in self.kernels:
            raise ValueError(f"{self.file} has no kernel {kernel!r}; it has {', '.join(self.kernels)}")
        return self.kernels[kernel]

    def launch(
        self,
        kernel: str,
        grid: Size,
        block: Size,
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
        *,
        shared_memory: int = 0,
        order: str | int = "forward",
    ) -> None:
        """Run a kernel; arrays are changed in place, as on a device.

        Parameters
        ----------
        kernel : str
        grid, block : int or up to three ints
            Number of blocks, and of threads in each.
        arguments, named
            In the kernel's order, or by name. Scalars that are sizes of arrays may be left out (`Signature.bind`).
        shared_memory : int
            Bytes of ``extern __shared__`` memory.
        order : {"forward", "backward"} or int
            In which order blocks and threads run; an int is the seed of a random one. A kernel that is right does not
            depend on it.

        Raises
        ------
        TypeError, ValueError
            If the arguments do not fit the declaration, or no device has so many threads.
        KernelError
            If the kernel does what it must not.
        """
        self._launch(kernel, grid, block, arguments, named or {}, shared_memory, order, None)

    def _launch(
        self,
        kernel: str,
        grid: Size,
        block: Size,
        arguments: Sequence[Any],
        named: Mapping[str, Any],
        shared_memory: int,
        order: str | int,
        traced: tuple[int, int] | None,
    ) -> dict[str, Any]:
        signature = self.signature(kernel)
        values = signature.bind(*arguments, **named)
        grid3, block3 = _three(grid), _three(block)
        check_launch(kernel, grid3, block3, shared_memory)
        launch = Launch()
        launch.grid[:], launch.block[:] = grid3, block3
        launch.shared_bytes, launch.fibers, launch.checked = shared_memory, self._fibers, self.checked
        launch.order = _order(order)
        launch.traced_block, launch.traced_thread = traced or (-1, -1)

        keep: list[Any] = []
        pointers = (ctypes.c_void_p * len(values))()
        for i, p in enumerate(signature.parameters):
            value = values[p.name]
            if p.most:
                keep.append(_structure(p, value))
                pointers[i] = keep[-1].ctypes.data
            elif p.array:
                if value is not None and not isinstance(value, np.ndarray):
                    raise TypeError(f"{kernel}: {p.name} must be a NumPy array here; got {type(value).__name__}")
                keep.append(ctypes.c_void_p(0 if value is None else value.ctypes.data))
                pointers[i] = ctypes.addressof(keep[-1])
            else:
                keep.append(np.array(value))
                pointers[i] = keep[-1].ctypes.data

        report = Report()
        with self._lock:
            self._name_arrays(signature, values)
            entry = getattr(self._library, f"cuda_cpu_kernel_{list(self.kernels).index(kernel)}")
            failed = self._library.cuda_cpu_launch(entry, ctypes.byref(launch), pointers, ctypes.byref(report))
            output = self._library.cuda_cpu_output().decode(errors="replace")
        if output:
            sys.stdout.write(output)
        if failed and report.kind == b"interrupted":
            raise KeyboardInterrupt
        if failed:
            raise self._error(kernel, report, values)
        return values

    def _name_arrays(self, signature: Signature, values: Mapping[str, Any]) -> None:
        """Tell the checker what the arguments are; one that is given twice has its first name."""
        arrays: dict[int, tuple[int, int, bytes]] = {}
        for p in signature.parameters:
            value = values[p.name]
            many = p.array and p.most > 0 and value is not None
            for name, x in [(f"{p.name}.of[{i}]", x) for i, x in enumerate(value)] if many else [(p.name, value)]:
                if p.array and x is not None and x.size:
                    arrays.setdefault(x.ctypes.data, (x.nbytes, x.itemsize, name.encode()))
        n = len(arrays)
        self._names = list(arrays.values())  # the library keeps the pointers to the names
        self._library.cuda_cpu_arrays(
            n,
            (ctypes.c_void_p * n)(*arrays),
            (ctypes.c_size_t * n)(*(a[0] for a in self._names)),
            (ctypes.c_int * n)(*(a[1] for a in self._names)),
            (ctypes.c_char_p * n)(*(a[2] for a in self._names)),
        )

    def _error(self, kernel: str, report: Report, values: Mapping[str, Any]) -> KernelError:
        kind, array = report.kind.decode(), report.array.decode()
        mine, other = self.lines.at([report.me.pc, report.other.pc])
        element = element_name(array, report.element, values.get(array)) if array else ""
        me = f"thread {tuple(report.me.thread)} of block {tuple(report.me.block)}"
        rival = f"thread {tuple(report.other.thread)} of block {tuple(report.other.block)}"
        does = "writes" if report.me.writes else "reads"
        if kind == "race":
            before = "wrote" if report.other.writes else "read"
            text = (
                f"a race: {me} {does} {element}\n{_at(mine)}"
                f"  which {rival} {before}\n{_at(other)}"
                f"  and nothing orders the two. {_remedy(report, array in values)}"
            )
        elif kind == "unwritten":
            text = f"{me} reads {element}, which no thread has written\n{_at(mine)}  Shared memory begins undefined."
        elif kind == "bounds" and array:
            text = f"{me} {does} {element}, outside of the array\n{_at(mine)}  {_extent(array, values.get(array))}"
        elif other is not None:
            text = f"{report.text.decode()}: {me} in\n{_at(mine)}  and {rival} in\n{_at(other)}"
        else:
            text = f"{me}: {report.text.decode(errors='replace')}\n{_at(mine)}"
        error = KernelError(f"kernel {kernel}: {text.rstrip()}", kind, kernel)
        error.line = None if mine is None else mine.number
        error.other_line = None if other is None else other.number
        error.block, error.thread = tuple(report.me.block), tuple(report.me.thread)
        if kind in ("race", "barrier") and report.other.pc >= 0:
            error.other_block, error.other_thread = tuple(report.other.block), tuple(report.other.thread)
        if array:
            error.array, error.index = array, place(report.element, values.get(array))
        return error


def _structure(p: Parameter, values: Sequence[Any] | None) -> Any:
    """A list as the structure that the kernel is given: addresses, or numbers."""
    entries = np.zeros(p.most, np.uint64 if p.array else p.dtype)
    if values:
        entries[: len(values)] = [address(x) for x in values] if p.array else values
    return entries


@cache
def _lock_of(path: Path) -> threading.RLock:
    """One for each library, for its runtime has one state; whoever loads the same source again shares it."""
    return threading.RLock()


def _at(line: Line | None) -> str:
    return "" if line is None else f"    {line}\n"


def _remedy(report: Report, global_memory: bool) -> str:
    if tuple(report.me.block) != tuple(report.other.block):
        return "Blocks run in any order: let one thread own each element (gather), or use atomics."
    if global_memory:
        return "Fix: let one thread own each element (gather), use atomics, or put __syncthreads() between."
    return "Fix: __syncthreads() between the two."


def _extent(array: str, x: Any) -> str:
    return f"{array} has the shape {x.shape}." if isinstance(x, np.ndarray) else ""


def place(element: int, x: Any) -> tuple[int, ...]:
    """The index of an element counted in C order; of one outside of the array, that count."""
    if isinstance(x, np.ndarray) and x.ndim and 0 <= element < x.size:
        return tuple(int(i) for i in np.unravel_index(element, x.shape))
    return (element,)


def element_name(array: str, element: int, x: Any) -> str:
    """``x[0, 2]``."""
    return f"{array}[{', '.join(map(str, place(element, x)))}]"


def _three(size: Size) -> tuple[int, int, int]:
    sizes = (size,) if not isinstance(size, Sequence) else tuple(size)
    if not 1 <= len(sizes) <= 3 or not all(hasattr(s, "__index__") for s in sizes):
        raise TypeError(f"a grid or a block is one to three ints (x, y, z); got {size!r}")
    x, y, z = (*(int(s) for s in sizes), 1, 1)[:3]
    return x, y, z


def _order(order: str | int) -> int:
    if order in ("forward", "backward"):
        return ("forward", "backward").index(str(order))
    if isinstance(order, int) and order >= 0:
        return 2 + order % (2**31 - 2)
    raise ValueError(f"order must be 'forward', 'backward' or the seed of a random order; got {order!r}")


def check_launch(kernel: str, grid: Sequence[int], block: Sequence[int], shared_memory: int) -> None:
    """Refuse what no device can launch."""
    threads = block[0] * block[1] * block[2]
    if min(block) < 1 or threads > 1024 or block[2] > 64:
        raise ValueError(
            f"{kernel}: a block has 1 to 1024 threads, at most 64 along z; got {tuple(block)}, which is {threads}"
        )
    if min(grid) < 1 or grid[0] >= 2**31 or max(grid[1:]) >= 2**16:
        raise ValueError(
            f"{kernel}: a grid has at least 1 block, below 2^31 along x and 2^16 along y and z; got {tuple(grid)}"
        )
    if not 0 <= shared_memory <= LARGEST_SHARED:
        raise ValueError(f"{kernel}: a block has up to {LARGEST_SHARED} bytes of shared memory; got {shared_memory}")
