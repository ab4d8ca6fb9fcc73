"""Arrays that are made: empty, filled, or copied from the host; and what goes back."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import memory
from .array import checked_dtype, ndarray
from .calls import blocks_of, call, like, unwrapped
from .streams import copied_from_host, current_device, perform


def _filled(new: ndarray, value: Any) -> ndarray:
    new.fill(value)
    return new


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Rubbish, which here is NaN (-1 for whole numbers)."""
    return ndarray(shape, dtype, order=order)


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(ndarray(shape, dtype, order=order), 0)


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(ndarray(shape, dtype, order=order), 1)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    kind = np.asarray(fill_value).dtype if dtype is None and not isinstance(fill_value, ndarray) else dtype
    return _filled(ndarray(shape, kind or fill_value.dtype, order=order), fill_value)


def empty_like(
    prototype: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    if subok is not None:
        raise TypeError("subok is not supported yet")
    if not isinstance(prototype, ndarray):
        raise TypeError(f"a device array is needed; got {type(prototype)}")
    kind = checked_dtype(prototype.dtype if dtype is None else dtype)
    same_rank = shape is None or (np.ndim(shape) == 1 and len(shape) == prototype.ndim)
    if order in "KA" and same_rank and not prototype.flags.c_contiguous:
        axes = sorted(range(prototype.ndim), key=lambda axis: -abs(prototype.strides[axis]))
        sizes = prototype.shape if shape is None else tuple(shape)
        model = np.empty(tuple(sizes[axis] for axis in axes), kind).transpose(np.argsort(axes))
        return like(model, "K")
    return ndarray(prototype.shape if shape is None else shape, kind, order="F" if order == "F" else "C")


def zeros_like(a: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return _filled(empty_like(a, dtype, order, subok, shape), 0)


def ones_like(a: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return _filled(empty_like(a, dtype, order, subok, shape), 1)


def full_like(
    a: ndarray, fill_value: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    return _filled(empty_like(a, dtype, order, subok, shape), fill_value)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    values = np.arange(start, step=step, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype)
    return _made(values)


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: Any = False, dtype: Any = None, axis: int = 0
) -> Any:
    if retstep:
        values, step = np.linspace(start, stop, num, endpoint, True, dtype, axis)
        return _made(values), step
    return _made(np.linspace(start, stop, num, endpoint, False, dtype, axis))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: str = "C") -> ndarray:
    return _made(np.eye(N, M, k, dtype))


def identity(n: int, dtype: Any = float) -> ndarray:
    return _made(np.eye(n, dtype=dtype))


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> ndarray:
    return _made(np.tri(N, M, k, dtype))


def _made(values: np.ndarray) -> ndarray:
    """Numbers that a kernel makes: no copy from the host."""
    new = ndarray(values.shape, values.dtype)
    to = new._a
    perform(lambda: np.copyto(to, values), blocks_of(new), "library calls")
    return new


def array(
    obj: Any,
    dtype: Any = None,
    copy: Any = True,
    order: str | None = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> ndarray:
    if subok:
        raise NotImplementedError
    order = order or "K"
    if isinstance(obj, ndarray):
        kind = obj.dtype if dtype is None else np.dtype(dtype)
        laid_out = order in "KA" or (obj.flags.c_contiguous if order == "C" else obj.flags.f_contiguous)
        if obj.data.device_id != current_device():
            obj = obj.copy(order)
            copy = False
        result = obj if not copy and obj.dtype == kind and laid_out else obj.astype(kind, order)
        return result.reshape((1,) * (ndmin - result.ndim) + result.shape) if result.ndim < ndmin else result
    if isinstance(obj, (list, tuple)) and _has_device_arrays(obj):
        owners: list[ndarray] = []
        values = np.asarray(unwrapped(obj, owners, "array"), dtype)
        return call("array", lambda *_: values, tuple(owners))
    if order in "KA":  # the host's order is kept if it is one of the two
        order = "F" if isinstance(obj, np.ndarray) and obj.flags.fnc else "C"
    host = np.array(obj, dtype, order=order, ndmin=ndmin)  # type: ignore[call-overload]
    checked_dtype(host.dtype)
    if host.ndim == 0:  # an argument of a kernel; nothing is copied
        return _made(host)
    if copy is False:
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    new = ndarray(host.shape, host.dtype, order=order)
    copied_from_host(new._a, host, new.data.mem.block)
    return new


def _has_device_arrays(x: Any) -> bool:
    return any(isinstance(v, ndarray) or (isinstance(v, (list, tuple)) and _has_device_arrays(v)) for v in x)


def asarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: Any = None, blocking: bool = False
) -> ndarray:
    return array(a, dtype, copy, order, blocking=blocking)


def asanyarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: Any = None, blocking: bool = False
) -> ndarray:
    return array(a, dtype, copy, order, blocking=blocking)


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    if isinstance(a, ndarray):
        kind = a.dtype if dtype is None else np.dtype(dtype)
        one = a if a.ndim else a.reshape(1)
        return one if one.dtype == kind and one.flags.c_contiguous else one.astype(kind, "C")
    return array(a, dtype, order="C", ndmin=1)


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    return np.asarray(a, order=order)  # type: ignore[call-overload,no-any-return]


def get_array_module(*args: Any) -> Any:
    from .package import cupy

    return cupy if any(isinstance(a, ndarray) for a in args) else np


def frombuffer(*args: Any, **kwargs: Any) -> ndarray:
    return array(np.frombuffer(*args, **kwargs))


# ---- cupyx: pinned memory of the host
def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    count = int(np.prod(sizes, dtype=np.int64))
    block = memory.alloc_pinned_memory(count * np.dtype(dtype).itemsize)
    return np.frombuffer(block, dtype, count).reshape(sizes, order=order)  # type: ignore[call-overload,no-any-return]


def zeros_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
    out = empty_pinned(shape, dtype, order)
    out[...] = 0
    return out


def empty_like_pinned(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> np.ndarray:
    return empty_pinned(a.shape if shape is None else shape, a.dtype if dtype is None else dtype)


def zeros_like_pinned(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> np.ndarray:
    return zeros_pinned(a.shape if shape is None else shape, a.dtype if dtype is None else dtype)
