"""Operations that change a tensor in place: ``x.add_(y)`` writes ``x + y`` into x's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import grad_mode
from ..core.errors import AutogradError, DTypeError, ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from . import (
    activations,
    arithmetic,
    choosing,
    comparison,
    elementwise,
    gathering,
    indexing,
    masking,
    rearranging,
    shaping,
)
from .deferrable import sum_that_waits
from .indexing import write
from .operands import unbroadcast
from .sampling import source


class AddInto(Function):
    """``x += y`` without a copy: the sum at the end of every residual block."""

    differentiable = inplace = True

    def evaluate(self, inputs: tuple[Any, ...], recording: bool) -> Any:
        self.shape = inputs[1]._form.shape
        return sum_that_waits(self, *inputs) or super().evaluate(inputs, recording)

    def forward(self, x: Any, y: Any) -> Any:
        return np.add(x, y, out=x)

    def backward(self, grad_z: Tensor) -> Any:
        return grad_z, unbroadcast(grad_z, self.shape) if self.needs_grad[1] else None


def add_(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """``input + alpha * other``, in place.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(2).add_(minicnn.tensor([1.0, 2.0]), alpha=10)
    tensor([10., 20.])
    """
    plain = isinstance(other, Tensor) and other._form.dtype == input._form.dtype and alpha == 1
    if plain and input._base is None and np.broadcast_shapes(other.shape, input.shape) == input.shape:
        return AddInto()(input, other)
    return _ADD(input, other, alpha=alpha)


def in_place(operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The in-place form of ``operation``: its name gets an underscore, its result goes into the first argument."""
    name = operation.__name__ + "_"

    def function(input: Tensor, *args: Any, **options: Any) -> Tensor:
        recording = grad_mode.is_grad_enabled() and any(
            isinstance(t, Tensor) and t.requires_grad for t in (input, *args, *options.values())
        )
        # what backward needs of the old values must survive the write
        before = input.clone() if recording and operation not in _KEEP_NOTHING else input
        result = operation(before, *(before if a is input else a for a in args), **options)
        if result._array.shape != input._array.shape:
            raise ShapeError(
                f"{name}: the result has shape {tuple(result.shape)}, "
                f"which does not fit in place into {tuple(input.shape)}"
            )
        if _CATEGORY[result._array.dtype.kind] > _CATEGORY[input._array.dtype.kind]:
            raise DTypeError(
                f"{name}: the result is {result.dtype}, which cannot be stored in place in {input.dtype}. "
                f"Fix: the operation that is not in place, x = x.{operation.__name__}(...)"
            )
        return write(input, ..., result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f":func:`minicnn.{operation.__name__}` in place; returns the tensor."
    return function


_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}
_KEEP_NOTHING = (arithmetic.add, arithmetic.sub, arithmetic.neg)

OPERATIONS: tuple[Callable[..., Tensor], ...] = (
    arithmetic.sub, arithmetic.mul, arithmetic.div, arithmetic.pow, arithmetic.remainder,
    arithmetic.fmod, arithmetic.floor_divide, arithmetic.neg, arithmetic.lerp, arithmetic.addcmul, arithmetic.addcdiv,
    elementwise.exp, elementwise.log, elementwise.log1p, elementwise.sqrt, elementwise.rsqrt, elementwise.square,
    elementwise.reciprocal, elementwise.abs, elementwise.sin, elementwise.cos, elementwise.sign, elementwise.floor,
    elementwise.ceil, elementwise.round, elementwise.trunc, choosing.clamp, choosing.clamp_min,
    choosing.clamp_max, choosing.nan_to_num, comparison.logical_not, comparison.bitwise_and,
    comparison.bitwise_or, comparison.bitwise_xor, comparison.logical_and, comparison.logical_or,
    activations.sigmoid, activations.tanh, rearranging.tril, rearranging.triu, masking.masked_fill,
    gathering.scatter, gathering.scatter_add,
    gathering.index_add, gathering.index_fill, indexing.index_put,
)  # fmt: skip
_ADD = in_place(arithmetic.add)
FORMS = {"add_": add_} | {f"{operation.__name__}_": in_place(operation) for operation in OPERATIONS}


def in_another_shape(operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The form of ``operation``, which makes a view, that gives its first argument itself the new shape."""
    name = operation.__name__ + "_"

    def function(input: Tensor, *args: Any, **options: Any) -> Tensor:
        if input.requires_grad:
            raise AutogradError(
                f"{name}: a tensor that requires a gradient keeps its shape. Fix: x = x.{operation.__name__}(...)"
            )
        view = operation(input, *args, **options)
        input._versions.before_change()
        if input._base is None:
            input._change_shape(view._array)
        else:
            input._array, input._view_steps = view._array, view._view_steps
        return input

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f":func:`minicnn.{operation.__name__}` of the tensor itself, which it returns."
    return function


FORMS |= {
    f"{operation.__name__}_": in_another_shape(operation)
    for operation in (shaping.squeeze, shaping.unsqueeze, shaping.t, shaping.transpose)
}


def fill_(input: Tensor, value: Any) -> Tensor:
    """Set every element to ``value``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    return write(input, ..., value)


def zero_(input: Tensor) -> Tensor:
    """Set every element to 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ones(2).zero_()
    tensor([0., 0.])
    """
    return write(input, ..., 0)


def copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Take over the values of ``src``, which is broadcast and converted.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(2, 2).copy_(minicnn.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    return write(input, ..., src.expand(input.shape))


def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the diagonal of a matrix to ``fill_value``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(2, 2).fill_diagonal_(1)
    tensor([[1., 0.],
            [0., 1.]])
    """
    if wrap:
        raise ValueError("fill_diagonal_: wrap=True is not supported")
    write(input.diagonal(), ..., fill_value)
    return input


def normal_(input: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with normally distributed numbers.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.empty(3).normal_(0, 0.01).shape
    minicnn.Size([3])
    """
    return _drawn(
        input, mean + std * source(generator, input.device).standard_normal(input._array.shape, _precision(input))
    )


def uniform_(input: Tensor, from_: float = 0, to: float = 1, *, generator: Any = None, **options: float) -> Tensor:
    """Fill with numbers uniform on ``[from, to)``.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.empty(100).uniform_(-1, 1)
    >>> bool((x >= -1).all() and (x < 1).all())
    True
    """
    low = options.pop("from", from_)  # PyTorch's name of the first argument is a word of Python
    if options:
        raise TypeError(f"uniform_: unknown argument {sorted(options)}; known are from, to, generator")
    return _drawn(
        input, low + (to - low) * source(generator, input.device).random(input._array.shape, _precision(input))
    )


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability ``p`` (a number or a tensor), else 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.empty(2).bernoulli_(1.0)
    tensor([1., 1.])
    """
    chance = p._array if isinstance(p, Tensor) else p
    return _drawn(input, source(generator, input.device).random(input._array.shape) < chance)


def random_(input: Tensor, low: int = 0, high: int | None = None, *, generator: Any = None) -> Tensor:
    """Fill with integers from ``low`` to ``high - 1``; with one argument, from 0 to before it.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.empty(2).random_(3, 4)
    tensor([3., 3.])
    """
    if high is None:
        top = np.iinfo(input._array.dtype).max if input._array.dtype.kind in "iu" else 2**24
        low, high = (0, low) if low else (0, int(top))
    return _drawn(input, source(generator, input.device).integers(low, high, input._array.shape))


def _precision(x: Tensor) -> Any:
    return np.float64 if x._array.dtype == np.float64 else np.float32


def _drawn(input: Tensor, values: Any) -> Tensor:
    return write(input, ..., Tensor._wrap(values))
