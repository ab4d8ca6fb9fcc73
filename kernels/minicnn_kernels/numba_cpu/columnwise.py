"""Formulas with one set of numbers per channel: what a normalisation does with its sums, forward and backward.

The matrix is that of ``columns.py``, whose columns are channels, dealt out in the same chunks. Each formula is computed
in one pass, with all that is done to its result: what a pass over memory costs is reading and writing it.
"""

from __future__ import annotations

from math import inf

import numpy as np

from ..arrays import Array
from ..memory import empty_like
from .columns import Mask, everywhere, part, plan, vectors
from .jit import parallel, serial_no_alias, share, unsigned
from .layout import channels_first


@serial_no_alias
def _affine_rows(y, x, mean, scale, shift, residual, add, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    v, q, count, c = unsigned(v), unsigned(q), unsigned(rows), unsigned(c)
    for _ in range(count):
        for j in range(c):
            value = (x[q + j] - mean[v + j]) * scale[v + j] + shift[v + j]
            if add:
                value += residual[q + j]
            value = low if value < low else value  # NaN is neither below nor above: it stays
            y[q + j] = high if value > high else value
        q += c


@parallel
def _affine(thread, y, x, mean, scale, shift, residual, add, low, high, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = part(t, rows, width, chunk)
        _affine_rows(y, x, mean, scale, shift, residual, add, low, high, sample * width, q, count, width)


def affine(
    x: Array,
    mean: Array | float,
    scale: Array,
    shift: Array | float,
    residual: Array | None = None,
    low: float = -inf,
    high: float = inf,
) -> Array:
    """``clamp((x - mean)*scale + shift + residual, low, high)`` with a mean, scale and shift per sample and channel."""
    y = empty_like(x)
    if x.size:
        cut, number = plan(x.shape), x.dtype.type
        added = (x if residual is None else residual).reshape(-1), residual is not None
        _affine(
            y.reshape(-1), x.reshape(-1), *vectors(x, cut, mean, scale, shift), *added, number(low), number(high), *cut
        )
    return y


@serial_no_alias
def _blend_rows(out, g, x, mean, a, b, d, fixed, y, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    v, q, count, c = unsigned(v), unsigned(q), unsigned(rows), unsigned(c)
    zero = g.dtype.type(0)
    for _ in range(count):
        for j in range(c):
            h = zero if (y[q + j] <= low) | (y[q + j] >= high) else g[q + j]
            if fixed:
                out[q + j] = a[v + j] * h
            else:
                out[q + j] = a[v + j] * h + b[v + j] * (x[q + j] - mean[v + j]) + d[v + j]
        q += c


@parallel
def _blend(thread, out, g, x, mean, a, b, d, fixed, y, low, high, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = part(t, rows, width, chunk)
        _blend_rows(out, g, x, mean, a, b, d, fixed, y, low, high, sample * width, q, count, width)


def blend(
    g: Array, x: Array, mean: Array, a: Array, b: Array, d: Array, where: Mask | None = None, fixed: bool = False
) -> Array:
    """``a*h + b*(x - mean) + d`` with one number of each per sample and channel; ``a*h`` alone if ``fixed``.

    ``h`` is ``g`` where it counts, else 0.
    """
    out = empty_like(x)
    if x.size:
        cut, where = plan(x.shape), where or everywhere(g)
        numbers = vectors(x, cut, mean, a, b, d)
        _blend(out.reshape(-1), g.reshape(-1), x.reshape(-1), *numbers, fixed, *where.numbers(), *cut)
    return out


def or_default(vector: Array | None, default: float) -> Array:
    """``vector`` in float64, or one number for all channels where it is None."""
    return np.asarray(default if vector is None else vector, np.float64)


def in_shape_of(x: Array, y: Array) -> Array:
    """``y (S, P, C)`` in the shape of ``x (N, C, *)``."""
    return channels_first(y.reshape(len(x), *x.shape[2:], x.shape[1]))
