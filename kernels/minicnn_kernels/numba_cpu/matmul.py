"""Matrix products, batched: every one is the engine of ``product.py`` with plain rows and columns.

A few rows times a transposed matrix (a linear layer at batch 1) is not worth packing the matrix for: there, rows are
multiplied by rows, as dot products (``vector/dot.py``).
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue, check_matrices
from ..memory import empty
from .jit import numba_kernel, parallel, serial, share
from .layout import flat
from .product import product
from .vector.call import call
from .vector.dot import ROWS, dot

FEW_ROWS = 4  # measured: from 5 rows on, packing pays
DOTS = 64  # dot products in one task


def _starts(x: Array, strides: tuple[int, ...], batch: tuple[int, ...]) -> Array:
    """Where each matrix of the batch begins in the memory of ``x``; axes of length 1 are repeated."""
    starts = np.zeros(batch, np.int64)
    for axis, (size, stride) in enumerate(zip(x.shape[-3::-1], strides[-3::-1], strict=True)):  # the last one first
        starts += (np.arange(size) * stride).reshape(-1, *(1,) * axis)
    return starts.ravel()


@serial
def dots_of(t, y, a, b, m, n, k, many, one):  # type: ignore[no-untyped-def]
    """Some columns of Y (m, n) = A (m, k) times B (n, k) transposed; a block of B's rows serves all rows of A."""
    size = a.itemsize
    column, last = t * DOTS, min(n, (t + 1) * DOTS)
    while column < last:
        count = ROWS if column + ROWS <= last else 1
        kernel = many if count == ROWS else one
        for i in range(m):
            x, w, out = a.ctypes.data + i * k * size, b.ctypes.data + column * k * size, i * n + column
            call(kernel, (x, w, k * size, k, y.ctypes.data + out * size, size))
        column += count


@parallel
def _dots(thread, y, a, b, m, n, k, many, one):  # type: ignore[no-untyped-def]
    for t in share(thread, (n + DOTS - 1) // DOTS):
        dots_of(np.int64(t), y, a, b, m, n, k, many, one)


@numba_kernel("matmul")
def matmul(a: Array, b: Array, bias: Array | None = None, epilogue: Epilogue = NONE) -> Array:
    """``c[..., i, j] = epilogue(sum over k of a[..., i, k] * b[..., k, j])``; a transposed view costs no copy."""
    m, k = a.shape[-2:]
    n = b.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    check_matrices("matmul", batch, bias, epilogue)
    c = empty((*batch, m, n), a.dtype)
    if not c.size:
        return c
    if a.ndim == b.ndim == 2 and m <= FEW_ROWS and k and b.T.flags.c_contiguous:
        rows = np.ascontiguousarray(a)
        kernels = dot(ROWS, a.itemsize), dot(1, a.itemsize)
        _dots(c.reshape(-1), rows.reshape(-1), b.T.reshape(-1), m, n, k, *kernels)
        return c if bias is None and epilogue is NONE else epilogue.apply(c, bias)
    memory_a, strides_a = flat(a)
    memory_b, strides_b = flat(b)
    starts = np.zeros((math.prod(batch), 4), np.int64)
    if batch:
        starts[:, 0] = np.arange(len(starts)) * (m * n)
        starts[:, 1] = _starts(a, strides_a, batch)
        starts[:, 2] = _starts(b, strides_b, batch)
    if epilogue.residual is not None:
        epilogue = epilogue._replace(residual=np.ascontiguousarray(epilogue.residual))
    product(
        c.reshape(-1),
        memory_a,
        memory_b,
        n=n,
        a_sizes=(1, 1, m, 1, 1, k),
        a_strides=(0, 0, strides_a[-2], 0, 0, strides_a[-1]),
        b_strides=(0, 0, strides_b[-2], strides_b[-1]),
        c_strides=(0, 0, n, 1),
        bias=bias,
        epilogue=epilogue,
        starts=starts,
    )
    return c
