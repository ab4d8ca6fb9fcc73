"""Convolution as a matrix product (im2col + GEMM).

Write every patch the window sees as a column. Then a convolution is one matrix
product, with the weights of an output channel as a row, for each group::

    y      (O/G, N*OH*OW)      = w (O/G, C/G*KH*KW) @ columns (C/G*KH*KW, N*OH*OW)
    grad_w (O/G, C/G*KH*KW)    = grad_y @ columns^T
    columns' gradient          = w^T @ grad_y, added back to the plane by col2im

The price is memory: the columns hold every input about KH*KW times. They are therefore
made for a few samples (or a few rows of one large sample) at a time.

Source: Chellapilla, Puri & Simard, *High performance convolutional neural
networks for document processing*, 2006, section 3. The plain loops are in ``reference/conv.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..geometry import Window2d
from ..registry import kernel
from .common import channel_sum, wide
from .windows import add_columns, as_columns, crop, pad, padded_size, sliding_windows, tiles


def weight_rows(w: Array, groups: int) -> Array:
    """Reshape w (O, C/G, KH, KW) to one row per output channel, (G, O/G, C/G*KH*KW)."""
    return wide(w).reshape(groups, len(w) // groups, int(np.prod(w.shape[1:])))


def output_rows(y: Array, groups: int) -> Array:
    """Copy y (N, O, OH, OW) to one row per output channel, (G, O/G, N*OH*OW)."""
    return wide(y).swapaxes(0, 1).reshape(groups, y.shape[1] // groups, len(y) * y.shape[2] * y.shape[3])


def bytes_per_output(w_shape: tuple[int, ...], groups: int, itemsize: int) -> int:
    """Return the size of one column: what one output position costs in memory."""
    return groups * w_shape[1] * w_shape[2] * w_shape[3] * max(itemsize, 4)


@kernel("conv2d.forward", backend="numpy")
def conv2d_forward(
    x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue = NONE
) -> Array:
    """Return y (N, O, OH, OW) from x (N, C, H, W), w (O, C/groups, KH, KW) and bias (O,); scale it, add, clamp."""
    y = np.empty((len(x), len(w), *window.output_size), x.dtype, like=x)
    w_rows = weight_rows(w, groups)
    windows = sliding_windows(pad(x, window), window)  # (N, C, KH, KW, OH, OW)
    for samples, rows in tiles(len(x), window, bytes_per_output(w.shape, groups, x.itemsize)):
        tile = y[samples, :, rows]  # (n, O, rows, OW), a view
        product = w_rows @ as_columns(windows[samples, ..., rows, :], groups)  # (G, O/G, n*rows*OW)
        product = product.reshape(len(w), len(tile), *tile.shape[2:]).swapaxes(0, 1)
        residual = None if epilogue.residual is None else epilogue.residual[samples, :, rows]
        tile[...] = epilogue._replace(residual=residual).apply(product, bias)
    return y


@kernel("conv2d.grad_input", backend="numpy")
def conv2d_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int, residual: Array | None = None) -> Array:
    """Return grad_x (N, C, H, W): back through the matrix product, then col2im; ``residual`` is added to it."""
    padded = np.zeros((len(grad_y), w.shape[1] * groups, *padded_size(window)), wide(w).dtype, like=w)
    w_columns = weight_rows(w, groups).swapaxes(1, 2)  # (G, C/G*KH*KW, O/G)
    windows = sliding_windows(padded, window)
    for samples, rows in tiles(len(grad_y), window, bytes_per_output(w.shape, groups, w.itemsize)):
        grad_rows = output_rows(grad_y[samples, :, rows], groups)  # (G, O/G, n*rows*OW)
        # with one output channel per group (depthwise) the product is an outer one, and "*" is faster than BLAS
        grad_columns = w_columns * grad_rows if len(w) == groups else w_columns @ grad_rows
        add_columns(windows[samples, ..., rows, :], grad_columns)
    grad_x = np.ascontiguousarray(crop(padded, window), grad_y.dtype, like=grad_y)
    if residual is not None:
        grad_x += residual
    return grad_x


@kernel("conv2d.grad_weight", backend="numpy")
def conv2d_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """Return grad_w (O, C/groups, KH, KW): the matrix product sums over all positions."""
    shape = (grad_y.shape[1], x.shape[1] // groups, *window.kernel_size)
    grad_w = np.zeros((groups, shape[0] // groups, int(np.prod(shape[1:]))), wide(x).dtype, like=x)
    windows = sliding_windows(pad(x, window), window)
    for samples, rows in tiles(len(x), window, bytes_per_output(shape, groups, x.itemsize)):
        columns = as_columns(windows[samples, ..., rows, :], groups)
        grad_w += output_rows(grad_y[samples, :, rows], groups) @ columns.swapaxes(1, 2)
    return grad_w.reshape(shape).astype(x.dtype, copy=False)


@kernel("conv2d.grad_bias", backend="numpy")
def conv2d_grad_bias(grad_y: Array) -> Array:
    """Return grad_bias (O,): the bias is added at every place of every sample."""
    return channel_sum(grad_y).astype(grad_y.dtype)
