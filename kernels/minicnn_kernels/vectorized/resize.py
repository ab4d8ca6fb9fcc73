"""Resizing a plane: nearest neighbour and bilinear, one axis after the other.

Both are separable: resizing the rows and then the columns gives the same as all
at once. Along one axis, nearest gathers slices and bilinear mixes two gathered slices,
``(1 - f)*x[low] + f*x[high]``; the gradients add the slices back. The
plain loops are in ``reference/resize.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, sent
from ..geometry import Pair
from ..registry import kernel
from .common import wide

Blend = tuple[Array, Array, Array]  # low (OH,), high (OH,), fraction (OH,)


def scatter_add(slices: Array, places: Array, size: int) -> Array:
    """Return x with ``size`` entries along axis 0, where ``x[places[i]]`` has collected ``slices[i]``."""
    x = np.zeros((size, *slices.shape[1:]), slices.dtype, like=slices)
    for i, place in enumerate(places):
        x[place] += slices[i]
    return x


def mix(x: Array, blend: Blend, axis: int) -> Array:
    """Return ``(1 - f)*x[low] + f*x[high]`` along one axis."""
    low, high, fraction = blend
    f = sent(fraction, x, x.dtype).reshape(-1, *(1,) * (x.ndim - 1 - axis))
    low, high = sent(low, x), sent(high, x)
    return x.take(low, axis) * (1 - f) + x.take(high, axis) * f


def mix_back(y: Array, blend: Blend, axis: int, size: int) -> Array:
    """Return the transpose of `mix`: both slices get their share back."""
    low, high, fraction = blend
    y = np.moveaxis(y, axis, 0)
    f = sent(fraction, y, y.dtype).reshape(-1, *(1,) * (y.ndim - 1))
    return np.moveaxis(scatter_add((1 - f) * y, low, size) + scatter_add(f * y, high, size), 0, axis)


@kernel("resize_nearest.forward", backend="numpy")
def resize_nearest_forward(x: Array, rows: Array, columns: Array) -> Array:
    """Return y (N, C, OH, OW) with ``y[i, j] = x[rows[i], columns[j]]``."""
    return x.take(sent(rows, x), axis=2).take(sent(columns, x), axis=3)


@kernel("resize_nearest.grad_input", backend="numpy")
def resize_nearest_grad_input(grad_y: Array, rows: Array, columns: Array, input_size: Pair) -> Array:
    """Return grad_x (N, C, H, W): a pixel collects from all outputs that copied it."""
    slices = wide(grad_y).transpose(2, 3, 0, 1)  # (OH, OW, N, C)
    by_row = scatter_add(slices, rows, input_size[0]).swapaxes(0, 1)  # (OW, H, N, C)
    grad_x = scatter_add(by_row, columns, input_size[1]).transpose(2, 3, 1, 0)
    return np.ascontiguousarray(grad_x, grad_y.dtype, like=grad_y)


@kernel("resize_bilinear.forward", backend="numpy")
def resize_bilinear_forward(x: Array, rows: Blend, columns: Blend) -> Array:
    """Return y (N, C, OH, OW), each pixel a mixture of four."""
    return mix(mix(wide(x), rows, 2), columns, 3).astype(x.dtype, copy=False)


@kernel("resize_bilinear.grad_input", backend="numpy")
def resize_bilinear_grad_input(grad_y: Array, rows: Blend, columns: Blend, input_size: Pair) -> Array:
    """Return grad_x (N, C, H, W): each of the four pixels gets its share of the gradient."""
    grad_x = mix_back(mix_back(wide(grad_y), rows, 2, input_size[0]), columns, 3, input_size[1])
    return np.ascontiguousarray(grad_x, grad_y.dtype, like=grad_y)
