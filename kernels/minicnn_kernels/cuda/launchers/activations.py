"""Activation functions, element by element in the order in which they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...arrays import Array
from ..catalog import ACTIVATIONS
from . import order
from .launch import launch, launcher


def pointwise(kernel: str, x: Array, *others: tuple[str, Array], out: Array | None = None, **scalars: Any) -> Array:
    """Launch ``kernel(x, others, y)``, y like x."""
    lies = order.of(x)
    y = lies.empty(x.shape, x) if out is None else out
    first, result = ("grad_y", "grad_x") if others else ("x", "y")
    flats = {name: lies.flat(other) for name, other in others}
    launch(kernel, **{first: lies.flat(x)}, **flats, **{result: lies.flat(y)}, **scalars)
    return y


def forward_of(name: str) -> Callable[..., Array]:
    def forward(x: Array, parameter: float = 0.0) -> Array:
        return pointwise(f"{name}.forward", x, parameter=parameter)

    return forward


def grad_of(name: str) -> Callable[..., Array]:
    def grad(grad_y: Array, kept: Array, parameter: float = 0.0) -> Array:
        return pointwise(f"{name}.grad", grad_y, ("kept", kept), parameter=parameter)

    return grad


for _name in ACTIVATIONS:
    if _name != "relu":
        launcher(f"{_name}.forward", f"{_name}.forward")(forward_of(_name))
    launcher(f"{_name}.grad", f"{_name}.grad")(grad_of(_name))


@launcher("relu.forward", "relu.forward")
def relu_forward(x: Array, out: Array | None = None) -> Array:
    """``max(x, 0)``; ``out`` may be x itself."""
    if out is None:
        return pointwise("relu.forward", x, parameter=0.0)
    if out is x and order.dense(x):
        return pointwise("relu.forward", x, out=x, parameter=0.0)
    out[...] = pointwise("relu.forward", x, parameter=0.0)
    return out
