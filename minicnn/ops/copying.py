"""Copies, and the order in which the elements of a tensor lie in memory."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.function import Function
from ..core.tensor import Tensor


class Clone(Function):
    """A copy; ``order`` "C" lays it out contiguously, "K" as the input, "channels_last" pixel by pixel."""

    differentiable = True

    def __init__(self, order: Any = "K") -> None:
        self.order = order

    def forward(self, x: Any) -> Any:
        if self.order == "channels_last":
            return x.transpose(0, 2, 3, 1).copy("C").transpose(0, 3, 1, 2)  # (N, H, W, C) in memory
        return x.copy(self.order)

    def backward(self, grad_y: Tensor) -> Tensor:
        return grad_y


_ORDERS = {"contiguous_format": "C", "preserve_format": "K", "channels_last": "channels_last"}


def order_of(operation: str, memory_format: Any, ndim: int) -> str:
    """The order in memory that ``memory_format`` asks for."""
    if memory_format not in _ORDERS:
        raise ValueError(f"{operation}: memory_format must be one of {', '.join(_ORDERS)}; got {memory_format!r}")
    if memory_format == "channels_last" and ndim != 4:
        raise ShapeError(f"{operation}: channels_last is for tensors (N, C, H, W); this one has {ndim} dimensions")
    return _ORDERS[memory_format]


def clone(input: Tensor, *, memory_format: Any = "preserve_format") -> Tensor:
    """A copy with its own memory; gradients flow back through it.

    Examples
    --------
    >>> import minicnn
    >>> a = minicnn.zeros(2)
    >>> b = a.clone()
    >>> b[0] = 1
    >>> a
    tensor([0., 0.])
    """
    return Clone(order_of("clone", memory_format, input.ndim))(input)


def contiguous(input: Tensor, memory_format: Any = "contiguous_format") -> Tensor:
    """``input`` itself if its elements lie in memory in that order, else such a copy.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(2, 3).t().contiguous().stride()
    (2, 1)
    >>> minicnn.zeros(1, 3, 4, 4).contiguous(memory_format=minicnn.channels_last).stride()
    (48, 1, 12, 3)
    """
    order = order_of("contiguous", memory_format, input.ndim)
    return input if order == "K" or is_contiguous(input, memory_format) else Clone(order)(input)


def is_contiguous(input: Tensor, memory_format: Any = "contiguous_format") -> bool:
    """Whether the elements lie in memory in order, without gaps.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.zeros(1, 3, 4, 4).contiguous(memory_format=minicnn.channels_last)
    >>> x.is_contiguous(), x.is_contiguous(memory_format=minicnn.channels_last)
    (False, True)
    """
    x = input._array
    if memory_format == "channels_last":
        return bool(x.ndim == 4 and x.transpose(0, 2, 3, 1).flags.c_contiguous)
    return bool(x.flags.c_contiguous)
