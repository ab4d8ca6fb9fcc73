"""Local response normalisation: a channel is damped by its neighbours at the same place.

::

    scale = k + alpha/size * (sum of x^2 over the window of channels)
    y = x * scale^-beta
    grad_x = grad_y * scale^-beta
             - 2*alpha*beta/size * x * (sum of grad_y * x * scale^(-beta - 1) over the mirrored window)

The window of channel c is ``c - size//2 .. c + (size - 1)//2``; channels whose window holds c are its mirror image.

Source: Krizhevsky, Sutskever & Hinton, *ImageNet classification with deep
convolutional neural networks*, 2012, section 3.3 (there alpha is not divided by size; here, as in PyTorch, it is).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .common import wide


def sum_over_channels(x: Array, before: int, after: int) -> Array:
    """Return the sum of x (N, C, *) over the channels ``c - before .. c + after`` of every c."""
    channels = x.shape[1]
    total = np.zeros_like(x)
    for offset in range(-min(before, channels), min(after, channels) + 1):
        low, high = max(-offset, 0), channels - max(offset, 0)
        total[:, low:high] += x[:, low + offset : high + offset]
    return total


@kernel("local_response_norm.forward", backend="numpy")
def local_response_norm_forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """Return y and scale, both like x (N, C, *)."""
    values = wide(x)
    scale = sum_over_channels(np.square(values), size // 2, (size - 1) // 2)
    scale *= alpha / size
    scale += k
    y = scale**-beta
    y *= values
    return y.astype(x.dtype, copy=False), scale.astype(x.dtype, copy=False)


@kernel("local_response_norm.grad", backend="numpy")
def local_response_norm_grad(grad_y: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """Return grad_x like x."""
    values, scales = wide(x), wide(scale)
    grad_x = wide(grad_y) * scales**-beta
    through_scale = sum_over_channels(grad_x * values / scales, (size - 1) // 2, size // 2)
    grad_x -= 2 * alpha * beta / size * values * through_scale
    return grad_x.astype(x.dtype, copy=False)
