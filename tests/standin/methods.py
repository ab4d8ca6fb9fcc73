"""Methods of ``cupy.ndarray``. They are compiled in CuPy and tell no signature, so a table says what they take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from . import spec
from .array import checked_dtype, ndarray
from .calls import call, view_of
from .state import NotModelled
from .streams import current_device

# as in CuPy 14.2; test_methods.py calls the real ones with these arguments
SIGNATURES = {
    "all": "axis=None, out=None, keepdims=False",
    "any": "axis=None, out=None, keepdims=False",
    "argmax": "axis=None, out=None, dtype=None, keepdims=False",
    "argmin": "axis=None, out=None, dtype=None, keepdims=False",
    "argpartition": "kth, axis=-1",
    "argsort": "axis=-1, kind=None",
    "astype": "dtype, order='K', casting=None, subok=None, copy=True",
    "clip": "min=None, max=None, out=None",
    "conj": "",
    "copy": "order='C'",
    "cumprod": "axis=None, dtype=None, out=None",
    "cumsum": "axis=None, dtype=None, out=None",
    "diagonal": "offset=0, axis1=0, axis2=1",
    "dot": "b, out=None",
    "flatten": "order='C'",
    "max": "axis=None, out=None, keepdims=False",
    "mean": "axis=None, dtype=None, out=None, keepdims=False",
    "min": "axis=None, out=None, keepdims=False",
    "nonzero": "",
    "prod": "axis=None, dtype=None, out=None, keepdims=None",
    "ptp": "axis=None, out=None, keepdims=False",
    "ravel": "order='C'",
    "repeat": "repeats, axis=None",
    "reshape": "*shape, order='C'",
    "round": "decimals=0, out=None",
    "scatter_add": "slices, value",
    "searchsorted": "v, side='left', sorter=None",
    "sort": "axis=-1, kind=None",
    "squeeze": "axis=None",
    "std": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "sum": "axis=None, dtype=None, out=None, keepdims=False",
    "swapaxes": "axis1, axis2",
    "take": "indices, axis=None, out=None",
    "trace": "offset=0, axis1=0, axis2=1, dtype=None, out=None",
    "transpose": "*axes",
    "var": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "view": "dtype=None, type=None",
}
POSITIONAL = ("reshape", "swapaxes", "transpose")
WAITS = ("nonzero",)


@cache
def signature(name: str) -> inspect.Signature:
    scope: dict[str, Any] = {}
    exec(f"def f({SIGNATURES[name]}): pass", scope)
    return inspect.signature(scope["f"])


def method(x: ndarray, name: str) -> Callable[..., Any]:
    """The bound method; AttributeError where the real array has none."""
    if not hasattr(spec.real().ndarray, name):
        raise AttributeError(f"'ndarray' object has no attribute {name!r}")
    if name not in SIGNATURES:
        raise NotModelled(f"cupy.ndarray.{name} is not modelled by the stand-in; add it to tests/standin/methods.py")

    def bound(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature(name).bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"cupy.ndarray.{name}{signature(name)}: {error}") from None
        return _SPECIAL[name](x, **given) if name in _SPECIAL else _plain(x, name, args, kwargs, given)

    bound.__name__ = name
    return bound


def _plain(x: ndarray, name: str, args: Any, kwargs: Any, given: dict[str, Any]) -> Any:
    """As NumPy's method of the same name."""
    if name in POSITIONAL:
        return call(f"ndarray.{name}", getattr(np.ndarray, name), (x, *args), kwargs)
    if name == "prod" and given.get("keepdims") is None:
        given.pop("keepdims", None)
    return call(f"ndarray.{name}", lambda a, **k: getattr(a, name)(**k), (x,), given, waits=name in WAITS)


def _astype(x: ndarray, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True) -> Any:
    kind = checked_dtype(dtype)
    if not copy and kind == x.dtype and (order in "KA" or x.flags.c_contiguous):
        return x
    if casting is not None and not np.can_cast(x.dtype, kind, casting):
        raise TypeError(f"Cannot cast array data from {x.dtype!r} to {kind!r} according to the rule {casting!r}")
    return call("ndarray.astype", lambda a: a.astype(kind, order), (x,), order="K" if order in "KA" else order)


def _copy(x: ndarray, order: str = "C") -> Any:
    """From another device too: the one thing that may be done with an array of another."""
    if x.data.device_id != current_device():
        with x.device:
            source = _astype(x, x.dtype, order, copy=False)
        new = ndarray(source.shape, source.dtype)
        new.data.copy_from_device_async(source.data, source.nbytes)
        return new
    return call("ndarray.copy", lambda a: a.copy(order), (x,), order="K" if order in "KAF" else "C")


def _view(x: ndarray, dtype: Any = None, type: Any = None) -> Any:
    return view_of(x, x._a.view() if dtype is None else x._a.view(checked_dtype(dtype)))


def _sort(x: ndarray, axis: int = -1, kind: Any = None) -> None:
    call("ndarray.sort", lambda a: np.sort(a, axis, kind="stable"), (x,), {"out": x})


def _take(x: ndarray, indices: Any, axis: int | None = None, out: Any = None) -> Any:
    """Indices wrap round: CuPy has no bounds to check."""
    return call(
        "ndarray.take",
        lambda a, i, out=None: np.take(a, i, axis, mode="wrap"),
        (x, indices),
        {"out": out} if out is not None else {},
    )


def _scatter_add(x: ndarray, slices: Any, value: Any) -> None:
    from .indexing import scatter_add

    scatter_add(x, slices, value)


def _squeeze(x: ndarray, axis: Any = None) -> Any:
    return view_of(x, x._a.squeeze(axis))


def _flatten(x: ndarray, order: str = "C") -> Any:
    return call("ndarray.flatten", lambda a: a.flatten(order), (x,))


_SPECIAL: dict[str, Callable[..., Any]] = {
    "astype": _astype,
    "copy": _copy,
    "flatten": _flatten,
    "scatter_add": _scatter_add,
    "sort": _sort,
    "squeeze": _squeeze,
    "take": _take,
    "view": _view,
}
