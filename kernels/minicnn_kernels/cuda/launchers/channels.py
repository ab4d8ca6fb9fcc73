"""A bias for every channel, its gradient, and what follows a matrix product."""

from __future__ import annotations

from ...arrays import Array, namespace
from . import order
from .launch import launch, launcher
from .order import vector


@launcher("conv2d.grad_bias", "channels.sum")
def conv2d_grad_bias(grad_y: Array) -> Array:
    """``grad_bias (O,)``: the sum of each channel."""
    sums = namespace(grad_y).empty(grad_y.shape[1], grad_y.dtype)
    launch("channels.sum", x=order.of(grad_y).layers(grad_y), sums=sums)
    return sums


def finish(y: Array, scale: Array | None, bias: Array | None, residual: Array | None, low: float, high: float) -> Array:
    """``clamp(y*scale + bias + residual, low, high)``, in place."""
    lies = order.of(y)
    arrays = {
        "scale": vector(scale),
        "bias": vector(bias),
        "residual": None if residual is None else lies.layers(residual),
    }
    launch("channels.finish", y=lies.layers(y), **arrays, low=low, high=high)
    return y
