"""Softmax and its logarithm along one axis, a row at a time.

::

    softmax(x)_i = e^(x_i - max) / sum_j e^(x_j - max)        log_softmax(x)_i = x_i - max - log(sum_j e^(x_j - max))
    grad_x = y * (grad_y - sum of grad_y*y)                   grad_x = grad_y - e^y * (sum of grad_y)

Subtracting the maximum changes nothing and keeps ``e^x`` from overflowing. A row is read three times, from the cache
the second and third.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Array
from .jit import numba_kernel, parallel, serial_reordered, unsigned
from .mathematics import exp

TASK = 4096  # elements in one task, about


@serial_reordered
def exp_sum(x, p, d):  # type: ignore[no-untyped-def]
    """The maximum of ``x[p : p+d]`` and the sum of ``e^(x - maximum)``."""
    top = x[p]
    for j in range(unsigned(p), unsigned(p + d)):
        top = x[j] if x[j] > top else top
    total = x.dtype.type(0)
    for j in range(unsigned(p), unsigned(p + d)):
        total += exp(x[j] - top)
    return top, total


@serial_reordered
def _softmax_row(y, x, p, d, logarithm):  # type: ignore[no-untyped-def]
    top, total = exp_sum(x, p, d)
    if logarithm:
        shift = top + np.log(total)
        for j in range(unsigned(p), unsigned(p + d)):
            y[j] = x[j] - shift
    else:
        for j in range(unsigned(p), unsigned(p + d)):
            y[j] = exp(x[j] - top) / total


@parallel
def _softmax(y, x, m, d, rows, logarithm):  # type: ignore[no-untyped-def]
    for t in prange((m + rows - 1) // rows):
        for i in range(t * rows, min(m, t * rows + rows)):
            _softmax_row(y, x, i * d, d, logarithm)


@serial_reordered
def _softmax_row_grad(gx, g, y, p, d, logarithm):  # type: ignore[no-untyped-def]
    total = y.dtype.type(0)
    if logarithm:
        for j in range(unsigned(p), unsigned(p + d)):
            total += g[j]
        for j in range(unsigned(p), unsigned(p + d)):
            gx[j] = g[j] - exp(y[j]) * total
    else:
        for j in range(unsigned(p), unsigned(p + d)):
            total += g[j] * y[j]
        for j in range(unsigned(p), unsigned(p + d)):
            gx[j] = y[j] * (g[j] - total)


@parallel
def _softmax_grad(gx, g, y, m, d, rows, logarithm):  # type: ignore[no-untyped-def]
    for t in prange((m + rows - 1) // rows):
        for i in range(t * rows, min(m, t * rows + rows)):
            _softmax_row_grad(gx, g, y, i * d, d, logarithm)


def rows_per_task(d: int) -> int:
    """How many rows of ``d`` elements one task takes."""
    return max(1, TASK // max(d, 1))


def _rows(x: Array, axis: int) -> Array:
    """``x`` with ``axis`` last, contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, axis, -1))


def _forward(x: Array, axis: int, logarithm: bool) -> Array:
    rows = _rows(x, axis)
    d = rows.shape[-1]
    y = np.empty_like(rows)
    if rows.size:
        _softmax(y.reshape(-1), rows.reshape(-1), rows.size // d, d, rows_per_task(d), logarithm)
    return np.moveaxis(y, -1, axis)


def _grad(grad_y: Array, y: Array, axis: int, logarithm: bool) -> Array:
    g, rows = _rows(grad_y, axis), _rows(y, axis)
    d = rows.shape[-1]
    grad_x = np.empty_like(rows)
    if rows.size:
        memories = grad_x.reshape(-1), g.reshape(-1), rows.reshape(-1)
        _softmax_grad(*memories, rows.size // d, d, rows_per_task(d), logarithm)
    return np.moveaxis(grad_x, -1, axis)


@numba_kernel("softmax.forward")
def softmax_forward(x: Array, axis: int) -> Array:
    """Positive numbers that sum to 1 along the axis."""
    return _forward(x, axis, False)


@numba_kernel("softmax.grad")
def softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """Return ``y * (grad_y - sum of grad_y*y)``."""
    return _grad(grad_y, y, axis, False)


@numba_kernel("log_softmax.forward")
def log_softmax_forward(x: Array, axis: int) -> Array:
    """The logarithm of softmax, accurate where softmax itself would round to 0."""
    return _forward(x, axis, True)


@numba_kernel("log_softmax.grad")
def log_softmax_grad(grad_y: Array, y: Array, axis: int) -> Array:
    """Return ``grad_y - e^y * (sum of grad_y)``."""
    return _grad(grad_y, y, axis, True)
