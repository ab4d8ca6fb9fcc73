"""Choosing between elements: the larger, the smaller, within limits, by a condition."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.deferred import waiting
from ..core.errors import DTypeError
from ..core.function import Function
from ..core.tensor import Tensor
from .arithmetic import Binary
from .operands import as_tensor, cast, check_broadcast, promoted, unbroadcast


class Maximum(Binary):
    """The larger of two; where they are equal each gets half of the gradient."""

    def compute(self, a: Any, b: Any) -> Any:
        return np.maximum(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(a == b, g / 2, g).masked_fill(a < b, 0)

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(a == b, g / 2, g).masked_fill(a > b, 0)


class Minimum(Binary):
    def compute(self, a: Any, b: Any) -> Any:
        return np.minimum(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(a == b, g / 2, g).masked_fill(a > b, 0)

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(a == b, g / 2, g).masked_fill(a < b, 0)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of two elements, element by element; NaN wins.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.maximum(minicnn.tensor([1, 5]), minicnn.tensor([3, 4]))
    tensor([3, 5])
    """
    operands = promoted("maximum", input, other)
    check_broadcast("maximum", *operands)
    return Maximum()(*operands)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of two elements, element by element; NaN wins.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.minimum(minicnn.tensor([1, 5]), minicnn.tensor([3, 4]))
    tensor([1, 4])
    """
    operands = promoted("minimum", input, other)
    check_broadcast("minimum", *operands)
    return Minimum()(*operands)


class Clamp(Function):
    """``min(max(x, low), high)``; the gradient passes where low <= x <= high, so not at NaN."""

    differentiable = True

    def evaluate(self, inputs: tuple[Any, ...], recording: bool) -> Any:
        x, *limits = inputs
        deferred = None if recording else waiting(x)  # a gradient needs x, not only the result
        if deferred is not None and all(t is None or t._form.shape == () for t in limits):
            low, high = (end if t is None else t.item() for t, end in zip(limits, (-np.inf, np.inf), strict=True))
            if low <= high:  # so neither is NaN
                return deferred.clamped(low, high)
        return super().evaluate(inputs, recording)

    def forward(self, x: Any, low: Any, high: Any) -> Any:
        self.save(x, low, high)
        y = x if low is None else np.maximum(x, low)
        return y if high is None else np.minimum(y, high)

    def backward(self, grad_y: Tensor) -> Any:
        x, low, high = self.saved
        zero = grad_y.new_zeros(())
        inside = (low is None or x >= low) & (high is None or x <= high)  # NaN is not
        below = False if low is None else x < low
        above = False if high is None else x > high
        crossed = False if low is None or high is None else high < low  # then the result is high everywhere
        grads = (
            where(inside, grad_y, zero) if self.needs_grad[0] else None,
            where(below & _not(crossed), grad_y, zero) if self.needs_grad[1] else None,
            where(above | crossed, grad_y, zero) if self.needs_grad[2] else None,
        )
        return tuple(None if g is None else unbroadcast(g, t.shape) for g, t in zip(grads, (x, low, high), strict=True))


def _not(condition: Any) -> Any:
    return not condition if isinstance(condition, bool) else ~condition


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``input`` limited to ``[min, max]``; the limits are numbers or tensors, or None for no limit.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.clamp(minicnn.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given; got None for both")
    limits = [limit for limit in (min, max) if limit is not None]
    x, *known = promoted("clamp", input, *limits)
    check_broadcast("clamp", x, *known)
    low = None if min is None else known[0]
    high = None if max is None else known[-1]
    return Clamp()(x, low, high)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """``input`` where it is above ``min``, else ``min``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.clamp_min(minicnn.tensor([-2.0, 3.0]), 0)
    tensor([0., 3.])
    """
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """``input`` where it is below ``max``, else ``max``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.clamp_max(minicnn.tensor([-2.0, 3.0]), 0)
    tensor([-2.,  0.])
    """
    return clamp(input, max=max)


class Where(Function):
    differentiable = True

    def forward(self, condition: Any, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        self.save(condition)
        return np.where(condition, a, b)

    def backward(self, grad_y: Tensor) -> Any:
        (condition,) = self.saved
        zero = grad_y.new_zeros(())
        return (
            None,
            unbroadcast(where(condition, grad_y, zero), self.shapes[0]) if self.needs_grad[1] else None,
            unbroadcast(where(condition, zero, grad_y), self.shapes[1]) if self.needs_grad[2] else None,
        )


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` holds, else ``other``.

    With the condition alone: the indices where it holds, a tuple with one
    tensor per dimension.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([-1.0, 2.0])
    >>> minicnn.where(x > 0, x, 0.0)
    tensor([0., 2.])
    >>> minicnn.where(x > 0)
    (tensor([1]),)
    """
    if isinstance(condition, bool):
        condition = Tensor._wrap(np.asarray(condition))
    condition = as_tensor(condition, "condition", "where")
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition._array.dtype.kind != "b":
        raise DTypeError(f"where: condition must be a bool tensor; got {condition.dtype}. Fix: condition != 0")
    a, b = promoted("where", input, other)
    check_broadcast("where", condition, a, b)
    return Where()(condition, a, b)


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN replaced by ``nan``, infinities by ``posinf`` and ``neginf`` (default: the largest finite numbers).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.nan_to_num(minicnn.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    x = input._array
    if x.dtype.kind != "f":
        return cast(input, x.dtype).clone()
    top = float(np.finfo(x.dtype).max)
    y = input.masked_fill(Tensor._wrap(np.isnan(x)), nan)
    y = y.masked_fill(Tensor._wrap(np.isposinf(x)), top if posinf is None else posinf)
    return y.masked_fill(Tensor._wrap(np.isneginf(x)), -top if neginf is None else neginf)


def where_of(input: Tensor, condition: Any, other: Any) -> Tensor:
    """``input`` where ``condition`` holds, else ``other``: the method ``x.where(condition, other)``.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([1.0, -2.0])
    >>> x.where(x > 0, 0.0)
    tensor([1., 0.])
    """
    return where(condition, input, other)
