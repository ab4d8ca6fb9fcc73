"""Matrix product of the last two axes: ``y[m, n] = sum over k of a[m, k] * b[k, n]``.

Leading axes are a batch and broadcast as in NumPy.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue, check_matrices
from ..registry import kernel
from .indexing import doubles


@kernel("matmul", backend="reference")
def matmul(a: Array, b: Array, bias: Array | None = None, epilogue: Epilogue = NONE) -> Array:
    """Return (..., M, N) from a (..., M, K) and b (..., K, N); with bias (N,) and epilogue from matrices only."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    check_matrices("matmul", batch, bias, epilogue)
    (rows, inner), columns = a.shape[-2:], b.shape[-1]
    left = np.broadcast_to(doubles(a), (*batch, rows, inner))
    right = np.broadcast_to(doubles(b), (*batch, inner, columns))
    y = np.zeros((*batch, rows, columns))
    for s in np.ndindex(batch):
        for m in range(rows):
            for n in range(columns):
                for k in range(inner):
                    y[(*s, m, n)] += left[(*s, m, k)] * right[(*s, k, n)]
    return epilogue.apply(y, bias).astype(a.dtype)
