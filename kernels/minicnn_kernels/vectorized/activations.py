"""Activation functions on whole arrays; the formulas and their sources are in ``reference/activations.py``."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .common import channel_sum, channel_vector, wide


@kernel("relu.forward", backend="numpy")
def relu_forward(x: Array, out: Array | None = None) -> Array:
    """Return max(x, 0); NaN stays NaN. ``out`` may be x itself."""
    return np.maximum(x, 0, out=out)


@kernel("relu.grad", backend="numpy")
def relu_grad(grad_y: Array, y: Array) -> Array:
    """Return 0 where y <= 0, else grad_y."""
    return np.where(y <= 0, grad_y.dtype.type(0), grad_y)  # not a product: 0 * inf would be NaN


@kernel("leaky_relu.forward", backend="numpy")
def leaky_relu_forward(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope*x."""
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


@kernel("leaky_relu.grad", backend="numpy")
def leaky_relu_grad(grad_y: Array, x: Array, slope: float) -> Array:
    """Return grad_y where x > 0, else slope*grad_y."""
    return np.where(x > 0, grad_y, slope * grad_y)


@kernel("relu6.forward", backend="numpy")
def relu6_forward(x: Array) -> Array:
    """Return x cut off below 0 and above 6."""
    return np.clip(x, 0, 6)


@kernel("relu6.grad", backend="numpy")
def relu6_grad(grad_y: Array, x: Array) -> Array:
    """Return 0 where x <= 0 or x >= 6, else grad_y."""
    return np.where((x <= 0) | (x >= 6), grad_y.dtype.type(0), grad_y)


@kernel("elu.forward", backend="numpy")
def elu_forward(x: Array, alpha: float) -> Array:
    """Return x where x > 0, else alpha*(e^x - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@kernel("elu.grad", backend="numpy")
def elu_grad(grad_y: Array, x: Array, alpha: float) -> Array:
    """Return grad_y where x > 0, else grad_y*alpha*e^x."""
    return np.where(x > 0, grad_y, grad_y * alpha * np.exp(np.minimum(x, 0)))


@kernel("sigmoid.forward", backend="numpy")
def sigmoid_forward(x: Array) -> Array:
    """Return 1 / (1 + e^-x) without overflow: e is raised to negative numbers only."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


@kernel("sigmoid.grad", backend="numpy")
def sigmoid_grad(grad_y: Array, y: Array) -> Array:
    """Return grad_y * y*(1 - y)."""
    return grad_y * y * (1 - y)


@kernel("tanh.forward", backend="numpy")
def tanh_forward(x: Array) -> Array:
    """Return the hyperbolic tangent of x."""
    return np.tanh(x)


@kernel("tanh.grad", backend="numpy")
def tanh_grad(grad_y: Array, y: Array) -> Array:
    """Return grad_y * (1 - y^2)."""
    return grad_y * (1 - y * y)


@kernel("silu.forward", backend="numpy")
def silu_forward(x: Array) -> Array:
    """Return x * sigmoid(x)."""
    return x * sigmoid_forward(x)


@kernel("silu.grad", backend="numpy")
def silu_grad(grad_y: Array, x: Array) -> Array:
    """Return grad_y * s*(1 + x*(1 - s)) with s = sigmoid(x)."""
    s = sigmoid_forward(x)
    return grad_y * s * (1 + x * (1 - s))


@kernel("hardsigmoid.forward", backend="numpy")
def hardsigmoid_forward(x: Array) -> Array:
    """Return x/6 + 1/2, cut off below 0 and above 1."""
    return np.clip(x + 3, 0, 6) / 6


@kernel("hardsigmoid.grad", backend="numpy")
def hardsigmoid_grad(grad_y: Array, x: Array) -> Array:
    """Return grad_y/6 where -3 < x < 3, else 0."""
    return np.where((x > -3) & (x < 3), grad_y / 6, grad_y.dtype.type(0))


@kernel("hardswish.forward", backend="numpy")
def hardswish_forward(x: Array) -> Array:
    """Return x * hardsigmoid(x)."""
    return x * hardsigmoid_forward(x)


@kernel("hardswish.grad", backend="numpy")
def hardswish_grad(grad_y: Array, x: Array) -> Array:
    """Return 0 up to -3, grad_y from 3 on, and grad_y * (x/3 + 1/2) between."""
    return grad_y * np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5))


@kernel("prelu.forward", backend="numpy")
def prelu_forward(x: Array, weight: Array) -> Array:
    """Return x (N, C, *) where x > 0, else weight*x, with one weight for all channels or one each."""
    return np.maximum(x, 0) + channel_vector(weight, x.ndim) * np.minimum(x, 0)


@kernel("prelu.grad", backend="numpy")
def prelu_grad(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """Return grad_x and grad_weight; a weight is used by all negative inputs of its channel."""
    grad_x = np.where(x > 0, grad_y, channel_vector(weight, x.ndim) * grad_y)
    products = wide(grad_y) * np.minimum(x, 0)
    grad_weight = channel_sum(products) if len(weight) != 1 else products.sum(dtype=np.float64, keepdims=True).ravel()
    return grad_x, grad_weight.astype(x.dtype)
