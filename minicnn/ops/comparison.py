"""Comparisons and logic. Results are bool tensors, without gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import DTypeError
from ..core.tensor import Tensor
from .operands import as_tensor, check_broadcast, promoted


def _comparison(name: str, ufunc: Any, symbol: str, example: str) -> Callable[[Tensor, Any], Tensor]:
    def function(input: Tensor, other: Any) -> Tensor:
        a, b = promoted(name, input, other)
        check_broadcast(name, a, b)
        return Tensor._wrap(ufunc(a._array, b._array))

    return _document(function, name, f"``input {symbol} other``, element by element, as a bool tensor.", example)


def _document(function: Callable[..., Tensor], name: str, text: str, example: str) -> Callable[..., Tensor]:
    call, result = example.split(" -> ")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{text}

    Examples
    --------
    >>> import minicnn
    >>> a, b = minicnn.tensor([1, 2]), minicnn.tensor([2, 2])
    >>> minicnn.{call}
    {result}
    """
    return function


eq = _comparison("eq", np.equal, "==", "eq(a, b) -> tensor([False,  True])")
ne = _comparison("ne", np.not_equal, "!=", "ne(a, b) -> tensor([ True, False])")
lt = _comparison("lt", np.less, "<", "lt(a, b) -> tensor([ True, False])")
le = _comparison("le", np.less_equal, "<=", "le(a, b) -> tensor([True, True])")
gt = _comparison("gt", np.greater, ">", "gt(a, 1) -> tensor([False,  True])")
ge = _comparison("ge", np.greater_equal, ">=", "ge(a, 1) -> tensor([True, True])")


def _logical(name: str, ufunc: Any, word: str, example: str) -> Callable[[Tensor, Tensor], Tensor]:
    def function(input: Tensor, other: Tensor) -> Tensor:
        a, b = as_tensor(input, "input", name), as_tensor(other, "other", name)
        check_broadcast(name, a, b)
        return Tensor._wrap(ufunc(a._array, b._array))

    return _document(function, name, f"``input {word} other``, where any number but 0 counts as true.", example)


logical_and = _logical("logical_and", np.logical_and, "and", "logical_and(a, b - 2) -> tensor([False, False])")
logical_or = _logical("logical_or", np.logical_or, "or", "logical_or(a, b) -> tensor([True, True])")
logical_xor = _logical("logical_xor", np.logical_xor, "xor", "logical_xor(a, b) -> tensor([False, False])")


def logical_not(input: Tensor) -> Tensor:
    """True where the element is 0 or False.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.logical_not(minicnn.tensor([0, 3]))
    tensor([ True, False])
    """
    return Tensor._wrap(np.logical_not(as_tensor(input, "input", "logical_not")._array))


def _bitwise(name: str, ufunc: Any, symbol: str, example: str) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        a, b = promoted(name, input, other)
        if a._array.dtype.kind == "f":
            raise DTypeError(f"{name}: defined for bool and integer tensors only; got {a.dtype}")
        check_broadcast(name, a, b)
        return Tensor._wrap(ufunc(a._array, b._array))

    return _document(function, name, f"``input {symbol} other``, bit by bit (for bool: logic).", example)


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "&", "bitwise_and(a, b) -> tensor([0, 2])")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "|", "bitwise_or(a, b) -> tensor([3, 2])")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "^", "bitwise_xor(a, b) -> tensor([3, 0])")
bitwise_left_shift = _bitwise("bitwise_left_shift", np.left_shift, "<<", "bitwise_left_shift(a, b) -> tensor([4, 8])")
bitwise_right_shift = _bitwise(
    "bitwise_right_shift", np.right_shift, ">>", "bitwise_right_shift(a, 1) -> tensor([0, 1])"
)


def bitwise_not(input: Tensor) -> Tensor:
    """``~input``: every bit flipped; for bool, not.

    Examples
    --------
    >>> import minicnn
    >>> ~minicnn.tensor([True, False])
    tensor([False,  True])
    """
    if as_tensor(input, "input", "bitwise_not")._array.dtype.kind == "f":
        raise DTypeError(f"bitwise_not: defined for bool and integer tensors only; got {input.dtype}")
    return Tensor._wrap(np.invert(input._array))


def isnan(input: Tensor) -> Tensor:
    """Where the element is NaN.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.isnan(minicnn.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return Tensor._wrap(np.isnan(input._array))


def isinf(input: Tensor) -> Tensor:
    """Where the element is infinite.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.isinf(minicnn.tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """
    return Tensor._wrap(np.isinf(input._array))


def isfinite(input: Tensor) -> Tensor:
    """Where the element is neither infinite nor NaN.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.isfinite(minicnn.tensor([1.0, float("-inf")]))
    tensor([ True, False])
    """
    return Tensor._wrap(np.isfinite(input._array))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Where ``|input - other| <= atol + rtol * |other|``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.isclose(minicnn.tensor([1.0, 2.0]), minicnn.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    a, b = as_tensor(input, "input", "isclose"), as_tensor(other, "other", "isclose")
    if a.dtype != b.dtype:
        raise DTypeError(f"isclose: both tensors must have one type; got {a.dtype} and {b.dtype}")
    check_broadcast("isclose", a, b)
    return Tensor._wrap(np.isclose(a._array, b._array, rtol=rtol, atol=atol, equal_nan=equal_nan))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as :func:`isclose` says.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.allclose(minicnn.ones(3), minicnn.ones(3) + 1e-7)
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.equal(minicnn.tensor([1, 2]), minicnn.tensor([1, 2]))
    True
    """
    return bool(np.array_equal(as_tensor(input, "input", "equal")._array, as_tensor(other, "other", "equal")._array))
