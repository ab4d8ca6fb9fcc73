"""Formulas with one set of numbers per channel: what a normalisation does with its sums, forward and backward.

The matrix is that of ``columns.py``, whose columns are channels, dealt out in the same chunks. Each formula is computed
in one pass, with all that is done to its result: what a pass over memory costs is reading and writing it.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..memory import empty_like
from .columns import part, plan, vectors
from .fetching import fetch_ahead
from .jit import in_sequence, run_on_team, serial, serial_no_alias, share, unsigned
from .layout import channels_first


@serial_no_alias
def affine_rows(y, x, mean, scale, shift, residual, add, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    v, q, count, c = unsigned(v), unsigned(q), unsigned(rows), unsigned(c)
    for _ in range(count):
        fetch_ahead(x, q, c)
        if add:
            fetch_ahead(residual, q, c)
        for j in range(c):
            value = (x[q + j] - mean[v + j]) * scale[v + j] + shift[v + j]
            if add:
                value += residual[q + j]
            value = low if value < low else value  # NaN is neither below nor above: it stays
            y[q + j] = high if value > high else value
        q += c


@serial
def affine_tasks(thread, y, x, mean, scale, shift, residual, add, low, high, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = part(t, rows, width, chunk)
        affine_rows(y, x, mean, scale, shift, residual, add, low, high, sample * width, q, count, width)


@in_sequence
def _affine(threads, y, x, mean, scale, shift, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    low, high = x.dtype.type(-np.inf), x.dtype.type(np.inf)
    numbers = mean, scale, shift, x, False, low, high
    run_on_team(affine_tasks, threads, (y, x, *numbers, samples, rows, width, chunk))


def affine(x: Array, mean: Array | float, scale: Array, shift: Array | float) -> Array:
    """``(x - mean)*scale + shift`` with a mean, scale and shift per sample and channel."""
    y = empty_like(x)
    if x.size:
        cut = plan(x.shape)
        _affine(y.reshape(-1), x.reshape(-1), *vectors(x, cut, mean, scale, shift), *cut)
    return y


@serial_no_alias
def _blend_rows(out, g, x, mean, a, b, d, scale, shift, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    """``a*h + b*(x - mean) + d``: ``h`` is ``g``, and 0 where ``(x - mean)*scale + shift`` is cut."""
    v, q, c, zero = unsigned(v), unsigned(q), unsigned(c), g.dtype.type(0)
    for _ in range(rows):
        fetch_ahead(g, q, c)
        fetch_ahead(x, q, c)
        for j in range(c):
            away = x[q + j] - mean[v + j]
            result = away * scale[v + j] + shift[v + j]
            h = zero if (result <= low) | (result >= high) else g[q + j]
            out[q + j] = a[v + j] * h + b[v + j] * away + d[v + j]
        q += c


@serial_no_alias
def _blend_rows_reading(out, g, x, mean, a, b, d, y, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    """The same with ``h`` 0 where ``y`` has reached a bound."""
    v, q, c, zero = unsigned(v), unsigned(q), unsigned(c), g.dtype.type(0)
    for _ in range(rows):
        fetch_ahead(g, q, c)
        fetch_ahead(x, q, c)
        fetch_ahead(y, q, c)
        for j in range(c):
            h = zero if (y[q + j] <= low) | (y[q + j] >= high) else g[q + j]
            out[q + j] = a[v + j] * h + b[v + j] * (x[q + j] - mean[v + j]) + d[v + j]
        q += c


@serial
def blend_tasks(  # type: ignore[no-untyped-def]
    thread, out, g, x, mean, a, b, d, scale, shift, again, y, low, high, samples, rows, width, chunk
):
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = part(t, rows, width, chunk)
        v = sample * width
        if again:
            _blend_rows(out, g, x, mean, a, b, d, scale, shift, low, high, v, q, count, width)
        else:
            _blend_rows_reading(out, g, x, mean, a, b, d, y, low, high, v, q, count, width)


@in_sequence
def _blend(threads, out, g, x, mean, a, b, d, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    where = a, d, False, g, g.dtype.type(np.nan), g.dtype.type(np.nan)
    run_on_team(blend_tasks, threads, (out, g, x, mean, a, b, d, *where, samples, rows, width, chunk))


def blend(g: Array, x: Array, mean: Array, a: Array, b: Array, d: Array) -> Array:
    """``a*g + b*(x - mean) + d`` with one number of each per sample and channel."""
    out = empty_like(x)
    if x.size:
        cut = plan(x.shape)
        _blend(out.reshape(-1), g.reshape(-1), x.reshape(-1), *vectors(x, cut, mean, a, b, d), *cut)
    return out


@serial_no_alias
def _scale_rows(out, g, a, y, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    """``a*h`` with ``h`` 0 where ``y`` has reached a bound."""
    v, q, c, zero = unsigned(v), unsigned(q), unsigned(c), g.dtype.type(0)
    for _ in range(rows):
        for j in range(c):
            h = zero if (y[q + j] <= low) | (y[q + j] >= high) else g[q + j]
            out[q + j] = a[v + j] * h
        q += c


@serial
def scale_tasks(thread, out, g, a, y, low, high, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = part(t, rows, width, chunk)
        _scale_rows(out, g, a, y, low, high, sample * width, q, count, width)


def or_default(vector: Array | None, default: float) -> Array:
    """``vector`` in float64, or one number for all channels where it is None."""
    return np.asarray(default if vector is None else vector, np.float64)


def in_shape_of(x: Array, y: Array) -> Array:
    """``y (S, P, C)`` in the shape of ``x (N, C, *)``."""
    return channels_first(y.reshape(len(x), *x.shape[2:], x.shape[1]))
