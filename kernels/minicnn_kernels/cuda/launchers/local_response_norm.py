"""Local response normalisation over neighbouring channels."""

from __future__ import annotations

from ...arrays import Array
from . import order
from .launch import launch, launcher


@launcher("local_response_norm.forward", "local_response_norm.forward")
def local_response_norm_forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """``y`` and scale, both like x (N, C, *)."""
    lies = order.of(x)
    y, scale = lies.empty(x.shape, x), lies.empty(x.shape, x)
    arrays = {"x": lies.layers(x), "y": lies.layers(y), "scale": lies.layers(scale)}
    launch("local_response_norm.forward", **arrays, size=size, alpha=alpha, beta=beta, k=k)
    return y, scale


@launcher("local_response_norm.grad", "local_response_norm.grad")
def local_response_norm_grad(grad_y: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """grad_x like x."""
    lies = order.of(x)
    grad_x = lies.empty(x.shape, x)
    arrays = {"grad_y": grad_y, "x": x, "scale": scale, "grad_x": grad_x}
    layers = {name: lies.layers(array) for name, array in arrays.items()}
    launch("local_response_norm.grad", **layers, size=size, alpha=alpha, beta=beta)
    return grad_x
