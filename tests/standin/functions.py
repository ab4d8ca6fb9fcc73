"""CuPy's functions: NumPy computes, what the real signature does not take is refused, and some need care."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import spec
from .array import ndarray
from .calls import blocks_of, call, unwrapped
from .streams import perform

# the host waits: the shape of the result, or an error, depends on the numbers
WAITS = {
    "argwhere", "bincount", "extract", "flatnonzero", "histogram", "isin", "nonzero", "setdiff1d", "trim_zeros",
    "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values", "linalg.matrix_rank",
}  # fmt: skip
# plain answers about arrays: no kernel runs
PLAIN = {
    "can_cast",
    "iscomplexobj",
    "isrealobj",
    "may_share_memory",
    "ndim",
    "result_type",
    "shape",
    "shares_memory",
    "size",
}
IN_PLACE = {"fill_diagonal", "place", "put", "putmask"}
KEEP_ORDER = {"copy", "require"}


def function(path: str, real: Callable[..., Any], numpys: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function under the real one's signature."""
    special = SPECIAL.get(path)

    def computed(*args: Any, **kwargs: Any) -> Any:
        spec.check_call(path, real, args, kwargs)
        if special is not None:
            return special(*args, **kwargs)
        if path in IN_PLACE:
            return in_place(path, numpys, args, kwargs)
        if path in PLAIN:
            owners: list[ndarray] = []
            return numpys(*(unwrapped(x, owners, path) for x in args), **kwargs)
        if kwargs.get("out", 0) is None:
            kwargs.pop("out")
        return call(path, numpys, args, kwargs, order="K" if path in KEEP_ORDER else "C", waits=path in WAITS)

    computed.__name__, computed.__qualname__ = real.__name__, path
    computed.__module__, computed.__doc__ = real.__module__, real.__doc__
    signature = spec.signature(real)
    if signature is not None:
        computed.__signature__ = signature  # type: ignore[attr-defined]
    return computed


def in_place(what: str, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A function that changes its first argument."""
    owners: list[ndarray] = []
    values = [unwrapped(x, owners, what) for x in args]
    named = {name: unwrapped(x, owners, what) for name, x in kwargs.items()}
    perform(lambda: work(*values, **named), blocks_of(*owners), "library calls")


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return call("where", np.where, (condition,), waits=True)
    return call("where", np.where, (condition, x, y))


def take(a: Any, indices: Any, axis: int | None = None, out: Any = None) -> Any:
    return a.take(indices, axis, out)


def take_along_axis(a: ndarray, indices: Any, axis: int | None) -> Any:
    def take(x: np.ndarray, i: np.ndarray) -> np.ndarray:
        length = x.size if axis is None else x.shape[axis]
        return np.take_along_axis(x, i % length if length else i, axis)

    return call("take_along_axis", take, (a, indices))


def put_along_axis(arr: ndarray, indices: Any, values: Any, axis: int | None) -> None:
    def put(x: np.ndarray, i: np.ndarray, v: Any) -> None:
        length = x.size if axis is None else x.shape[axis]
        np.put_along_axis(x, i % length if length else i, v, axis)

    in_place("put_along_axis", put, (arr, indices, values), {})


def copyto(dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    if isinstance(src, np.ndarray) and src.ndim:
        raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
    if not isinstance(dst, ndarray):
        raise AttributeError("'memoryview' object has no attribute 'copy_from_async'")
    if not np.can_cast(src.dtype if isinstance(src, (ndarray, np.generic)) else np.asarray(src), dst.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(f"Cannot cast {src.dtype} to {dst.dtype} in {casting} casting mode")
    if where is None:
        in_place("copyto", lambda d, s: np.copyto(d, s, casting="unsafe"), (dst, src), {})
    else:
        in_place("copyto", lambda d, s, w: np.copyto(d, s, "unsafe", where=w), (dst, src, where), {})


def sort(a: ndarray, axis: int | None = -1, kind: Any = None) -> Any:
    return call("sort", lambda x: np.sort(x, axis, kind="stable"), (a,))


def repeat(a: ndarray, repeats: Any, axis: int | None = None) -> Any:
    if isinstance(repeats, ndarray):
        raise TypeError("repeat() of a device array needs the counts on the host: an int or a list")
    return call("repeat", lambda x: np.repeat(x, repeats, axis), (a,))


def clip(a: ndarray, a_min: Any, a_max: Any, out: Any = None) -> Any:
    return call("clip", np.clip, (a, a_min, a_max), {} if out is None else {"out": out})


def concatenate(
    tup: Any, axis: int | None = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    parts = tuple(tup)
    if not parts:
        raise ValueError("need at least one array to concatenate")
    kwargs = {} if out is None else {"out": out}
    return call("concatenate", lambda x: np.concatenate(x, axis, dtype=dtype, casting=casting), (parts,), kwargs)  # type: ignore[call-overload]


def broadcast_to(array: ndarray, shape: Any) -> Any:
    """A view whose repeated axes have the stride 0; written to, CuPy writes."""
    return call("broadcast_to", np.broadcast_to, (array, shape))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    return call("array_equal", np.array_equal, (a1, a2, equal_nan))


SPECIAL: dict[str, Callable[..., Any]] = {
    "array_equal": array_equal,
    "clip": clip,
    "concatenate": concatenate,
    "copyto": copyto,
    "put_along_axis": put_along_axis,
    "repeat": repeat,
    "sort": sort,
    "take": take,
    "take_along_axis": take_along_axis,
    "where": where,
}
