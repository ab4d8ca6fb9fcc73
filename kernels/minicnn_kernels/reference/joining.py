"""Concatenation: arrays one after another along one axis.

The array whose place along the axis begins at ``start`` gives ``y[..., start + i, ...] = x[..., i, ...]``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..registry import kernel


@kernel("cat.forward", backend="reference")
def cat_forward(arrays: Sequence[Array], axis: int) -> Array:
    """Return the arrays, of one element type and of equal sizes along all other axes, as one array."""
    first = arrays[0]
    axis %= first.ndim
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in arrays)
    y = np.empty(shape, first.dtype)
    start = 0
    for x in arrays:
        for index in np.ndindex(x.shape):
            y[(*index[:axis], start + index[axis], *index[axis + 1 :])] = x[index]
        start += x.shape[axis]
    return y
