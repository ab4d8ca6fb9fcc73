"""Local response normalisation: a channel is damped by its neighbours at the same pixel.

In channels-last memory those neighbours are neighbours in memory: a pixel is a short vector, and the sum over the
window of channels adds shifted copies of it. The formulas are in ``reference/local_response_norm.py``.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Array
from .jit import numba_kernel, parallel, serial
from .layout import channels_first, channels_last

TASK = 4096  # elements in one task, about


@serial
def _power(scale, beta):  # type: ignore[no-untyped-def]
    """``scale^-beta``; for AlexNet's 3/4 by two square roots, which measured 5 times faster than a power."""
    if beta == 0.75:
        root = np.sqrt(scale)
        return 1 / (root * np.sqrt(root))
    return scale**-beta


@serial
def _normalize(y, scale, x, p, c, before, after, factor, beta, k):  # type: ignore[no-untyped-def]
    """One pixel: ``c`` channels from ``p`` on."""
    for j in range(c):
        total = x[p] * 0
        for i in range(max(0, j - before), min(c, j + after + 1)):
            total += x[p + i] * x[p + i]
        scale[p + j] = k + factor * total
    for j in range(p, p + c):
        y[j] = x[j] * _power(scale[j], beta)


@parallel
def _normalizes(y, scale, x, pixels, c, rows, before, after, factor, beta, k):  # type: ignore[no-untyped-def]
    for t in prange((pixels + rows - 1) // rows):
        for i in range(t * rows, min(pixels, t * rows + rows)):
            _normalize(y, scale, x, i * c, c, before, after, factor, beta, k)


@serial
def _normalize_grad(gx, ratio, r, g, x, scale, p, c, before, after, factor, beta):  # type: ignore[no-untyped-def]
    """One pixel; ``ratio[r : r+c]`` is scratch memory for ``g*x*scale^(-beta - 1)``."""
    for j in range(c):
        damped = g[p + j] * _power(scale[p + j], beta)
        gx[p + j] = damped
        ratio[r + j] = damped * x[p + j] / scale[p + j]
    for j in range(c):
        total = x[p] * 0
        for i in range(max(0, j - after), min(c, j + before + 1)):  # the mirrored window
            total += ratio[r + i]
        gx[p + j] -= factor * x[p + j] * total


@parallel
def _normalize_grads(gx, ratio, g, x, scale, pixels, c, rows, before, after, factor, beta):  # type: ignore[no-untyped-def]
    for t in prange((pixels + rows - 1) // rows):
        for i in range(t * rows, min(pixels, t * rows + rows)):
            _normalize_grad(gx, ratio, t * c, g, x, scale, i * c, c, before, after, factor, beta)


@numba_kernel("local_response_norm.forward")
def local_response_norm_forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """Return y and scale, both like x (N, C, *)."""
    memory = channels_last(x)
    y, scale = np.empty_like(memory), np.empty_like(memory)
    c, number = x.shape[1], x.dtype.type
    if x.size:
        memories = y.reshape(-1), scale.reshape(-1), memory.reshape(-1)
        window = size // 2, (size - 1) // 2
        numbers = number(alpha / size), number(beta), number(k)
        _normalizes(*memories, x.size // c, c, max(1, TASK // c), *window, *numbers)
    return channels_first(y), channels_first(scale)


@numba_kernel("local_response_norm.grad")
def local_response_norm_grad(grad_y: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """Return grad_x like x."""
    memory, g, scales = channels_last(x), channels_last(grad_y), channels_last(scale)
    grad_x = np.empty_like(memory)
    c, number = x.shape[1], x.dtype.type
    if x.size:
        pixels, rows = x.size // c, max(1, TASK // c)
        ratio = np.empty(-(-pixels // rows) * c, x.dtype)
        memories = grad_x.reshape(-1), ratio, g.reshape(-1), memory.reshape(-1), scales.reshape(-1)
        window = size // 2, (size - 1) // 2
        _normalize_grads(*memories, pixels, c, rows, *window, number(2 * alpha * beta / size), number(beta))
    return channels_first(grad_x)
