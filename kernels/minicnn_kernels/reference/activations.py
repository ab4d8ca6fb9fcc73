"""Activation functions, one number at a time.

==============  ===========================  ==========================================================
activation      formula                      source
==============  ===========================  ==========================================================
relu            max(x, 0)                    Nair & Hinton 2010; Krizhevsky et al. 2012, section 3.1
leaky_relu      x if x > 0 else slope*x      Maas, Hannun & Ng 2013
prelu           the slope is learnt          He et al. 2015, *Delving deep into rectifiers*
relu6           min(max(x, 0), 6)            Howard et al. 2017, *MobileNets*
elu             x if x > 0 else a*(e^x - 1)  Clevert, Unterthiner & Hochreiter 2015
sigmoid         1 / (1 + e^-x)               Rumelhart, Hinton & Williams 1986
tanh            (e^x - e^-x)/(e^x + e^-x)    LeCun et al. 1998, *Efficient backprop*
silu (swish)    x * sigmoid(x)               Ramachandran, Zoph & Le 2017
hardsigmoid     relu6(x + 3) / 6             Howard et al. 2019, *Searching for MobileNetV3*
hardswish       x * relu6(x + 3) / 6         the same, section 5.2
==============  ===========================  ==========================================================

``grad`` multiplies the gradient of the output by the derivative. At a kink the
derivative is the one PyTorch takes: 0 for relu, relu6 and hardsigmoid, the slope for the leaky ones.
At NaN relu and relu6 let the gradient pass.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .indexing import doubles, each


def logistic(x: float) -> float:
    """Return 1 / (1 + e^-x) without overflow: e is raised to negative numbers only."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))


@kernel("relu.forward", backend="reference")
def relu_forward(x: Array, out: Array | None = None) -> Array:
    """Return max(x, 0); NaN stays NaN. ``out`` may be x itself."""
    y = each(lambda x: 0.0 if x <= 0 else x, x)
    if out is None:
        return y
    out[...] = y
    return out


@kernel("relu.grad", backend="reference")
def relu_grad(grad_y: Array, y: Array) -> Array:
    """Return 0 where y <= 0, else grad_y."""
    return each(lambda g, y: 0.0 if y <= 0 else g, grad_y, y)


@kernel("leaky_relu.forward", backend="reference")
def leaky_relu_forward(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope*x."""
    return each(lambda x: x if x > 0 else slope * x, x)


@kernel("leaky_relu.grad", backend="reference")
def leaky_relu_grad(grad_y: Array, x: Array, slope: float) -> Array:
    """Return grad_y where x > 0, else slope*grad_y."""
    return each(lambda g, x: g if x > 0 else slope * g, grad_y, x)


@kernel("relu6.forward", backend="reference")
def relu6_forward(x: Array) -> Array:
    """Return x cut off below 0 and above 6."""
    return each(lambda x: 0.0 if x < 0 else 6.0 if x > 6 else x, x)


@kernel("relu6.grad", backend="reference")
def relu6_grad(grad_y: Array, x: Array) -> Array:
    """Return 0 where x <= 0 or x >= 6, else grad_y."""
    return each(lambda g, x: 0.0 if x <= 0 or x >= 6 else g, grad_y, x)


@kernel("elu.forward", backend="reference")
def elu_forward(x: Array, alpha: float) -> Array:
    """Return x where x > 0, else alpha*(e^x - 1)."""
    return each(lambda x: x if x > 0 else alpha * math.expm1(x), x)


@kernel("elu.grad", backend="reference")
def elu_grad(grad_y: Array, x: Array, alpha: float) -> Array:
    """Return grad_y where x > 0, else grad_y*alpha*e^x."""
    return each(lambda g, x: g if x > 0 else g * alpha * math.exp(x), grad_y, x)


@kernel("sigmoid.forward", backend="reference")
def sigmoid_forward(x: Array) -> Array:
    """Return 1 / (1 + e^-x)."""
    return each(logistic, x)


@kernel("sigmoid.grad", backend="reference")
def sigmoid_grad(grad_y: Array, y: Array) -> Array:
    """Return grad_y * y*(1 - y)."""
    return each(lambda g, y: g * y * (1 - y), grad_y, y)


@kernel("tanh.forward", backend="reference")
def tanh_forward(x: Array) -> Array:
    """Return the hyperbolic tangent of x."""
    return each(math.tanh, x)


@kernel("tanh.grad", backend="reference")
def tanh_grad(grad_y: Array, y: Array) -> Array:
    """Return grad_y * (1 - y^2)."""
    return each(lambda g, y: g * (1 - y * y), grad_y, y)


@kernel("silu.forward", backend="reference")
def silu_forward(x: Array) -> Array:
    """Return x * sigmoid(x)."""
    return each(lambda x: x * logistic(x), x)


@kernel("silu.grad", backend="reference")
def silu_grad(grad_y: Array, x: Array) -> Array:
    """Return grad_y * s*(1 + x*(1 - s)) with s = sigmoid(x)."""
    return each(lambda g, x: g * logistic(x) * (1 + x * (1 - logistic(x))), grad_y, x)


@kernel("hardsigmoid.forward", backend="reference")
def hardsigmoid_forward(x: Array) -> Array:
    """Return x/6 + 1/2, cut off below 0 and above 1."""
    return each(lambda x: min(max(x + 3, 0), 6) / 6, x)


@kernel("hardsigmoid.grad", backend="reference")
def hardsigmoid_grad(grad_y: Array, x: Array) -> Array:
    """Return grad_y/6 where -3 < x < 3, else 0."""
    return each(lambda g, x: g / 6 if -3 < x < 3 else 0.0, grad_y, x)


@kernel("hardswish.forward", backend="reference")
def hardswish_forward(x: Array) -> Array:
    """Return x * hardsigmoid(x)."""
    return each(lambda x: x * min(max(x + 3, 0), 6) / 6, x)


@kernel("hardswish.grad", backend="reference")
def hardswish_grad(grad_y: Array, x: Array) -> Array:
    """Return 0 up to -3, grad_y from 3 on, and grad_y * (x/3 + 1/2) between."""
    return each(lambda g, x: 0.0 if x <= -3 else g if x >= 3 else g * (x / 3 + 0.5), grad_y, x)


@kernel("prelu.forward", backend="reference")
def prelu_forward(x: Array, weight: Array) -> Array:
    """Return x (N, C, *) where x > 0, else weight*x, with one weight for all channels or one each."""
    values, slopes = doubles(x), doubles(weight)
    y = np.empty(x.shape, x.dtype)
    for at in np.ndindex(x.shape):
        slope = slopes[0] if len(slopes) == 1 else slopes[at[1]]
        y[at] = values[at] if values[at] > 0 else slope * values[at]
    return y


@kernel("prelu.grad", backend="reference")
def prelu_grad(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """Return grad_x and grad_weight; a weight is used by all negative inputs of its channel."""
    grads, values, slopes = doubles(grad_y), doubles(x), doubles(weight)
    grad_x, grad_weight = np.empty(x.shape, x.dtype), np.zeros(weight.shape)
    for at in np.ndindex(x.shape):
        channel = 0 if len(slopes) == 1 else at[1]
        grad_x[at] = grads[at] if values[at] > 0 else slopes[channel] * grads[at]
        grad_weight[channel] += 0.0 if values[at] > 0 else values[at] * grads[at]
    return grad_x, grad_weight.astype(x.dtype)
