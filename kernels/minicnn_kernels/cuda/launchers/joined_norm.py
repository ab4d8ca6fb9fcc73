"""Batch normalisation of arrays joined along their channels: joined by one launch, and then as any other."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from ...arrays import Array, namespace
from ...epilogue import NONE, Epilogue
from .batch_norm import batch_norm_grad, batch_norm_normalize
from .joining import add_forward, cat_forward
from .launch import launcher


@launcher("batch_norm.normalize_joined", "batch_norm.normalize")
def batch_norm_normalize_joined(
    parts: Sequence[Array],
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> Array:
    """The joined parts, normalised by given statistics; two launches."""
    return batch_norm_normalize(cat_forward(parts, 1), mean, var, weight, bias, eps, epilogue)


@launcher("batch_norm.grad_joined", "batch_norm.grad_input")
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
    """direct (added to ``out``, if that is given), slope (C,), offset (C,), grad_weight (C,) and grad_bias (C,)."""
    x = cat_forward(parts, 1)
    y = batch_norm_normalize(x, mean, var, weight, bias, eps, Epilogue(None, None, low, high))
    direct, grad_weight, grad_bias, _ = batch_norm_grad(grad_y, x, mean, var, weight, eps, True, y, low, high)
    rstd, count = 1 / np.sqrt(var + eps), max(x.size // max(x.shape[1], 1), 1)
    scale = (rstd if weight is None else rstd * weight) / count
    if out is not None:
        direct = add_forward(out, direct, out)
    return direct, -scale * rstd * grad_weight, -scale * grad_bias, grad_weight, grad_bias


@launcher("batch_norm.add_line", "batch_norm.normalize")
def batch_norm_add_line(total: Array, x: Array, mean: Array, slope: Array, offset: Array) -> Array:
    """Add ``slope*(x - mean) + offset`` to ``total``, in place: a batch norm of variance 1, and a residual."""
    one = namespace(x).ones(x.shape[1], x.dtype)
    total[...] = batch_norm_normalize(x, mean, one, slope, offset, 0.0, Epilogue(None, total))
    return total
