"""A cuBLAS for ctypes: column by column, on addresses; refuses what cuBLAS refuses, and rounds as it is asked to."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .memory import Block, MemoryPointer
from .state import StandInError
from .streams import Stream, current_stream, perform

SUCCESS, NOT_INITIALIZED, INVALID_VALUE, NOT_SUPPORTED = 0, 1, 7, 15
TYPES = {0: np.dtype("f4"), 1: np.dtype("f8"), 2: np.dtype("f2")}  # cudaDataType_t
FP16, FP32, FP64, TF32 = 64, 68, 70, 77  # cublasComputeType_t
SCALARS = {FP16: ctypes.c_uint16, FP32: ctypes.c_float, FP64: ctypes.c_double, TF32: ctypes.c_float}
FITS = {FP16: "e", FP32: "fe", FP64: "d", TF32: "f"}


def tf32(x: np.ndarray) -> np.ndarray:
    """Round float32 to TF32's 10 bits of fraction, to nearest, ties away from zero, as ``cvt.rna`` does."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    special = (bits & 0x7F800000) == 0x7F800000
    return np.where(special, bits, (bits + 0x1000) & 0xFFFFE000).astype(np.uint32).view(np.float32)


class Function:
    """What ``ctypes.CDLL`` gives: takes ``argtypes`` and ``restype``, and converts by them."""

    def __init__(self, name: str, function: Callable[..., int]) -> None:
        self._name, self._function = name, function
        self.argtypes: tuple[Any, ...] | None = None
        self.restype: Any = ctypes.c_int

    def __call__(self, *args: Any) -> int:
        if self.argtypes is None:
            raise StandInError(f"{self._name} is called without argtypes: ctypes would pass 64-bit values as int")
        if len(args) != len(self.argtypes):
            raise TypeError(f"{self._name} takes {len(self.argtypes)} arguments ({len(args)} given)")
        return self._function(*(_converted(kind, value) for kind, value in zip(self.argtypes, args, strict=True)))


def _converted(kind: Any, value: Any) -> Any:
    if kind is ctypes.c_void_p or issubclass(kind, ctypes._Pointer):
        return value  # an address, byref or None
    return getattr(kind(value), "value", value) if not isinstance(value, kind) else value.value


def _address(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, ctypes.c_void_p):
        return value.value or 0
    if hasattr(value, "_obj"):  # byref
        return ctypes.addressof(value._obj)
    return int(value)


class Library:
    """In place of ``ctypes.CDLL("libcublas.so")``."""

    def __init__(self) -> None:
        self._handles: dict[int, Stream | None] = {}
        self._workspaces: dict[int, Block | None] = {}  # by handle
        for name, function in (
            ("cublasCreate_v2", self._create),
            ("cublasDestroy_v2", self._destroy),
            ("cublasSetStream_v2", self._set_stream),
            ("cublasSetWorkspace_v2", self._set_workspace),
            ("cublasGemmStridedBatchedEx", self._gemm),
        ):
            setattr(self, name, Function(name, function))

    def _create(self, handle: Any) -> int:
        number = 0x1000 + len(self._handles)
        ctypes.c_void_p.from_address(_address(handle)).value = number
        self._handles[number] = None
        return SUCCESS

    def _destroy(self, handle: Any) -> int:
        return SUCCESS if self._handles.pop(_address(handle), 0) != 0 else NOT_INITIALIZED

    def _set_stream(self, handle: Any, stream: Any) -> int:
        if _address(handle) not in self._handles:
            return NOT_INITIALIZED
        if _address(stream) != current_stream().ptr:
            raise StandInError("cublasSetStream: not the current stream")
        self._handles[_address(handle)] = current_stream()
        return SUCCESS

    def _set_workspace(self, handle: Any, workspace: Any, size: int) -> int:
        if _address(workspace) % 256:
            return INVALID_VALUE
        self._workspaces[_address(handle)] = MemoryPointer.block_at(_address(workspace))
        return SUCCESS

    def _gemm(self, handle: Any, ta: int, tb: int, m: int, n: int, k: int, alpha: Any, *rest: Any) -> int:
        """C = alpha op(A) op(B) + beta C, for each of a stack; matrices lie column by column."""
        left, right, beta, result = Stack(*rest[:4]), Stack(*rest[4:8]), rest[8], Stack(*rest[9:13])
        count, compute, _ = rest[13:]
        if _address(handle) not in self._handles:
            return NOT_INITIALIZED
        a_shape, b_shape = ((k, m) if ta else (m, k)), ((n, k) if tb else (k, n))
        wanted = ((left, a_shape[0]), (right, b_shape[0]), (result, m))
        if min(m, n, k, count) < 0 or any(stack.leading < max(1, rows) for stack, rows in wanted):
            return INVALID_VALUE
        if any(TYPES.get(stack.type, np.dtype("i1")).char not in FITS.get(compute, "") for stack, _ in wanted):
            return NOT_SUPPORTED
        if count > 1 and result.stride < result.leading * (n - 1) + m:
            raise StandInError(f"cublasGemmStridedBatchedEx: the results overlap, with stride {result.stride}")
        if not (m and n and count):
            return SUCCESS
        a, b, c = left.matrices(a_shape, count), right.matrices(b_shape, count), result.matrices((m, n), count)
        first, second = (SCALARS[compute].from_address(_address(x)).value for x in (alpha, beta))
        found = [MemoryPointer.block_at(_address(stack.address)) for stack in (left, right, result)]
        blocks = [block for block in (*found, self._workspaces.get(_address(handle))) if block is not None]
        checks = [block.guards("cublasGemmStridedBatchedEx") for block in blocks]

        def work() -> None:
            x, y = (a.swapaxes(1, 2) if ta else a), (b.swapaxes(1, 2) if tb else b)
            if compute == TF32:
                x, y = tf32(x), tf32(y)
            with np.errstate(all="ignore"):
                product = first * np.matmul(x, y)
                c[...] = product + second * c if second else product
            for check in checks:
                check()

        perform(work, blocks, "library calls", self._handles[_address(handle)])
        return SUCCESS


class Stack(NamedTuple):
    """Matrices at equal distances in a device's memory."""

    address: Any
    type: int
    leading: int
    stride: int

    def matrices(self, shape: tuple[int, int], count: int) -> np.ndarray:
        """(count, rows, columns)."""
        rows, columns = shape
        kind, start = TYPES[self.type], _address(self.address)
        elements = (count - 1) * self.stride + (columns - 1) * self.leading + rows if rows and columns else 0
        if not elements:
            return np.empty((count, *shape), kind)
        block = MemoryPointer.block_at(start)
        if block is None or start + elements * kind.itemsize > block.ptr + block.in_use:
            raise StandInError(f"cuBLAS reads or writes {elements} elements of {kind} behind the end of an array")
        flat = np.frombuffer((ctypes.c_char * (elements * kind.itemsize)).from_address(start), kind)
        strides = tuple(kind.itemsize * s for s in (self.stride, 1, self.leading))
        return np.lib.stride_tricks.as_strided(flat, (count, *shape), strides)
