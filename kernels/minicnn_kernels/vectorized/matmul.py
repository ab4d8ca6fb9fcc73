"""Matrix product of the last two axes; leading axes broadcast. NumPy hands it to BLAS."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue, check_matrices
from ..registry import kernel
from .common import wide


@kernel("matmul", backend="numpy")
def matmul(a: Array, b: Array, bias: Array | None = None, epilogue: Epilogue = NONE) -> Array:
    """Return (..., M, N) from a (..., M, K) and b (..., K, N); with bias (N,) and epilogue from matrices only."""
    y = np.matmul(wide(a), wide(b))
    check_matrices("matmul", y.shape[:-2], bias, epilogue)
    return epilogue.apply(y, bias).astype(a.dtype, copy=False)
