"""Matrix products, batched: every one is the engine of ``product.py`` with plain rows and columns."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..memory import empty
from .jit import numba_kernel
from .layout import flat
from .product import product


def _starts(x: Array, strides: tuple[int, ...], batch: tuple[int, ...]) -> Array:
    """Where each matrix of the batch begins in the memory of ``x``; axes of length 1 are repeated."""
    starts = np.zeros(batch, np.int64)
    for axis, (size, stride) in enumerate(zip(x.shape[-3::-1], strides[-3::-1], strict=True)):  # the last one first
        starts += (np.arange(size) * stride).reshape(-1, *(1,) * axis)
    return starts.ravel()


@numba_kernel("matmul")
def matmul(a: Array, b: Array) -> Array:
    """``c[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]``; a transposed view costs no copy."""
    m, k = a.shape[-2:]
    n = b.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    c = empty((*batch, m, n), a.dtype)
    if c.size:
        memory_a, strides_a = flat(a)
        memory_b, strides_b = flat(b)
        starts = np.zeros((int(np.prod(batch)), 4), np.int64)
        starts[:, 0] = np.arange(len(starts)) * (m * n)
        starts[:, 1] = _starts(a, strides_a, batch)
        starts[:, 2] = _starts(b, strides_b, batch)
        product(
            c.reshape(-1),
            memory_a,
            memory_b,
            n=n,
            a_sizes=(1, 1, m, 1, 1, k),
            a_strides=(0, 0, strides_a[-2], 0, 0, strides_a[-1]),
            b_strides=(0, 0, strides_b[-2], strides_b[-1]),
            c_strides=(0, 0, n, 1),
            starts=tuple(map(tuple, starts.tolist())),
        )
    return c
