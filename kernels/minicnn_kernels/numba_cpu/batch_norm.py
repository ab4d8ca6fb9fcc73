"""Batch normalisation: mean 0 and variance 1 per channel, over the batch and all pixels.

With ``m`` values per channel, ``rstd = 1/sqrt(var + eps)`` and ``x_hat = (x - mean)*rstd``::

    y      = clamp(x_hat*weight + bias + residual, low, high)
    h      = grad_y, and 0 where y has reached low or high
    grad_x = weight*rstd * (h - mean of h - x_hat * mean of (h*x_hat))

The formulas' source and derivation stand in ``reference/batch_norm.py``. Here they are four passes over
channels-last memory: one for mean and variance, one for the result with what follows it (``epilogue.py``), one for the
gradient's two sums, one for the gradient. Nothing is stored between them: ``x_hat`` is cheaper to compute
again than to read, and so is ``y``, if no residual was added. The loops are in ``columns.py`` and ``columnwise.py``.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, nan
from typing import Any

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..errors import ShapeError
from ..memory import empty
from .columns import combine, dot_tasks, partial_sums, plan, reached, square_tasks
from .columnwise import affine_tasks, blend_tasks, scale_tasks
from .jit import FLOATS, in_sequence, numba_kernel, run_on_team, serial
from .layout import channels_first, channels_last


def _rows(x: Array) -> Array:
    """The memory of ``x (N, C, *)``, channels last."""
    return channels_last(x).reshape(-1)


def _one_sample(x: Array) -> tuple[int, int, int]:
    """The shape of ``x (N, C, *)`` as one sample of pixels: ``(1, N*..., C)``."""
    return 1, x.size // max(x.shape[1], 1), x.shape[1]


def _new(x: Array) -> tuple[Array, Array]:
    """An array like ``x (N, C, *)``, and its memory, channels last."""
    y = empty((len(x), *x.shape[2:], x.shape[1]), x.dtype)
    return channels_first(y), y.reshape(-1)


@lru_cache
def _nothing(dtype: np.dtype[Any]) -> Array:
    return np.empty(0, dtype)


def _per_channel(x: Array, *vectors: Array | None) -> list[Array]:
    """Vectors of ``x (N, C, *)`` as compiled code takes them: of length 0 where there is none."""
    found = []
    for vector in vectors:
        if vector is None:
            vector = _nothing(x.dtype)
        elif vector.shape != x.shape[1:2]:
            raise ShapeError(f"batch norm: expected one number per channel, ({x.shape[1]},); got {vector.shape}")
        found.append(vector if vector.dtype in FLOATS else vector.astype(np.float64))
    return found


def weight_times_rstd(weight: Array | None, var: Array, eps: float) -> Array:
    """``weight*rstd`` in float64."""
    std = var.astype(np.float64)
    std += eps
    np.sqrt(std, std)
    return np.divide(1.0 if weight is None else weight, std, std)


@serial
def _rstd(var, c, eps):  # type: ignore[no-untyped-def]
    return 1 / np.sqrt(np.float64(var[c]) + eps)


@serial
def _scale(weight, var, c, eps):  # type: ignore[no-untyped-def]
    """``weight*rstd``, as :func:`weight_times_rstd` has it."""
    return np.float64(weight[c]) / np.sqrt(np.float64(var[c]) + eps) if len(weight) else _rstd(var, c, eps)


@serial
def _repeat(vector, channels, width):  # type: ignore[no-untyped-def]
    """What ``vector`` has for its first pixel, for all that are folded into a row (``columns.py``)."""
    for j in range(channels, width):
        vector[j] = vector[j - channels]


@serial
def _line(x, mean, var, weight, bias, eps, channels, width):  # type: ignore[no-untyped-def]
    """Mean, scale and shift of each number in a row: the norm is ``(x - mean)*scale + shift``."""
    centre, scale, shift = np.empty(width, x.dtype), np.empty(width, x.dtype), np.zeros(width, x.dtype)
    for c in range(channels):
        centre[c], scale[c] = mean[c], _scale(weight, var, c, eps)
        if len(bias):
            shift[c] = bias[c]
    for vector in (centre, scale, shift):
        _repeat(vector, channels, width)
    return centre, scale, shift


@in_sequence
def _statistics(threads, mean, var, sums, shifts, x, channels, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    half = len(sums) // 2
    means, squares, pixels = sums[:half], sums[half:], rows * width // channels
    run_on_team(square_tasks, threads, (means, squares, shifts, x, samples, rows, width, chunk))
    centre, square = np.zeros(channels), np.zeros(channels)
    combine(centre, square, means, squares, 0, rows, width, chunk, channels)
    for c in range(channels):
        mean[c], var[c] = centre[c], square[c] / pixels


@numba_kernel("batch_norm.statistics")
def batch_norm_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean (C,) and the biased variance (C,) of this batch."""
    channels = x.shape[1]
    mean, var = np.zeros(channels, x.dtype), np.zeros(channels, x.dtype)
    if x.size:
        cut = plan(_one_sample(x))
        sums = partial_sums(cut, channels, 2).reshape(-1)
        _statistics(mean, var, sums, empty((len(sums) // 2,), x.dtype), _rows(x), channels, *cut)
    return mean, var


@in_sequence
def _normalize(  # type: ignore[no-untyped-def]
    threads, y, x, mean, var, weight, bias, eps, residual, add, low, high, channels, samples, rows, width, chunk
):
    centre, scale, shift = _line(x, mean, var, weight, bias, eps, channels, width)
    end = residual, add, x.dtype.type(low), x.dtype.type(high)
    run_on_team(affine_tasks, threads, (y, x, centre, scale, shift, *end, samples, rows, width, chunk))


@numba_kernel("batch_norm.normalize")
def batch_norm_normalize(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> Array:
    """Normalise by given statistics; add a residual and clamp."""
    y, out = _new(x)
    if x.size:
        memory, residual = _rows(x), epilogue.residual
        added = memory if residual is None else _rows(residual)
        end = added, residual is not None, float(epilogue.low), float(epilogue.high)
        numbers = *_per_channel(x, mean, var, weight, bias), float(eps)
        _normalize(out, memory, *numbers, *end, x.shape[1], *plan(_one_sample(x)))
    return y


@in_sequence
def _grad(  # type: ignore[no-untyped-def]
    threads, out, masked, keep, g, x, mean, var, weight, bias, eps, fixed, again, y, low, high, sums, grad_weight,
    grad_bias, channels, samples, rows, width, chunk,
):  # fmt: skip
    kind, count, half = x.dtype, width // channels * ((rows + chunk - 1) // chunk), len(sums) // 2
    centre, scale, shift = _line(x, mean, var, weight, bias, eps, channels, width)
    slope, offset = np.empty(width, kind), np.empty(width, kind)
    total, dot, lowest, highest = sums[:half], sums[half:], kind.type(low), kind.type(high)
    where = scale, shift, again, y, lowest, highest
    run_on_team(dot_tasks, threads, (total, dot, masked, keep, g, x, centre, *where, samples, rows, width, chunk))
    for i in range(1, count):
        for c in range(channels):
            total[c] += total[i * channels + c]
            dot[c] += dot[i * channels + c]
    pixels = rows * width // channels
    for c in range(channels):
        rstd, factor = _rstd(var, c, eps), _scale(weight, var, c, eps)
        gradient = dot[c] * rstd
        slope[c], offset[c] = -factor * rstd * gradient / pixels, -factor * total[c] / pixels
        grad_weight[c], grad_bias[c] = gradient, total[c]
    for vector in (slope, offset):
        _repeat(vector, channels, width)
    if keep:  # the second pass need not mask again
        g, y, again, lowest, highest = masked, masked, False, kind.type(np.nan), kind.type(np.nan)
    if fixed:
        run_on_team(scale_tasks, threads, (out, g, scale, y, lowest, highest, samples, rows, width, chunk))
    else:
        numbers = centre, scale, slope, offset, scale, shift, again, y, lowest, highest
        run_on_team(blend_tasks, threads, (out, g, x, *numbers, samples, rows, width, chunk))


@numba_kernel("batch_norm.grad")
def batch_norm_grad(
    grad_y: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    eps: float,
    fixed: bool,
    y: Array | None = None,
    low: float = -inf,
    high: float = inf,
    residual: bool = False,
    plain: bool = False,
    bias: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Return grad_x, grad_weight (C,), grad_bias (C,) and, if there was a residual, its gradient.

    ``fixed`` statistics do not depend on x; ``y`` is the result, if it was clamped to ``low`` and ``high``. It is not
    read, and need not be given, if it is ``plain``, nothing but x, normalised and clamped: to compute that again is
    cheaper.
    """
    if y is None and plain and fixed:
        y = batch_norm_normalize(x, mean, var, weight, bias, eps, Epilogue(None, None, low, high))
    grad_x, out = _new(x)
    grad_residual, masked = _new(x) if residual else (None, out)
    grad_weight, grad_bias = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    if not x.size:
        return grad_x, grad_weight, grad_bias, grad_residual
    g, memory, again = _rows(grad_y), _rows(x), plain and not fixed
    cut_off = again or y is not None
    bounds = (reached(low), reached(high)) if cut_off else (nan, nan)
    where = fixed, again, g if y is None or again else _rows(y), *bounds
    cut = plan(_one_sample(x))
    sums = partial_sums(cut, x.shape[1], 2).reshape(-1)
    numbers = *_per_channel(x, mean, var, weight, bias), float(eps)
    _grad(out, masked, residual, g, memory, *numbers, *where, sums, grad_weight, grad_bias, x.shape[1], *cut)
    return grad_x, grad_weight, grad_bias, grad_residual
