"""Addition, multiplication and their relatives, element by element, with broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DTypeError
from ..core.function import Function
from ..core.tensor import Tensor
from .operands import check_broadcast, promoted, unbroadcast


class Add(Function):
    differentiable = True

    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        return np.add(a, b)

    def backward(self, grad_y: Tensor) -> Any:
        return tuple(
            unbroadcast(grad_y, shape) if need else None for need, shape in zip(self.needs_grad, self.shapes, strict=True)
        )


class Sub(Function):
    differentiable = True

    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        return np.subtract(a, b)

    def backward(self, grad_y: Tensor) -> Any:
        return (
            unbroadcast(grad_y, self.shapes[0]) if self.needs_grad[0] else None,
            unbroadcast(-grad_y, self.shapes[1]) if self.needs_grad[1] else None,
        )


class Mul(Function):
    differentiable = True

    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        self.save(a if self.needs_grad[1] else None, b if self.needs_grad[0] else None)
        return np.multiply(a, b)

    def backward(self, grad_y: Tensor) -> Any:
        a, b = self.saved
        return (
            unbroadcast(grad_y * b, self.shapes[0]) if self.needs_grad[0] else None,
            unbroadcast(grad_y * a, self.shapes[1]) if self.needs_grad[1] else None,
        )


class Div(Function):
    differentiable = True

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a, b)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.divide(a, b)

    def backward(self, grad_y: Tensor) -> Any:
        a, b = self.saved
        return (
            unbroadcast(grad_y / b, a.shape) if self.needs_grad[0] else None,
            unbroadcast(-grad_y * a / (b * b), b.shape) if self.needs_grad[1] else None,
        )


class Neg(Function):
    differentiable = True

    def forward(self, x: Any) -> Any:
        return np.negative(x)

    def backward(self, grad_y: Tensor) -> Tensor:
        return -grad_y


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:  # noqa: A002
    """``input + alpha * other``, element by element with broadcasting.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.add(minicnn.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    a, b = promoted("add", input, other)
    check_broadcast("add", a, b)
    return Add()(a, b if alpha == 1 else mul(b, alpha))
