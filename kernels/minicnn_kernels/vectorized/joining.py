"""Concatenation: NumPy copies each array to its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..registry import kernel


@kernel("cat.forward", backend="numpy")
def cat_forward(arrays: Sequence[Array], axis: int) -> Array:
    """Return the arrays one after another along ``axis``."""
    return np.concatenate(arrays, axis)
