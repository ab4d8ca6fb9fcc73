"""The sum of two arrays of one shape: ``y[i] = a[i] + b[i]``."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel


@kernel("add.forward", backend="numpy")
def add_forward(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a + b``, broadcast; ``out`` may be ``a`` itself."""
    return np.add(a, b) if out is None else np.add(a, b, out=out)
