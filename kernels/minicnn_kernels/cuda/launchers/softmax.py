"""Softmax and its logarithm along one axis."""

from __future__ import annotations

from math import prod

from ...arrays import Array
from . import order
from .launch import launch, launcher


def _lines(lies: order.Order, x: Array, axis: int) -> Array:
    """``(outer, C, inner)`` with the axis in the middle."""
    place = lies.axes.index(axis % x.ndim)
    y = lies.turned(x)
    return y.reshape(prod(y.shape[:place]), y.shape[place], prod(y.shape[place + 1 :]))


def _forward(x: Array, axis: int, logarithm: bool) -> Array:
    lies = order.of(x)
    y = lies.empty(x.shape, x)
    lines = _lines(lies, x, axis)
    kernel = "softmax.forward.rows" if lines.shape[2] == 1 else "softmax.forward.lines"
    launch(kernel, x=lines, y=_lines(lies, y, axis), logarithm=logarithm)
    return y


def _grad(grad_y: Array, y: Array, axis: int, logarithm: bool) -> Array:
    lies = order.of(y)
    grad_x = lies.empty(y.shape, y)
    lines = _lines(lies, y, axis)
    kernel = "softmax.grad.rows" if lines.shape[2] == 1 else "softmax.grad.lines"
    launch(kernel, grad_y=_lines(lies, grad_y, axis), y=lines, grad_x=_lines(lies, grad_x, axis), logarithm=logarithm)
    return grad_x


@launcher("softmax.forward", "softmax.forward.rows")
def softmax_forward(x: Array, axis: int) -> Array:
    """``y`` like x, positive and of sum 1 along the axis."""
    return _forward(x, axis, logarithm=False)


@launcher("softmax.grad", "softmax.grad.rows")
def softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """grad_x from the gradient and the value of the softmax."""
    return _grad(grad_y, y, axis, logarithm=False)


@launcher("log_softmax.forward", "softmax.forward.rows")
def log_softmax_forward(x: Array, axis: int) -> Array:
    """The logarithm of the softmax along the axis."""
    return _forward(x, axis, logarithm=True)


@launcher("log_softmax.grad", "softmax.grad.rows")
def log_softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """grad_x from the gradient and the value of the log-softmax."""
    return _grad(grad_y, y, axis, logarithm=True)
