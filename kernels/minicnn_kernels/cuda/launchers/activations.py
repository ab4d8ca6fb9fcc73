"""Activation functions, element by element in the order in which they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...arrays import Array
from ..catalog import ACTIVATIONS
from . import order
from .channels import channel_sums, summed
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
    if out is x and order.of(x).lies(x):
        return pointwise("relu.forward", x, out=x, parameter=0.0)
    out[...] = pointwise("relu.forward", x, parameter=0.0)
    return out


# ------------------------------------------------------------------------------------------------------------ prelu


@launcher("prelu.forward", "prelu.forward")
def prelu_forward(x: Array, weight: Array) -> Array:
    """``x (N, C, *)`` where x > 0, else weight*x, with one weight for all channels or one each."""
    lies = order.of(x)
    y = lies.empty(x.shape, x)
    launch("prelu.forward", x=lies.layers(x), weight=order.vector(weight), y=lies.layers(y))
    return y


@launcher("prelu.grad", "prelu.grad_input")
def prelu_grad(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """grad_x and grad_weight."""
    lies = order.of(x)
    grad_x, layers = lies.empty(x.shape, x), lies.layers(x)
    given = {"grad_y": lies.layers(grad_y), "x": layers}
    launch("prelu.grad_input", **given, weight=order.vector(weight), grad_x=lies.layers(grad_x))
    slopes = summed("prelu.grad_weight", x.shape[1:2], layers.shape[0], layers.shape[2], **given)
    return grad_x, slopes if len(weight) == x.shape[1] else channel_sums(slopes.reshape(-1, 1))
