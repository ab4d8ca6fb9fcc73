"""Convolution as in the textbook: build the im2col matrix, and multiply. ``set_conv_algorithm("im2col")`` asks for it.

With ``K = C/groups*KH*KW`` and ``P = OH*OW`` the columns of an image are ``(groups, K, P)``, and the weights
``(groups, O/groups, K)``::

    y         = w @ columns
    d columns = w^T @ dy        added back to the image by col2im
    d w       = sum over the images of dy @ columns^T

The matrix is ``KH*KW`` times as large as the image. ``conv.py`` multiplies by the same numbers where they lie in
the image.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..epilogue import Epilogue
from ..geometry import Window2d
from .matmul import matmul
from .unfold import col2im, im2col


def _columns(x: Array, window: Window2d, groups: int) -> Array:
    """``(N, groups, K, P)``."""
    columns = im2col(x, window)
    return columns.reshape(len(x), groups, columns.shape[1] // groups, columns.shape[2])


def _weights(w: Array, groups: int) -> Array:
    """``(1, groups, O/groups, K)``."""
    return w.reshape(1, groups, len(w) // groups, math.prod(w.shape[1:]))


def im2col_forward(x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue) -> Array:
    """``clamp(conv(x, w)*scale + bias + residual, low, high)``."""
    y = matmul(_weights(w, groups), _columns(x, window, groups))
    return epilogue.apply(y.reshape(len(x), len(w), *window.output_size), bias)


def im2col_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int) -> Array:
    """``dx``: the gradient of the columns, added back."""
    n, o, oh, ow = grad_y.shape
    rows = grad_y.reshape(n, groups, o // groups, oh * ow)
    columns = matmul(_weights(w, groups).swapaxes(2, 3), rows)
    return col2im(columns.reshape(n, groups * columns.shape[2], oh * ow), window)


def im2col_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """``dw``, image after image."""
    n, o, oh, ow = grad_y.shape
    rows = grad_y.reshape(n, groups, o // groups, oh * ow)
    parts = matmul(rows, _columns(x, window, groups).swapaxes(2, 3))  # (N, groups, O/groups, K)
    return np.add.reduce(parts, axis=0).reshape(o, x.shape[1] // groups, *window.kernel_size)
