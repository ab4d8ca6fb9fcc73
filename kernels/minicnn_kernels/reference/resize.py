"""Resizing a plane: nearest neighbour and bilinear.

Which input rows and columns an output pixel looks at is decided by the caller
(that is where PyTorch's ``align_corners`` lives); these kernels only gather. Nearest
takes one pixel; bilinear mixes two along each axis, ``(1 - f)*x[low] + f*x[high]``,
which makes four. The gradient sends every output's share back to the pixels it was made from.

Source: Gonzalez & Woods, *Digital image processing*, section 2.4 (image interpolation).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from ..geometry import Pair
from ..registry import kernel
from .indexing import doubles

Blend = tuple[Array, Array, Array]  # low (OH,), high (OH,), fraction (OH,)


@kernel("resize_nearest.forward", backend="reference")
def resize_nearest_forward(x: Array, rows: Array, columns: Array) -> Array:
    """Return y (N, C, OH, OW) with ``y[i, j] = x[rows[i], columns[j]]``."""
    y = np.empty((*x.shape[:2], len(rows), len(columns)), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = x[n, c, rows[i], columns[j]]
    return y


@kernel("resize_nearest.grad_input", backend="reference")
def resize_nearest_grad_input(grad_y: Array, rows: Array, columns: Array, input_size: Pair) -> Array:
    """Return grad_x (N, C, H, W): a pixel collects from all outputs that copied it."""
    grads = doubles(grad_y)
    grad_x = np.zeros((*grad_y.shape[:2], *input_size))
    for n, c, i, j in np.ndindex(grad_y.shape):
        grad_x[n, c, rows[i], columns[j]] += grads[n, c, i, j]
    return grad_x.astype(grad_y.dtype)


def corners(rows: Blend, columns: Blend, i: int, j: int) -> Iterator[tuple[int, int, float]]:
    """Yield the four pixels (h, w) that output (i, j) mixes, and the share of each."""
    for h, share_h in ((rows[0][i], 1 - rows[2][i]), (rows[1][i], rows[2][i])):
        for w, share_w in ((columns[0][j], 1 - columns[2][j]), (columns[1][j], columns[2][j])):
            yield h, w, share_h * share_w


@kernel("resize_bilinear.forward", backend="reference")
def resize_bilinear_forward(x: Array, rows: Blend, columns: Blend) -> Array:
    """Return y (N, C, OH, OW), each pixel a mixture of four."""
    images = doubles(x)
    y = np.zeros((*x.shape[:2], len(rows[0]), len(columns[0])))
    for n, c, i, j in np.ndindex(y.shape):
        for h, w, share in corners(rows, columns, i, j):
            y[n, c, i, j] += share * images[n, c, h, w]
    return y.astype(x.dtype)


@kernel("resize_bilinear.grad_input", backend="reference")
def resize_bilinear_grad_input(grad_y: Array, rows: Blend, columns: Blend, input_size: Pair) -> Array:
    """Return grad_x (N, C, H, W): each of the four pixels gets its share of the gradient."""
    grads = doubles(grad_y)
    grad_x = np.zeros((*grad_y.shape[:2], *input_size))
    for n, c, i, j in np.ndindex(grad_y.shape):
        for h, w, share in corners(rows, columns, i, j):
            grad_x[n, c, h, w] += share * grads[n, c, i, j]
    return grad_x.astype(grad_y.dtype)
