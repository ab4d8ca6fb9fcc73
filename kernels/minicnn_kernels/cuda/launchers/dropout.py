"""Dropout. The seed is a number, or an array (1,) of uint64 on the device, which a captured graph reads anew."""

from __future__ import annotations

from math import ceil

from ...arrays import Array
from . import order
from .activations import pointwise
from .launch import launch, launcher


@launcher("dropout.forward", "dropout.forward")
def dropout_forward(x: Array, p: float, seed: int | Array) -> tuple[Array, Array]:
    """``y`` and the mask of what was kept; the same mask as on the CPU for the same number."""
    number, drawn = (seed % 2**64, None) if isinstance(seed, int) else (0, seed)
    lies = order.of_either(x)
    y, keep = lies.empty(x.shape, x), lies.empty(x.shape, x, bool)
    n, c = x.shape[:2] if lies.axes[-1:] == (1,) else (1, x.size)
    shape = n, x.size // max(n * c, 1), c
    arrays = {name: lies.turned(a).reshape(shape) for name, a in (("x", x), ("y", y), ("keep", keep))}
    scale = 1 / (1 - p) if p < 1 else 0.0
    launch("dropout.forward", **arrays, drawn=drawn, seed=number, threshold=ceil(p * 2**24), scale=scale)
    return y, keep


@launcher("dropout.grad", "dropout.grad")
def dropout_grad(grad_y: Array, keep: Array, p: float) -> Array:
    """What was kept passes, divided by 1 - p."""
    return pointwise("dropout.grad", grad_y, ("keep", keep), scale=1 / (1 - p) if p < 1 else 0.0)
