"""The sum of two arrays of one shape: ``y[i] = a[i] + b[i]``."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel


@kernel("add.forward", backend="reference")
def add_forward(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a + b``, broadcast to one shape; ``out`` may be ``a`` itself."""
    a, b = np.broadcast_arrays(a, b)
    y = np.empty(a.shape, np.result_type(a, b)) if out is None else out
    with np.errstate(over="ignore"):  # as NumPy does for arrays
        for index in np.ndindex(y.shape):
            y[index] = a[index] + b[index]
    return y
