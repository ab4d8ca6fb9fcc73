"""Batch normalisation of arrays joined along their channels; ``reference/joined_norm.py`` has the formulas.

::

    grad_x = direct + slope * (x - mean) + offset

Where many gradients are added up, as in a DenseNet, only ``direct`` is added each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue, passes
from ..registry import kernel
from .batch_norm import batch_norm_normalize, centre, scale_and_shift, values_per_channel
from .common import channel_sum, channel_vector, wide


@kernel("batch_norm.normalize_joined", backend="numpy")
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
    return batch_norm_normalize(np.concatenate(parts, 1), mean, var, weight, bias, eps, epilogue)


@kernel("batch_norm.grad_joined", backend="numpy")
def batch_norm_grad_joined(
    grad_y: Array,
    parts: Sequence[Array],
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    low: float = -inf,
    high: float = inf,
    out: Array | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return direct, slope (C,), offset (C,), grad_weight (C,) and grad_bias (C,).

    The result was clamped to ``low`` and ``high``. ``direct`` is added to ``out``, in place, if that is given.
    """
    x, variance = np.concatenate(parts, 1), var.astype(np.float64)
    y = scale_and_shift(centre(x, mean), variance, weight, bias, eps)
    h = wide(np.where(passes(y, low, high), grad_y, grad_y.dtype.type(0)))
    rstd, count, kind = 1 / np.sqrt(variance + eps), values_per_channel(x), grad_y.dtype
    scale = rstd if weight is None else rstd * weight
    grad_weight, grad_bias = channel_sum(h * centre(x, mean)) * rstd, channel_sum(h)
    direct = (h * channel_vector(scale, h.ndim).astype(h.dtype)).astype(kind, copy=False)
    if out is not None:
        out += direct
        direct = out
    slope, offset = -scale * rstd * grad_weight / count, -scale * grad_bias / count
    return direct, slope.astype(h.dtype), offset.astype(h.dtype), grad_weight.astype(kind), grad_bias.astype(kind)


@kernel("batch_norm.add_line", backend="numpy")
def batch_norm_add_line(total: Array, x: Array, mean: Array, slope: Array, offset: Array) -> Array:
    """Add ``slope*(x - mean) + offset`` to ``total (N, C, *)``, in place, and return it."""
    line = centre(x, mean)
    line *= channel_vector(slope, x.ndim).astype(line.dtype)
    total += (line + channel_vector(offset, x.ndim)).astype(total.dtype)
    return total
