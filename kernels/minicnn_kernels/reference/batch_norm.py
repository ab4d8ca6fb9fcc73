"""Batch normalisation: every channel gets mean 0 and variance 1 over the batch and the plane.

For each channel, over the ``m`` values of all samples and positions::

    mean = 1/m * sum of x            var = 1/m * sum of (x - mean)^2
    x_hat = (x - mean) / sqrt(var + eps)
    y = weight * x_hat + bias

In training the mean and the variance depend on x, so the gradient has three terms::

    grad_bias = sum of grad_y        grad_weight = sum of grad_y * x_hat
    grad_x = weight / sqrt(var + eps) * (grad_y - grad_bias/m - x_hat * grad_weight/m)

In evaluation they are constants and only the first term remains.

Source: Ioffe & Szegedy, *Batch normalization*, 2015, algorithm 1 and section 3.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue, passes
from ..registry import kernel
from .indexing import doubles, flat_planes


def statistics(values: Array) -> tuple[Array, Array]:
    """Return mean and (biased) variance of every channel of values (N, C, P), in two passes."""
    batch, channels, places = values.shape
    count = max(batch * places, 1)
    mean, var = np.zeros(channels), np.zeros(channels)
    for n, c, p in np.ndindex(values.shape):
        mean[c] += values[n, c, p] / count
    for n, c, p in np.ndindex(values.shape):
        var[c] += (values[n, c, p] - mean[c]) ** 2 / count
    return mean, var


def scale_and_shift(
    values: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """Return ``(values - mean) / sqrt(var + eps) * weight + bias`` for values (N, C, P)."""
    y = np.empty(values.shape)
    for n, c, p in np.ndindex(values.shape):
        x_hat = (values[n, c, p] - mean[c]) / math.sqrt(var[c] + eps)
        y[n, c, p] = x_hat * (1.0 if weight is None else float(weight[c])) + (0.0 if bias is None else float(bias[c]))
    return y


@kernel("batch_norm.statistics", backend="reference")
def batch_norm_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean (C,) and the biased variance (C,) of this batch of x (N, C, *)."""
    mean, var = statistics(doubles(flat_planes(x)))
    kind = np.promote_types(x.dtype, np.float32)  # of float16 too many numbers are added up for float16
    return mean.astype(kind), var.astype(kind)


@kernel("batch_norm.normalize", backend="reference")
def batch_norm_normalize(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> Array:
    """Return y like x (N, C, *), normalised by given statistics; add a residual and clamp."""
    y = scale_and_shift(doubles(flat_planes(x)), doubles(mean), doubles(var), weight, bias, eps)
    return epilogue.apply(y.reshape(x.shape), None).astype(x.dtype)


@kernel("batch_norm.grad", backend="reference")
def batch_norm_grad(
    grad_y: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    eps: float,
    fixed: bool,
    y: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    residual: bool = False,
    plain: bool = False,
    bias: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Return grad_x, grad_weight (C,), grad_bias (C,) and, if there was a ``residual``, its gradient.

    ``fixed``: mean and var do not depend on x. ``y``: the result, clamped to [low, high]; no gradient passes where
    it was cut. ``plain``: it is nothing but x, normalised and clamped, which a backend may compute again with ``bias``;
    then it need not be given.
    """
    grads, values = doubles(flat_planes(grad_y)), doubles(flat_planes(x))
    if y is None and plain:
        y = batch_norm_normalize(x, mean, var, weight, bias, eps, Epilogue(None, None, low, high))
    if y is not None:
        results = flat_planes(y)
        for position in np.ndindex(grads.shape):
            if not passes(results[position], low, high):
                grads[position] = 0.0
    batch, channels, places = values.shape
    rstd = [1 / math.sqrt(float(var[c]) + eps) for c in range(channels)]
    grad_weight, grad_bias = np.zeros(channels), np.zeros(channels)
    for n, c, p in np.ndindex(values.shape):
        x_hat = (values[n, c, p] - float(mean[c])) * rstd[c]
        grad_weight[c] += grads[n, c, p] * x_hat
        grad_bias[c] += grads[n, c, p]
    grad_x = np.empty(values.shape)
    for n, c, p in np.ndindex(values.shape):
        scale = rstd[c] * (1.0 if weight is None else float(weight[c]))
        if fixed:
            grad_x[n, c, p] = scale * grads[n, c, p]
        else:
            x_hat = (values[n, c, p] - float(mean[c])) * rstd[c]
            through_statistics = (grad_bias[c] + x_hat * grad_weight[c]) / (batch * places)
            grad_x[n, c, p] = scale * (grads[n, c, p] - through_statistics)
    grad_residual = grads.reshape(x.shape).astype(grad_y.dtype) if residual else None
    return (
        grad_x.reshape(x.shape).astype(x.dtype),
        grad_weight.astype(x.dtype),
        grad_bias.astype(x.dtype),
        grad_residual,
    )
