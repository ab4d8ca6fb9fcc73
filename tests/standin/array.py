"""``cupy.ndarray``: an array in a device's memory. NumPy computes; what a GPU would refuse is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .memory import Block, MemoryPointer, alloc
from .state import NotModelled
from .streams import Device, check_device, current_stream, host_waits, perform

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
        return call("real", np.real, (self,))

    @property
    def imag(self) -> ndarray:
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
        from .indexing import prepared

        return call("ndarray.__getitem__", lambda a, k: a[prepared(a, k)], (self, key), {}, mixed=True)

    def __setitem__(self, key: Any, value: Any) -> None:
        from .indexing import assign

        assign(self, key, value)

    # ---- the rest: by name ------------------------------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        from .methods import method

        if name.startswith("__"):
            raise AttributeError(f"'ndarray' object has no attribute {name!r}")
        return method(self, name)


def blocks_of(*arrays: Any) -> list[Block]:
    return [array.data.mem.block for array in arrays if isinstance(array, ndarray)]


def view_of(owner: ndarray, view: np.ndarray) -> ndarray:
    """The same memory, seen another way."""
    result = ndarray.__new__(ndarray)
    result._a = view
    result.data = owner.data + (view.ctypes.data - owner._a.ctypes.data if view.size else 0)
    result.base = owner if owner.base is None else owner.base
    return result


def unwrapped(x: Any, owners: list[ndarray], what: str, mixed: bool = False) -> Any:
    """The NumPy arrays behind device arrays; NumPy arrays themselves are refused, but for indices (``mixed``)."""
    if isinstance(x, ndarray):
        check_device(x.data.device_id)
        owners.append(x)
        return x._a
    if isinstance(x, np.ndarray) and not mixed:
        raise TypeError(f"Unsupported type {type(x)} (in cupy.{what})")
    if isinstance(x, (tuple, list)):
        return type(x)(unwrapped(v, owners, what, mixed) for v in x)
    return x


def _computed(result: Any, owners: list[ndarray], out: list[ndarray], order: str) -> Any:
    """Device arrays for what NumPy returned: views of what came in, or new ones."""
    if isinstance(result, tuple):
        parts = [_computed(part, owners, out, order) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if isinstance(result, list):
        return [_computed(part, owners, out, order) for part in result]
    if isinstance(result, (np.generic, bool)):
        result = np.asarray(result)
    if not isinstance(result, np.ndarray):
        return result
    for owner in owners:
        if result is owner._a:
            return owner
    for owner in owners:
        if result.size and np.may_share_memory(result, owner._a):
            return view_of(owner, result)
    new = like(result, order)
    out.append(new)
    return new


def like(result: np.ndarray, order: str) -> ndarray:
    """An array of that shape and type; ``"K"`` keeps the order of the axes in memory."""
    if order == "C" or result.flags.c_contiguous or not result.size:
        return ndarray(result.shape, result.dtype)
    axes = sorted(range(result.ndim), key=lambda axis: -abs(result.strides[axis]))
    new = ndarray(tuple(result.shape[axis] for axis in axes), result.dtype)
    back = np.argsort(axes)
    return view_of(new, new._a.transpose(back)) if axes != list(range(result.ndim)) else new


def _arrays(x: Any) -> list[np.ndarray]:
    if isinstance(x, (tuple, list)):
        return [array for part in x for array in _arrays(part)]
    return [np.asarray(x)] if isinstance(x, (np.ndarray, np.generic, bool)) else []


CUBLAS = ("matmul", "dot", "tensordot", "einsum", "inner", "vdot", "vecdot", "matvec", "vecmat", "linalg.")


def call(
    what: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    *,
    order: str = "C",
    mixed: bool = False,
    waits: bool = False,
) -> Any:
    """Compute a function of NumPy on device arrays, as one or more kernels of CuPy on the current stream.

    ``waits``: CuPy needs the numbers to know the shape of the result, and waits for them.
    """
    kwargs = dict(kwargs or {})
    owners: list[ndarray] = []
    out = kwargs.pop("out", None)
    a, k = unwrapped(args, owners, what, mixed), unwrapped_dict(kwargs, owners, what)
    stream = current_stream()
    if stream.is_capturing() and what.removeprefix("ndarray.").startswith(CUBLAS):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if waits:
        host_waits(what)
    with np.errstate(all="ignore"):
        result = function(*a, **k)
    new: list[ndarray] = []
    if out is None:
        wrapped = _computed(result, owners, new, order)
    else:
        wrapped = out
        given = out if isinstance(out, tuple) else (out,)
        unwrapped(given, owners, what)
        new = list(given)
        for to, value in zip(new, _arrays(result), strict=True):
            if to.shape != value.shape:
                raise ValueError(
                    f"non-broadcastable output operand with shape {to.shape} for {value.shape} (cupy.{what})"
                )
            if not np.can_cast(value.dtype, to.dtype, "same_kind"):
                raise TypeError(f"output (typecode {value.dtype.char!r}) could not be coerced to {to.dtype.char!r}")
    if not new:
        return wrapped
    targets, sources = [array._a for array in new], [owner._a for owner in owners]  # a graph keeps no array alive
    first = [_arrays(result)]  # what is computed already; a graph computes it anew

    def work() -> None:
        with np.errstate(all="ignore"):
            values = first.pop() if first else _arrays(function(*a, **k))
            values = [v for v in values if out is not None or not any(_shares(v, source) for source in sources)]
            for target, value in zip(targets, values, strict=True):
                np.copyto(target, value, casting="unsafe")

    if stream.is_capturing():
        first.clear()
    perform(work, blocks_of(*owners, *new), "library calls")
    return wrapped


def _shares(value: np.ndarray, owner: np.ndarray) -> bool:
    return value is owner or bool(value.size and np.may_share_memory(value, owner))


def unwrapped_dict(kwargs: dict[str, Any], owners: list[ndarray], what: str) -> dict[str, Any]:
    return {name: unwrapped(value, owners, what) for name, value in kwargs.items()}
