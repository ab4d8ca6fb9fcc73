"""A function of NumPy on device arrays: what comes in is unwrapped, what comes out is in the memory of the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .array import ndarray
from .memory import Block
from .streams import check_device, current_stream, host_waits, perform


def blocks_of(*arrays: Any) -> list[Block]:
    return [array.data.mem.block for array in arrays if isinstance(array, ndarray)]


def view_of(owner: ndarray, view: np.ndarray) -> ndarray:
    """The same memory, seen another way."""
    result = ndarray.__new__(ndarray)
    result._a = view
    result.data = owner.data + (view.ctypes.data - owner._a.ctypes.data if view.size else 0)
    result.base = owner if owner.base is None else owner.base
    return result


def unwrapped(x: Any, owners: list[ndarray], what: str, mixed: bool = False, anywhere: bool = False) -> Any:
    """The NumPy arrays behind device arrays; NumPy arrays themselves are refused, but for indices (``mixed``).

    ``anywhere``: on other devices than the current one too.
    """
    if isinstance(x, ndarray):
        if not anywhere:
            check_device(x.data.device_id)
        owners.append(x)
        return x._a
    if isinstance(x, np.ndarray) and not mixed:
        raise TypeError(f"Unsupported type {type(x)} (in cupy.{what})")
    if isinstance(x, (tuple, list)):
        return type(x)(unwrapped(v, owners, what, mixed, anywhere) for v in x)
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
    a, k = unwrapped(args, owners, what, mixed, True), unwrapped_dict(kwargs, owners, what)
    stream = current_stream()
    if stream.is_capturing() and what.removeprefix("ndarray.").startswith(CUBLAS):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if waits:
        for owner in owners:
            check_device(owner.data.device_id)
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
    if not new:  # views can be taken of arrays on any device
        return wrapped
    for owner in owners:
        check_device(owner.data.device_id)
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
