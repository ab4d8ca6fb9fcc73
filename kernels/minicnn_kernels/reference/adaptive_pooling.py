"""Adaptive pooling: the output size is given, the windows follow from it.

Along each axis bin ``i`` covers the inputs ``floor(i*size/bins)`` up to, not
including, ``ceil((i + 1)*size/bins)`` (`geometry.adaptive_bins`). An output size
of 1 is global pooling: Lin, Chen & Yan, *Network in network*, 2013, section 3.2.
The gradient of adaptive max pooling is ``max_unpool2d.scatter``.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..geometry import Pair, adaptive_bins
from ..registry import kernel
from .indexing import doubles


@kernel("adaptive_avg_pool2d.forward", backend="reference")
def adaptive_avg_pool2d_forward(x: Array, output_size: Pair) -> Array:
    """Return the mean of every bin (N, C, OH, OW)."""
    images = doubles(x)
    y = np.zeros((*x.shape[:2], *output_size))
    for n, c in np.ndindex(x.shape[:2]):
        for i, (top, bottom) in enumerate(adaptive_bins(x.shape[2], output_size[0])):
            for j, (left, right) in enumerate(adaptive_bins(x.shape[3], output_size[1])):
                for h in range(top, bottom):
                    for w in range(left, right):
                        y[n, c, i, j] += images[n, c, h, w] / ((bottom - top) * (right - left))
    return y.astype(x.dtype)


@kernel("adaptive_avg_pool2d.grad_input", backend="reference")
def adaptive_avg_pool2d_grad_input(grad_y: Array, input_size: Pair) -> Array:
    """Return grad_x (N, C, H, W): each gradient is spread evenly over its bin."""
    grads = doubles(grad_y)
    grad_x = np.zeros((*grad_y.shape[:2], *input_size))
    for n, c in np.ndindex(grad_y.shape[:2]):
        for i, (top, bottom) in enumerate(adaptive_bins(input_size[0], grad_y.shape[2])):
            for j, (left, right) in enumerate(adaptive_bins(input_size[1], grad_y.shape[3])):
                for h in range(top, bottom):
                    for w in range(left, right):
                        grad_x[n, c, h, w] += grads[n, c, i, j] / ((bottom - top) * (right - left))
    return grad_x.astype(grad_y.dtype)


@kernel("adaptive_max_pool2d.forward", backend="reference")
def adaptive_max_pool2d_forward(x: Array, output_size: Pair) -> tuple[Array, Array]:
    """Return the maximum of every bin (N, C, OH, OW) and its place ``h*W + w``; ties and NaN as in max pooling."""
    height, width = x.shape[2:]
    y = np.full((*x.shape[:2], *output_size), -math.inf, x.dtype)
    indices = np.zeros(y.shape, np.int64)
    for n, c in np.ndindex(x.shape[:2]):
        for i, (top, bottom) in enumerate(adaptive_bins(height, output_size[0])):
            for j, (left, right) in enumerate(adaptive_bins(width, output_size[1])):
                indices[n, c, i, j] = top * width + left
                for h in range(top, bottom):
                    for w in range(left, right):
                        if x[n, c, h, w] > y[n, c, i, j] or math.isnan(x[n, c, h, w]):
                            y[n, c, i, j] = x[n, c, h, w]
                            indices[n, c, i, j] = h * width + w
    return y, indices
