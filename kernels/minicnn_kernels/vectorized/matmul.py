"""Matrix product of the last two axes; leading axes broadcast. NumPy hands it to BLAS."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .common import wide


@kernel("matmul", backend="numpy")
def matmul(a: Array, b: Array) -> Array:
    """Return (..., M, N) from a (..., M, K) and b (..., K, N)."""
    return np.matmul(wide(a), wide(b)).astype(a.dtype, copy=False)
