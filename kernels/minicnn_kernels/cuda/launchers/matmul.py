"""Matrix product of the last two axes, by cuBLAS; what follows it in one launch more."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, namespace
from ...epilogue import NONE, Epilogue, check_matrices
from ...precision import matmul_tf32
from .channels import finish, follows
from .launch import launcher, product


@launcher("matmul", "channels.finish")
def matmul(a: Array, b: Array, bias: Array | None = None, epilogue: Epilogue = NONE) -> Array:
    """``(..., M, N)``; transposed views are read as they lie."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    check_matrices("matmul", batch, bias, epilogue)
    y = namespace(a).empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    product(a, b, y, matmul_tf32())
    scale, residual, low, high = epilogue
    return finish(y, scale, bias, residual, low, high) if follows(bias, epilogue) else y
