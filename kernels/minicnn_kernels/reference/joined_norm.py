"""Batch normalisation of arrays joined along their channels: what a layer of a DenseNet begins with.

The result is that of ``batch_norm.py`` for the joined array. The gradient comes in two parts, because many such
gradients are added up, and the second part is then needed only once. With ``rstd = 1/sqrt(var + eps)``, ``m`` values
per channel, and ``h`` for ``grad_y``, 0 where the clamp has cut::

    grad_x = direct + slope * (x - mean) + offset

    direct = weight*rstd * h
    slope  = -weight*rstd^2/m * grad_weight          grad_weight = sum of h * (x - mean)*rstd
    offset = -weight*rstd/m * grad_bias              grad_bias = sum of h
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue, passes
from ..registry import kernel
from .batch_norm import batch_norm_normalize, scale_and_shift
from .indexing import doubles, flat_planes
from .joining import cat_forward


@kernel("batch_norm.normalize_joined", backend="reference")
def batch_norm_normalize_joined(
    parts: Sequence[Array],
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> Array:
    """Return the joined parts, normalised by given statistics; add a residual and clamp."""
    return batch_norm_normalize(cat_forward(parts, 1), mean, var, weight, bias, eps, epilogue)


@kernel("batch_norm.grad_joined", backend="reference")
def batch_norm_grad_joined(
    grad_y: Array,
    parts: Sequence[Array],
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    low: float = -math.inf,
    high: float = math.inf,
    out: Array | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return direct, slope (C,), offset (C,), grad_weight (C,) and grad_bias (C,).

    The result was clamped to ``low`` and ``high``. ``direct`` is added to ``out``, in place, if that is given.
    """
    x, h = doubles(flat_planes(cat_forward(parts, 1))), doubles(flat_planes(grad_y))
    y = scale_and_shift(x, doubles(mean), doubles(var), weight, bias, eps)
    batch, channels, places = x.shape
    direct = np.empty(x.shape)
    slope, offset, grad_weight, grad_bias = np.zeros((4, channels))
    for n, c, p in np.ndindex(x.shape):
        rstd = 1 / math.sqrt(float(var[c]) + eps)
        if not passes(y[n, c, p], low, high):
            h[n, c, p] = 0.0
        grad_weight[c] += h[n, c, p] * (x[n, c, p] - float(mean[c])) * rstd
        grad_bias[c] += h[n, c, p]
        direct[n, c, p] = h[n, c, p] * rstd * (1.0 if weight is None else float(weight[c]))
    for c in range(channels):
        rstd = 1 / math.sqrt(float(var[c]) + eps)
        scale = rstd * (1.0 if weight is None else float(weight[c])) / max(batch * places, 1)
        slope[c], offset[c] = -scale * rstd * grad_weight[c], -scale * grad_bias[c]
    direct = direct.reshape(grad_y.shape).astype(grad_y.dtype)
    if out is not None:
        out += direct
        direct = out
    kind = np.promote_types(grad_y.dtype, np.float32)
    return (
        direct,
        slope.astype(kind),
        offset.astype(kind),
        grad_weight.astype(grad_y.dtype),
        grad_bias.astype(grad_y.dtype),
    )


@kernel("batch_norm.add_line", backend="reference")
def batch_norm_add_line(total: Array, x: Array, mean: Array, slope: Array, offset: Array) -> Array:
    """Add ``slope*(x - mean) + offset`` to ``total (N, C, *)``, in place, and return it."""
    for index in np.ndindex(x.shape):
        c = index[1]
        total[index] += float(slope[c]) * (float(x[index]) - float(mean[c])) + float(offset[c])
    return total
