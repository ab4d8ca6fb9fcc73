"""What the kernels share: the precision of sums, and vectors along the channel axis."""

from __future__ import annotations

import numpy as np

from ..arrays import Array


def wide(x: Array) -> Array:
    """Return x in the precision that sums are made in: float16 as float32, others as they are, not copied."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def channel_vector(values: Array, ndim: int) -> Array:
    """Reshape (C,) so that it broadcasts along axis 1 of an array with ``ndim`` axes."""
    return values.reshape(-1, *(1,) * (ndim - 2))


def channel_sum(x: Array) -> Array:
    """Return (C,) in float64: the sum of x (N, C, *) over everything but the channel.

    A million float32 values per channel are common, and the error of a float32 sum would show.
    """
    return x.sum(axis=(0, *range(2, x.ndim)), dtype=np.float64)
