"""Softmax and its logarithm along one axis.

::

    softmax(x)_i     = exp(x_i - max x) / sum over k of exp(x_k - max x)
    log_softmax(x)_i = x_i - max x - log(sum over k of exp(x_k - max x))

Subtracting the largest value changes nothing in exact arithmetic and keeps exp
from overflowing. The gradients are those of a vector function, so they mix all entries::

    softmax:      grad_x_i = y_i * (grad_y_i - sum over k of grad_y_k * y_k)
    log_softmax:  grad_x_i = grad_y_i - exp(y_i) * sum over k of grad_y_k

Source: Bridle, 1990; Goodfellow, Bengio & Courville, *Deep Learning*, 2016, section 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .indexing import doubles

Row = list[float]


def along(axis: int, formula: Callable[..., Row], *arrays: Array) -> Array:
    """Apply a formula for one vector to all vectors along an axis of arrays of one shape."""
    rows = [np.moveaxis(doubles(array), axis, -1) for array in arrays]
    result = np.empty(arrays[0].shape, arrays[0].dtype)
    target = np.moveaxis(result, axis, -1)
    for at in np.ndindex(target.shape[:-1]):
        target[at] = formula(*(row[at].tolist() for row in rows))
    return result


def log_sum_exp(x: Row) -> float:
    """Return log(sum of exp(x)), computed around the largest entry."""
    largest = max(x)
    return largest + math.log(sum(math.exp(value - largest) for value in x))


@kernel("softmax.forward", backend="reference")
def softmax_forward(x: Array, axis: int) -> Array:
    """Return y like x, positive and of sum 1 along the axis."""
    return along(axis, lambda x: [math.exp(value - log_sum_exp(x)) for value in x], x)


@kernel("softmax.grad", backend="reference")
def softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """Return grad_x from the gradient and the value of the softmax."""

    def formula(grad_y: Row, y: Row) -> Row:
        mean = sum(g * p for g, p in zip(grad_y, y, strict=True))
        return [p * (g - mean) for g, p in zip(grad_y, y, strict=True)]

    return along(axis, formula, grad_y, y)


@kernel("log_softmax.forward", backend="reference")
def log_softmax_forward(x: Array, axis: int) -> Array:
    """Return the logarithm of the softmax along the axis."""
    return along(axis, lambda x: [value - log_sum_exp(x) for value in x], x)


@kernel("log_softmax.grad", backend="reference")
def log_softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """Return grad_x from the gradient and the value of the log-softmax."""
    return along(axis, lambda g, y: [g[i] - math.exp(y[i]) * sum(g) for i in range(len(y))], grad_y, y)
