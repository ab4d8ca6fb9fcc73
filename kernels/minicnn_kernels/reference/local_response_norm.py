"""Local response normalisation: a channel is damped by its neighbours at the same place.

With the window of ``size`` channels around c, ``c - size//2 .. c + (size - 1)//2``::

    scale_c = k + alpha/size * sum of x^2 over the window of c
    y_c = x_c * scale_c^-beta
    grad_x_c = grad_y_c * scale_c^-beta
               - 2*alpha*beta/size * x_c * sum of grad_y_d * x_d * scale_d^(-beta - 1) over the d whose window holds c

Source: Krizhevsky, Sutskever & Hinton, *ImageNet classification with deep
convolutional neural networks*, 2012, section 3.3 (there alpha is not divided by size; here, as in PyTorch, it is).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .indexing import doubles, flat_planes


def neighbours(c: int, size: int, channels: int) -> range:
    """Return the channels in the window of channel c."""
    return range(max(c - size // 2, 0), min(c + (size - 1) // 2 + 1, channels))


@kernel("local_response_norm.forward", backend="reference")
def local_response_norm_forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """Return y and scale, both like x (N, C, *)."""
    values = doubles(flat_planes(x))
    scale = np.full(values.shape, float(k))
    for n, c, p in np.ndindex(values.shape):
        for d in neighbours(c, size, values.shape[1]):
            scale[n, c, p] += alpha / size * values[n, d, p] ** 2
    y = np.empty(values.shape)
    for at in np.ndindex(values.shape):
        y[at] = values[at] * scale[at] ** -beta
    return y.reshape(x.shape).astype(x.dtype), scale.reshape(x.shape).astype(x.dtype)


@kernel("local_response_norm.grad", backend="reference")
def local_response_norm_grad(grad_y: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """Return grad_x like x."""
    grads, values, scales = doubles(flat_planes(grad_y)), doubles(flat_planes(x)), doubles(flat_planes(scale))
    grad_x = np.zeros(values.shape)
    for n, c, p in np.ndindex(values.shape):
        grad_x[n, c, p] += grads[n, c, p] * scales[n, c, p] ** -beta
        through_scale = grads[n, c, p] * values[n, c, p] * -beta * scales[n, c, p] ** (-beta - 1)
        for d in neighbours(c, size, values.shape[1]):
            grad_x[n, d, p] += through_scale * alpha / size * 2 * values[n, d, p]
    return grad_x.reshape(x.shape).astype(x.dtype)
