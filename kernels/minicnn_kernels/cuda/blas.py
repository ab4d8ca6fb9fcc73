"""Matrix products by NVIDIA's cuBLAS, called through ctypes.

CuPy has cuBLAS too, but its products of stacks of matrices are never in TF32, copy transposed operands, and
are refused while a stream captures. One function of the library does all of it: ``cublasGemmStridedBatchedEx``, a
stack of products whose matrices lie at equal distances.

cuBLAS thinks in columns: it takes memory that holds a matrix row by row for the transposed matrix. So instead of
C = A B it is asked for C' = B' A', in which everything lies as it does here. For each factor it wants to know how far
it is from one line to the next (the leading dimension), and whether the lines are the rows or the columns of the
matrix: a transposed view needs no copy.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_int, c_longlong, c_size_t, c_void_p
from typing import Any, NamedTuple

import numpy as np

from ..errors import BackendError, DTypeError, ShapeError

STATUS = {
    1: "CUBLAS_STATUS_NOT_INITIALIZED",
    3: "CUBLAS_STATUS_ALLOC_FAILED",
    7: "CUBLAS_STATUS_INVALID_VALUE",
    8: "CUBLAS_STATUS_ARCH_MISMATCH",
    11: "CUBLAS_STATUS_MAPPING_ERROR",
    13: "CUBLAS_STATUS_EXECUTION_FAILED",
    14: "CUBLAS_STATUS_INTERNAL_ERROR",
    15: "CUBLAS_STATUS_NOT_SUPPORTED",
    16: "CUBLAS_STATUS_LICENSE_ERROR",
}
TYPES = {"float32": 0, "float64": 1}  # cudaDataType_t
COMPUTE = {"float32": 68, "tf32": 77, "float64": 70}  # cublasComputeType_t
WORKSPACE = 32 << 20  # bytes; what NVIDIA recommends for its newest GPUs

_ARGUMENTS = {
    "cublasCreate_v2": (c_void_p,),
    "cublasDestroy_v2": (c_void_p,),
    "cublasSetStream_v2": (c_void_p, c_void_p),
    "cublasSetWorkspace_v2": (c_void_p, c_void_p, c_size_t),
    "cublasGemmStridedBatchedEx": (
        *(c_void_p, c_int, c_int, c_int, c_int, c_int, c_void_p),  # handle, transposed or not, m, n, k, alpha
        *(c_void_p, c_int, c_int, c_longlong) * 2,  # a factor: address, type, leading dimension, distance
        *(c_void_p, c_void_p, c_int, c_int, c_longlong),  # beta, and the result
        *(c_int, c_int, c_int),  # how many, precision, algorithm
    ),
}


def library() -> Any:
    """The shared library, from where CuPy takes it."""
    from cuda import pathfinder  # comes with CuPy

    try:
        path = pathfinder.load_nvidia_dynamic_lib("cublas").abs_path
        if path is None:  # which to ctypes means this program
            raise OSError("it is in memory already, and nothing says from which file")
        return ctypes.CDLL(path)
    except Exception as error:
        raise BackendError(
            f"cuBLAS cannot be loaded ({error}). Fix: pip install 'cupy-cuda13x[ctk]', or the CUDA toolkit's libcublas"
        ) from error


class Lines(NamedTuple):
    """How the matrices of a stack lie: line by line, the columns being the lines if they are transposed."""

    transposed: bool
    leading: int


def lines(shape: tuple[int, ...], strides: tuple[int, ...]) -> Lines | None:
    """How a matrix lies whose strides are counted in elements; None if neither rows nor columns are contiguous.

    Examples
    --------
    >>> lines((2, 3), (3, 1)), lines((3, 2), (1, 3)), lines((2, 3), (6, 2))
    (Lines(transposed=False, leading=3), Lines(transposed=True, leading=3), None)
    """
    (rows, columns), (down, right) = shape, strides
    if (right == 1 or columns == 1) and (down >= columns or rows == 1):
        return Lines(False, down if rows > 1 else max(columns, 1))
    if (down == 1 or rows == 1) and (right >= rows or columns == 1):
        return Lines(True, right if columns > 1 else max(rows, 1))
    return None


Workspaces = dict[tuple[int, int], Any]  # memory, by GPU and stream


class Cublas:
    """The library, with a handle and a workspace for each GPU and stream.

    A CUDA graph has workspaces of its own, for its products run beside those of the stream that it was captured on.

    Parameters
    ----------
    cupy : module
    malloc : callable
        An allocator of CuPy, for the workspaces.
    """

    def __init__(self, cupy: Any, malloc: Callable[[int], Any]) -> None:
        self._cupy, self._library = cupy, library()
        self._malloc = malloc  # not that of a graph, whose memory the handles outlive
        self._handles: dict[tuple[int, int], c_void_p] = {}
        self._given: dict[tuple[int, int], Any] = {}  # the workspace that each handle has now
        self._workspaces: Workspaces = {}
        self._of_the_graph: Workspaces | None = None  # that is captured
        self._lock = threading.Lock()
        for name, arguments in _ARGUMENTS.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, c_int

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise BackendError(f"{name} failed: {STATUS.get(status, f'status {status}')}")

    def prepare(self) -> None:
        """Make the handle of the current stream: in some modes it cannot be made while the stream is recorded."""
        with self._lock:
            self._handle(self._here())

    def _here(self) -> tuple[int, int]:
        """The current GPU and stream."""
        return self._cupy.cuda.Device().id, self._cupy.cuda.get_current_stream().ptr

    def _handle(self, here: tuple[int, int]) -> c_void_p:
        """The handle of the current GPU and stream."""
        if here not in self._handles:
            handle = c_void_p()
            self._call("cublasCreate_v2", ctypes.byref(handle))
            self._call("cublasSetStream_v2", handle, here[1])
            self._handles[here] = handle
        return self._handles[here]

    def _ready(self) -> c_void_p:
        """The handle of the current GPU and stream, with its workspace."""
        here = self._here()
        handle, workspaces = self._handle(here), self._workspaces
        if self._of_the_graph is not None and self._cupy.cuda.get_current_stream().is_capturing():
            workspaces = self._of_the_graph
        if here not in workspaces:
            workspaces[here] = self._malloc(WORKSPACE)
        if self._given.get(here) is not workspaces[here]:
            self._call("cublasSetWorkspace_v2", handle, workspaces[here].ptr, WORKSPACE)
            self._given[here] = workspaces[here]
        return handle

    def release(self) -> None:
        """Let go of the workspaces, except those of graphs; the next product on a stream makes another one."""
        with self._lock:
            self._workspaces.clear()
            self._given.clear()

    @contextmanager
    def captured(self) -> Iterator[Workspaces]:
        """While a graph is captured: the workspaces that it needs for as long as it is replayed."""
        workspaces: Workspaces = {}
        with self._lock:
            self._of_the_graph = workspaces
        try:
            yield workspaces
        finally:
            with self._lock:
                self._of_the_graph = None
                for here in workspaces:  # the handle gets another one before its next product
                    self._given.pop(here, None)

    def close(self) -> None:
        """Give back the handles and their memory."""
        with self._lock:
            while self._handles:
                self._call("cublasDestroy_v2", self._handles.popitem()[1])
            self._given.clear()
            self._workspaces.clear()

    def gemm(self, a: Any, b: Any, out: Any, tf32: bool = False) -> None:
        """``out = a @ b`` for stacks of matrices ``(..., M, K)`` and ``(..., K, N)``, on the current stream.

        Parameters
        ----------
        a, b : array
            Their leading axes broadcast to those of ``out``. Transposed views are read as they lie.
        out : array (..., M, N)
            Its rows are contiguous.
        tf32 : bool, default False
            Whether float32 factors may be rounded to TF32.
        """
        if {a.dtype, b.dtype, out.dtype} - {
            np.dtype(np.float32),
            np.dtype(np.float64),
        } or not a.dtype == b.dtype == out.dtype:
            raise DTypeError(f"matmul: expected float32 or float64, one of them; got {a.dtype}, {b.dtype}, {out.dtype}")
        (m, k), n = a.shape[-2:], b.shape[-1]
        if b.shape[-2] != k or out.shape[-2:] != (m, n):
            raise ShapeError(
                f"matmul: (..., M, K) @ (..., K, N) = (..., M, N); got {a.shape} @ {b.shape} = {out.shape}"
            )
        if out.size == 0:
            return
        if k == 0:
            out.fill(0)
            return
        a, rows = _lying(self._cupy, a)
        b, columns = _lying(self._cupy, b)
        result = lines((m, n), _steps(out)[-2:])
        if result is None or result.transposed:
            raise ShapeError(f"matmul: the rows of the result must be contiguous; it has the strides {out.strides}")
        number = ctypes.c_double if out.dtype.itemsize == 8 else ctypes.c_float
        one, zero = number(1), number(0)
        kind, compute = TYPES[out.dtype.name], COMPUTE["tf32" if tf32 and out.dtype.itemsize == 4 else out.dtype.name]
        with self._lock:  # a handle is for one thread at a time
            handle = self._ready()
            for count, starts, distances in _stacks(out.shape[:-2], a, b, out):
                self._call(
                    "cublasGemmStridedBatchedEx", handle, int(columns.transposed), int(rows.transposed), n, m, k,
                    ctypes.addressof(one), starts[1], kind, columns.leading, distances[1],
                    starts[0], kind, rows.leading, distances[0],
                    ctypes.addressof(zero), starts[2], kind, result.leading, distances[2],
                    count, compute, -1,
                )  # fmt: skip


def _steps(x: Any) -> tuple[int, ...]:
    """Strides in elements."""
    return tuple(stride // x.itemsize for stride in x.strides)


def _lying(cupy: Any, x: Any) -> tuple[Any, Lines]:
    """A factor and how its matrices lie; copied if they have gaps both ways."""
    found = lines(x.shape[-2:], _steps(x)[-2:])
    return (x, found) if found is not None else (cupy.ascontiguousarray(x), Lines(False, x.shape[-1]))


def _stacks(batch: tuple[int, ...], *arrays: Any) -> Iterator[tuple[int, list[int], list[int]]]:
    """Cut stacks into such whose matrices lie at equal distances: how many, first addresses, distances in elements.

    Axes along which all arrays go on as one are taken together; for those before the last that remain, there is a
    call for each index.
    """
    steps = [((0,) * (len(batch) - x.ndim + 2) + _steps(x)[:-2]) for x in arrays]
    sizes = [(1,) * (len(batch) - x.ndim + 2) + x.shape[:-2] for x in arrays]
    steps = [
        tuple(0 if size == 1 else step for size, step in zip(*pair, strict=True))
        for pair in zip(sizes, steps, strict=True)
    ]
    merged: list[tuple[int, list[int]]] = []
    for axis, count in enumerate(batch):
        if count == 1:
            continue
        here = [step[axis] for step in steps]
        if merged and all(before == count * now for before, now in zip(merged[-1][1], here, strict=True)):
            merged[-1] = merged[-1][0] * count, here
        else:
            merged.append((count, here))
    *outer, (count, distances) = merged or [(1, [0] * len(arrays))]
    for index in np.ndindex(*(size for size, _ in outer)):
        starts = [
            x.data.ptr + x.itemsize * sum(i * step[which] for i, (_, step) in zip(index, outer, strict=True))
            for which, x in enumerate(arrays)
        ]
        yield count, starts, distances
