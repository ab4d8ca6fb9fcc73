"""The real CuPy, installed but without a GPU: it imports there, and says which names exist and what calls fit."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

PACKAGES = ("cupy", "cupyx", "cupy_backends")
VERSION = "14.2"
_taken_out: list[dict[str, ModuleType]] = []


def _loaded() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES}


@cache
def real() -> ModuleType:
    """The real package; raises ImportError where it is not installed."""
    import cupy
    import cupyx  # noqa: F401 - of which cupy itself does not import all

    return cupy


@cache
def real_cupyx() -> ModuleType:
    import cupyx

    return cupyx


def take_out() -> None:
    """Take the real package out of sys.modules, so that another can be there."""
    real(), real_cupyx()
    _taken_out.append(_loaded())
    for name in _taken_out[-1]:
        del sys.modules[name]


def put_back() -> None:
    """Undo `take_out`, whatever is there by now."""
    for name in _loaded():
        del sys.modules[name]
    sys.modules.update(_taken_out.pop())


def lookup(path: str, root: ModuleType | None = None) -> Any:
    """The real object at a dotted path; AttributeError as the real package raises it."""
    found: Any = root or real()
    for name in path.split("."):
        found = getattr(found, name)
    return found


@cache
def signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """The real signature; None where it is compiled and cannot be read."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def check_call(name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse a call that the real function would not take."""
    expected = signature(function)
    if expected is not None:
        try:
            expected.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"cupy.{name}{expected}: {error}") from None


def cuda_error(status: int) -> Exception:
    """``cupy.cuda.runtime.CUDARuntimeError`` with NVIDIA's text."""
    error: Exception = real().cuda.runtime.CUDARuntimeError(status)
    return error


# statuses of the runtime
INVALID_VALUE, OUT_OF_MEMORY, INVALID_DEVICE, ILLEGAL_ADDRESS = 1, 2, 101, 700
CAPTURE_UNSUPPORTED, CAPTURE_INVALIDATED, CAPTURE_UNJOINED, CAPTURE_IMPLICIT = 900, 901, 904, 906
