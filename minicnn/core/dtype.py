"""Element types, and which type a mixed operation gives (PyTorch's promotion rules)."""

from __future__ import annotations

from typing import Any

import numpy as np
from minicnn_kernels.arrays import on_device

from .deferred import Deferred
from .errors import DTypeError


class dtype:  # noqa: N801 - PyTorch's name
    """An element type such as ``minicnn.float32``; compares equal to NumPy's."""

    __slots__ = ("name", "numpy")

    def __init__(self, name: str) -> None:
        self.name = name
        self.numpy = np.dtype(name)

    @property
    def is_floating_point(self) -> bool:
        return self.numpy.kind == "f"

    @property
    def itemsize(self) -> int:
        return self.numpy.itemsize

    def __repr__(self) -> str:
        return f"minicnn.{self.name}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, dtype):
            return self is other
        try:
            return self.numpy == np.dtype(other)  # type: ignore[call-overload]
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.numpy)

    def __reduce__(self) -> str:
        return self.name


bool_ = dtype("bool")
uint8 = dtype("uint8")
int8 = dtype("int8")
int16 = dtype("int16")
int32 = dtype("int32")
int64 = dtype("int64")
float16 = dtype("float16")
float32 = dtype("float32")
float64 = dtype("float64")

ALL = (bool_, uint8, int8, int16, int32, int64, float16, float32, float64)
_BY_NUMPY = {t.numpy: t for t in ALL}
_PYTHON = {bool: bool_, int: int64}
_default = float32


def get_default_dtype() -> dtype:
    """The type that Python floats become: ``float32`` unless changed.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.get_default_dtype()
    minicnn.float32
    """
    return _default


def set_default_dtype(d: Any) -> None:
    """Make Python floats become ``d``, a floating type.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.set_default_dtype(minicnn.float64)
    >>> minicnn.tensor(1.5).dtype
    minicnn.float64
    >>> minicnn.set_default_dtype(minicnn.float32)
    """
    global _default
    chosen = as_dtype(d)
    if not chosen.is_floating_point:
        raise DTypeError(f"set_default_dtype: expected a floating type; got {chosen}")
    _default = chosen


def as_dtype(value: Any) -> dtype:
    """The :class:`dtype` for one of ours, a NumPy type, or Python's bool, int, float."""
    if isinstance(value, dtype):
        return value
    if value is float:
        return _default
    if isinstance(value, type) and value in _PYTHON:
        return _PYTHON[value]
    try:
        return _BY_NUMPY[np.dtype(value)]
    except (TypeError, KeyError):
        names = ", ".join(t.name for t in ALL)
        raise DTypeError(f"expected an element type, one of {names}; got {value!r}") from None


def _category(kind: str) -> int:
    return {"b": 0, "u": 1, "i": 1, "f": 2}[kind]


def promote(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Common type of two dimensioned operands: float beats int beats bool, then the wider.

    Unlike NumPy, ``int64`` with ``float32`` stays ``float32``.

    Examples
    --------
    >>> promote(np.dtype("int64"), np.dtype("float32"))
    dtype('float32')
    """
    if a == b:
        return a
    high, low = (a, b) if _category(a.kind) >= _category(b.kind) else (b, a)
    return high if _category(high.kind) > _category(low.kind) else np.promote_types(a, b)


def result_dtype(*operands: Any) -> np.dtype[Any]:
    """Type of an operation on arrays and Python numbers.

    Arrays with dimensions decide; 0-d arrays, and then Python numbers, count
    only when they are of a higher category (bool < int < float) than what
    came before.
    """
    ranks: list[np.dtype[Any] | None] = [None, None, None]  # dimensioned, 0-d, Python numbers
    for operand in operands:
        if isinstance(operand, (np.ndarray, Deferred)) or on_device(operand):
            rank, kind = (0 if operand.ndim else 1), operand.dtype
        else:
            rank, kind = 2, number_dtype(operand)
        known = ranks[rank]
        ranks[rank] = kind if known is None else promote(known, kind)
    result: np.dtype[Any] | None = None
    for kind in ranks:
        if kind is not None and (result is None or _category(kind.kind) > _category(result.kind)):
            result = kind
    if result is None:
        raise DTypeError("result_dtype: expected at least one operand; got none")
    return result


def number_dtype(value: Any) -> np.dtype[Any]:
    """Type of a Python number: bool, int64 or the default floating type."""
    if isinstance(value, (bool, np.bool_)):
        return bool_.numpy
    if isinstance(value, (int, np.integer)):
        return int64.numpy
    if isinstance(value, (float, np.floating)):
        return _default.numpy
    raise DTypeError(f"expected a tensor or a number; got {type(value).__name__}: {value!r}")


def from_numpy_dtype(kind: np.dtype[Any]) -> dtype:
    """The :class:`dtype` of a NumPy array's type; types that have none raise."""
    try:
        return _BY_NUMPY[kind]
    except KeyError:
        names = ", ".join(t.name for t in ALL)
        raise DTypeError(f"arrays of type {kind} have no tensor type; convert to one of {names} first") from None
