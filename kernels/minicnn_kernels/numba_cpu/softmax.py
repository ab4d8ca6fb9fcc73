"""Softmax and its logarithm along one axis, a row at a time.

::

    softmax(x)_i = e^(x_i - max) / sum_j e^(x_j - max)        log_softmax(x)_i = x_i - max - log(sum_j e^(x_j - max))
    grad_x = y * (grad_y - sum of grad_y*y)                   grad_x = grad_y - e^y * (sum of grad_y)

Subtracting the maximum changes nothing and keeps ``e^x`` from overflowing. A row is read three times, from the cache
the second and third; softmax keeps ``e^x`` where the result will be, and divides it by the sum later.

The maximum is one of integers. A float's bits, read as an integer, are in the order of the floats (the lower
bits of negative ones have to be flipped), and of integers LLVM finds the maximum in vector registers; of floats it
does not, because of NaN: measured 10 times slower. A NaN that the maximum misses is in the sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ..arrays import Array
from ..memory import empty
from .jit import numba_kernel, parallel, serial, serial_reordered, share, unsigned
from .mathematics import exp

TASK = 4096  # elements in one task, about
SIGN, MAGNITUDE, LEAST = np.int32(31), np.int32(2**31 - 1), np.int32(-(2**31))


@serial
def _top32(x, p, d):  # type: ignore[no-untyped-def]
    key = LEAST
    for j in range(unsigned(p), unsigned(p + d)):
        bits = np.float32(x[j]).view(np.int32)
        key = max(key, np.int32(bits ^ ((bits >> SIGN) & MAGNITUDE)))
    return np.int32(key ^ ((key >> SIGN) & MAGNITUDE)).view(np.float32)


@serial
def _top(x, p, d):  # type: ignore[no-untyped-def]
    top = x[p]
    for j in range(unsigned(p), unsigned(p + d)):
        top = x[j] if x[j] > top else top
    return top


def greatest(x: Array, p: int, d: int) -> Any:
    """Return the maximum of ``x[p : p+d]``."""
    return _top32(x, p, d) if x.itemsize == 4 else _top(x, p, d)


@overload(greatest)
def _greatest(x, p, d):  # type: ignore[no-untyped-def]
    """What compiled functions call instead of :func:`greatest`."""
    if x.dtype == types.float32:
        return lambda x, p, d: _top32(x, p, d)
    return lambda x, p, d: _top(x, p, d)


@serial_reordered
def exp_sum(x, p, d):  # type: ignore[no-untyped-def]
    """The maximum of ``x[p : p+d]`` and the sum of ``e^(x - maximum)``."""
    top = greatest(x, p, d)
    total = x.dtype.type(0)
    for j in range(unsigned(p), unsigned(p + d)):
        total += exp(x[j] - top)
    return top, total


@serial
def log_probabilities(y, x, p, d, top, total):  # type: ignore[no-untyped-def]
    """``y = (x - top) - log(total)``, in this order: the sum of top and logarithm would lose a small logarithm."""
    logarithm = np.log(total)
    for j in range(unsigned(p), unsigned(p + d)):
        y[j] = (x[j] - top) - logarithm


@serial_reordered
def _softmax_row(y, x, p, d, logarithm):  # type: ignore[no-untyped-def]
    if logarithm:
        top, total = exp_sum(x, p, d)
        log_probabilities(y, x, p, d, top, total)
        return
    top, total = greatest(x, p, d), x.dtype.type(0)
    for j in range(unsigned(p), unsigned(p + d)):
        y[j] = exp(x[j] - top)
        total += y[j]
    factor = x.dtype.type(1) / total
    for j in range(unsigned(p), unsigned(p + d)):
        y[j] *= factor


@parallel
def _softmax(thread, y, x, m, d, rows, logarithm):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + rows - 1) // rows):
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
def _softmax_grad(thread, gx, g, y, m, d, rows, logarithm):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + rows - 1) // rows):
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
    y = empty(rows.shape, rows.dtype)
    if rows.size:
        _softmax(y.reshape(-1), rows.reshape(-1), rows.size // d, d, rows_per_task(d), logarithm)
    return np.moveaxis(y, -1, axis)


def _grad(grad_y: Array, y: Array, axis: int, logarithm: bool) -> Array:
    g, rows = _rows(grad_y, axis), _rows(y, axis)
    d = rows.shape[-1]
    grad_x = empty(rows.shape, rows.dtype)
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
