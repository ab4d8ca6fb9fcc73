"""Softmax and its logarithm along one axis; the formulas are in ``reference/softmax.py``.

Subtracting the largest value first keeps exp from overflowing and changes nothing else.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, largest
from ..registry import kernel
from .common import wide


def below_largest(x: Array, axis: int) -> Array:
    """Return ``x - max x`` along the axis, float16 as float32."""
    x = wide(x)
    return x - largest(x, axis)


@kernel("softmax.forward", backend="numpy")
def softmax_forward(x: Array, axis: int) -> Array:
    """Return y like x, positive and of sum 1 along the axis."""
    y = below_largest(x, axis)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y.astype(x.dtype, copy=False)


@kernel("softmax.grad", backend="numpy")
def softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """Return grad_x from the gradient and the value of the softmax."""
    grads = wide(grad_y)
    mean = (grads * y).sum(axis=axis, keepdims=True)
    return ((grads - mean) * y).astype(y.dtype, copy=False)


@kernel("log_softmax.forward", backend="numpy")
def log_softmax_forward(x: Array, axis: int) -> Array:
    """Return the logarithm of the softmax along the axis."""
    y = below_largest(x, axis)
    y -= np.log(np.exp(y).sum(axis=axis, keepdims=True))
    return y.astype(x.dtype, copy=False)


@kernel("log_softmax.grad", backend="numpy")
def log_softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """Return grad_x from the gradient and the value of the log-softmax."""
    grads = wide(grad_y)
    return (grads - np.exp(wide(y)) * grads.sum(axis=axis, keepdims=True)).astype(y.dtype, copy=False)
