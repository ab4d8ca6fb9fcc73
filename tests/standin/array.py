"""``cupy.ndarray``: an array in a device's memory. NumPy computes; what a GPU would refuse is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .memory import MemoryPointer, alloc
from .state import NotModelled
from .streams import Device, host_waits, perform

IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
)


class Flags:
    """``ndarray.flags``: CuPy's know nothing of ``writeable``."""

    def __init__(self, array: np.ndarray, owner: bool) -> None:
        self.c_contiguous, self.f_contiguous = array.flags.c_contiguous, array.flags.f_contiguous
        self.owndata = owner

    @property
    def fnc(self) -> bool:
        return self.f_contiguous and not self.c_contiguous

    @property
    def forc(self) -> bool:
        return self.f_contiguous or self.c_contiguous

    def __getitem__(self, name: str) -> bool:
        names = {"C": "C_CONTIGUOUS", "F": "F_CONTIGUOUS", "O": "OWNDATA"}
        value: bool = getattr(self, names.get(name, name).lower())
        return value


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if kind.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {kind}")
    return kind


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """The real one's attributes, and no other."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    _a: np.ndarray
    data: MemoryPointer
    base: ndarray | None

    def __init__(
        self,
        shape: Any,
        dtype: Any = float,
        memptr: MemoryPointer | None = None,
        strides: tuple[int, ...] | None = None,
        order: str = "C",
    ) -> None:
        kind = checked_dtype(dtype)
        sizes = tuple(int(s) for s in shape) if isinstance(shape, (tuple, list)) else (int(shape),)
        if min(sizes, default=0) < 0:
            raise ValueError("Negative dimensions are not allowed")
        if strides is None:
            size = math.prod(sizes) * kind.itemsize
        else:
            size = kind.itemsize + sum((n - 1) * abs(s) for n, s in zip(sizes, strides, strict=True))
        self.data = alloc(size) if memptr is None else memptr
        buffer = self.data.view(size)
        if strides is None:
            self._a = buffer.view(kind).reshape(sizes, order="F" if order == "F" else "C")
        else:
            self._a = np.ndarray(sizes, kind, buffer.data, 0, strides)
        self.base = None

    # ---- what it is -------------------------------------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        return self._a.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._a = np.reshape(self._a, shape, copy=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._a.dtype

    @property
    def ndim(self) -> int:
        return self._a.ndim

    @property
    def size(self) -> int:
        return self._a.size

    @property
    def nbytes(self) -> int:
        return self._a.nbytes

    @property
    def itemsize(self) -> int:
        return self._a.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        return self._a.strides

    @property
    def flags(self) -> Flags:
        return Flags(self._a, self.base is None)

    @property
    def device(self) -> Device:
        return self.data.device

    @property
    def T(self) -> ndarray:
        return self.transpose()

    @property
    def mT(self) -> ndarray:
        return self.swapaxes(-1, -2)

    @property
    def real(self) -> ndarray:
        from .calls import call

        return call("real", np.real, (self,))

    @property
    def imag(self) -> ndarray:
        from .calls import call

        return call("imag", np.imag, (self,))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "descr": self.dtype.descr,
            "data": (self.data.ptr, False),
            "strides": None if self._a.flags.c_contiguous else self.strides,
            "stream": 1,
            "version": 3,
        }

    # ---- NumPy's protocols ------------------------------------------------------------------------------------------
    def __array__(self, dtype: Any = None) -> Any:
        raise TypeError(IMPLICIT)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from .package import cupy

        if "out" in kwargs:
            if len(kwargs["out"]) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            kwargs["out"] = kwargs["out"][0]
        try:
            function = getattr(cupy, ufunc.__name__)
        except NotModelled:
            raise
        except AttributeError:
            return NotImplemented
        if method == "__call__":
            return function(*inputs, **kwargs)
        return getattr(function, method)(*inputs, **kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        from .package import cupy

        try:
            function: Any = cupy
            for name in (*func.__module__.split(".")[1:], func.__name__):
                function = getattr(function, name)
        except NotModelled:
            raise
        except AttributeError:
            return NotImplemented
        if function is func or any(kind not in (ndarray, np.ndarray) for kind in types):
            return NotImplemented
        return function(*args, **kwargs)

    # ---- single numbers, and copies to the host: all of these wait --------------------------------------------------
    def get(self, stream: Any = None, order: str = "C", out: np.ndarray | None = None, blocking: bool = True) -> Any:
        if self.size:
            if stream is None or blocking:
                host_waits(".get()")
            result = out if out is not None else np.empty_like(self._a, order=order)  # type: ignore[call-overload]
            source = self._a
            perform(lambda: np.copyto(result, source), (self.data.mem.block,), "device to host", stream)
            return result
        return out if out is not None else np.empty(self.shape, self.dtype)

    def item(self, *args: Any) -> Any:
        if not args and self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item(*args)

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return bytes(self.get().tobytes(order))

    def __bool__(self) -> bool:
        if self.size > 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __reduce__(self) -> Any:
        from .host import array

        return array, (self.get(),)

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    def __copy__(self) -> ndarray:
        return self.copy()

    def set(self, arr: Any, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not self.flags.forc:
            raise RuntimeError("Cannot set to non-contiguous array")
        if stream is None:
            host_waits(".set()")
        to = self._a
        perform(lambda: np.copyto(to, arr), (self.data.mem.block,), "host to device", stream)

    def fill(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        if isinstance(value, ndarray):
            self[...] = value
        else:
            to = self._a
            perform(lambda: to.fill(value), (self.data.mem.block,), "library calls")

    # ---- indices ----------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Iterator[ndarray]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __getitem__(self, key: Any) -> ndarray:
        from .indexing import read

        return read(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from .indexing import assign

        assign(self, key, value)

    # ---- the rest: by name ------------------------------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        from .methods import method

        if name.startswith("__"):
            raise AttributeError(f"'ndarray' object has no attribute {name!r}")
        return method(self, name)
