"""Addition, multiplication and their relatives, element by element, with broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np
from minicnn_kernels.addition import add as add_arrays
from minicnn_kernels.arrays import as_array

from ..core.errors import DTypeError
from ..core.function import Function
from ..core.tensor import Tensor
from .deferrable import sum_that_waits
from .operands import NUMBERS, check_broadcast, promoted, unbroadcast


class Binary(Function):
    """An operation on two operands of one type; subclasses define the two slopes times the gradient."""

    differentiable = True

    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        self.save(a, b)
        return self.compute(a, b)

    def compute(self, a: Any, b: Any) -> Any:
        """The result, from arrays."""
        raise TypeError(f"{self.operation} must define compute")

    def backward(self, grad_y: Tensor) -> Any:
        a, b = self.saved
        return (
            unbroadcast(self.grad_a(grad_y, a, b), self.shapes[0]) if self.needs_grad[0] else None,
            unbroadcast(self.grad_b(grad_y, a, b), self.shapes[1]) if self.needs_grad[1] else None,
        )

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """``g`` times the derivative with respect to the first operand."""
        return g.new_zeros(g.shape)

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """``g`` times the derivative with respect to the second operand."""
        return g.new_zeros(g.shape)


class Add(Binary):
    def evaluate(self, inputs: tuple[Any, ...], recording: bool) -> Any:
        a, b = inputs
        self.shapes = a._form.shape, b._form.shape
        self.save(None, None)
        waits = None
        if a._deferred is not None or b._deferred is not None:
            waits = sum_that_waits(self, a, b) or sum_that_waits(self, b, a)
        return waits or super().evaluate(inputs, recording)

    def forward(self, a: Any, b: Any) -> Any:
        return add_arrays(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g


class Sub(Binary):
    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        self.save(None, None)
        return np.subtract(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g


class Mul(Binary):
    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        self.save(a if self.needs_grad[1] else None, b if self.needs_grad[0] else None)
        return np.multiply(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g * b

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g * a


class Div(Binary):
    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        self.save(a if self.needs_grad[1] else None, b)
        return np.divide(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g / b

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * ((a / b) / b)


class DivFloor(Binary):
    """Division rounded down: a staircase, whose slope is 0."""

    def compute(self, a: Any, b: Any) -> Any:
        return np.floor_divide(a, b)


class DivTrunc(Binary):
    """Division rounded towards 0: a staircase too."""

    def compute(self, a: Any, b: Any) -> Any:
        return np.trunc(a / b) if a.dtype.kind == "f" else (a - np.fmod(a, b)) // b


class Remainder(Binary):
    """``a - b * floor(a / b)``: the sign of the divisor."""

    def compute(self, a: Any, b: Any) -> Any:
        return np.remainder(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * div(a, b, rounding_mode="floor")


class Fmod(Remainder):
    """``a - b * trunc(a / b)``: the sign of the dividend."""

    def compute(self, a: Any, b: Any) -> Any:
        return np.fmod(a, b)

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * div(a, b, rounding_mode="trunc")


class Pow(Binary):
    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        y = as_array(np.power(a, b))
        self.save(a, b, y if self.needs_grad[1] else None)
        return y

    def backward(self, grad_y: Tensor) -> Any:
        a, b, y = self.saved
        grad_a = grad_b = None
        if self.needs_grad[0]:  # b a^(b-1), and 0 where b = 0
            grad_a = unbroadcast((grad_y * (b * a ** (b - 1))).masked_fill(b == 0, 0), self.shapes[0])
        if self.needs_grad[1]:  # a^b ln a, and 0 at a = 0 for b >= 0
            grad_b = unbroadcast((grad_y * (y * a.log())).masked_fill((a == 0) & (b >= 0), 0), self.shapes[1])
        return grad_a, grad_b


class PowNumber(Function):
    """A power whose exponent is a Python number. NumPy is fast for 2 and 0.5, products for 3 and 4."""

    differentiable = True
    operation = "Pow"  # type: ignore[assignment]

    def __init__(self, exponent: float) -> None:
        self.exponent = exponent

    def forward(self, x: Any) -> Any:
        self.save(x)
        if self.exponent in (3, 4):
            square = x * x
            return square * (x if self.exponent == 3 else square)
        return x**self.exponent

    def backward(self, grad_y: Tensor) -> Tensor:
        (x,) = self.saved
        if self.exponent == 0:
            return grad_y.new_zeros(grad_y.shape)
        return grad_y * (self.exponent * (x if self.exponent == 2 else x ** (self.exponent - 1)))


class Neg(Function):
    differentiable = True

    def forward(self, x: Any) -> Any:
        return np.negative(x)

    def backward(self, grad_y: Tensor) -> Tensor:
        return -grad_y


def _binary(operation: str, node: Function, a: Any, b: Any, floating: bool = False) -> Tensor:
    first, second = promoted(operation, a, b, floating=floating)
    check_broadcast(operation, first, second)
    return node(first, second)


def _is_bool(x: Any) -> bool:
    return isinstance(x, bool) or (isinstance(x, Tensor) and x._array.dtype.kind == "b")


def _no_bool(operation: str, fix: str, *operands: Any) -> None:
    if any(map(_is_bool, operands)):
        raise DTypeError(f"{operation}: not defined for bool tensors. Fix: {fix}")


def _not_all_bool(operation: str, *operands: Any) -> None:
    if all(map(_is_bool, operands)):
        raise DTypeError(f"{operation}: not defined for bools alone. Fix: x.int()")


def _check_divisor(operation: str, a: Any, b: Any) -> None:
    """Integers cannot be divided by zero (there is no infinity for the result), and bools not at all."""
    _not_all_bool(operation, a, b)
    floats = any(isinstance(x, float) or (isinstance(x, Tensor) and x._array.dtype.kind == "f") for x in (a, b))
    if not floats and np.any((b._array if isinstance(b, Tensor) else b) == 0):
        raise ZeroDivisionError(f"{operation}: an integer was divided by zero")


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """``input + alpha * other``, element by element with broadcasting.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.add(minicnn.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    return _binary("add", Add(), input, other if alpha == 1 else mul(other, alpha))


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """``input - alpha * other``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.sub(minicnn.tensor([5, 7]), minicnn.tensor([1, 2]), alpha=2)
    tensor([3, 3])
    """
    _no_bool("sub", "a ^ b, or a.int() - b.int()", input, other)
    return _binary("sub", Sub(), input, other if alpha == 1 else mul(other, alpha))


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """``other - alpha * input``: :func:`sub` with the operands exchanged.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.rsub(minicnn.tensor([1, 2]), 10)
    tensor([9, 8])
    """
    return sub(other, input, alpha=alpha)


def mul(input: Any, other: Any) -> Tensor:
    """``input * other``, element by element.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.mul(minicnn.ones(2, 1), minicnn.tensor([1.0, 2.0]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    return _binary("mul", Mul(), input, other)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``; integers give floating-point numbers.

    ``rounding_mode="floor"`` rounds down as Python's ``//`` does, ``"trunc"``
    towards zero as C does; then integers stay integers.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([-7, 7])
    >>> minicnn.div(x, 2)
    tensor([-3.5000,  3.5000])
    >>> minicnn.div(x, 2, rounding_mode="floor"), minicnn.div(x, 2, rounding_mode="trunc")
    (tensor([-4,  3]), tensor([-3,  3]))
    """
    if rounding_mode is None:
        return _binary("div", Div(), input, other, floating=True)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode must be None, 'floor' or 'trunc'; got {rounding_mode!r}")
    _check_divisor("div", input, other)
    return _binary("div", DivFloor() if rounding_mode == "floor" else DivTrunc(), input, other)


def floor_divide(input: Any, other: Any) -> Tensor:
    """``floor(input / other)``, Python's ``//``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.floor_divide(minicnn.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return div(input, other, rounding_mode="floor")


def remainder(input: Any, other: Any) -> Tensor:
    """``input - other * floor(input / other)``: Python's ``%``, with the sign of the divisor.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.remainder(minicnn.tensor([-3, 3]), 2)
    tensor([1, 1])
    """
    _check_divisor("remainder", input, other)
    return _binary("remainder", Remainder(), input, other)


def fmod(input: Any, other: Any) -> Tensor:
    """``input - other * trunc(input / other)``: C's ``fmod``, with the sign of the dividend.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.fmod(minicnn.tensor([-3, 3]), 2)
    tensor([-1,  1])
    """
    _check_divisor("fmod", input, other)
    return _binary("fmod", Fmod(), input, other)


def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.pow(minicnn.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    >>> 2 ** minicnn.arange(4)
    tensor([1, 2, 4, 8])
    """
    _not_all_bool("pow", input, exponent)
    base, power = promoted("pow", input, exponent)
    if base._array.dtype.kind in "iu" and (power._array < 0).any():
        raise DTypeError("pow: integers to negative integer powers are not integers. Fix: x.float() ** exponent")
    if isinstance(exponent, NUMBERS) and base._array.dtype.kind == "f":
        return PowNumber(exponent if isinstance(exponent, int) else float(exponent))(base)
    check_broadcast("pow", base, power)
    return Pow()(base, power)


def neg(input: Tensor) -> Tensor:
    """``-input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.neg(minicnn.tensor([1, -2]))
    tensor([-1,  2])
    """
    _no_bool("neg", "~x", input)
    return Neg()(input)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Linear interpolation ``input + weight * (end - input)``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.lerp(minicnn.zeros(2), minicnn.tensor([4.0, 8.0]), 0.25)
    tensor([1., 2.])
    """
    return add(input, mul(sub(end, input), weight))


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.addcmul(minicnn.ones(1), minicnn.tensor([2.0]), minicnn.tensor([3.0]), value=10)
    tensor([61.])
    """
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.addcdiv(minicnn.ones(1), minicnn.tensor([6.0]), minicnn.tensor([3.0]), value=10)
    tensor([21.])
    """
    return add(input, div(tensor1, tensor2), alpha=value)
