"""Adding two arrays: where a kernel pays, and where NumPy is as fast.

Every sum of two gradients goes this way, and every ``+`` of two tensors. Most arrays in it are small, or of two shapes;
to choose a kernel for them takes longer than to add them.
"""

from __future__ import annotations

import numpy as np

from .arrays import Array
from .registry import call

LARGE = 2**14  # elements: from here on threads are faster


def add(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a + b``, broadcast as NumPy does.

    Parameters
    ----------
    a, b : array
    out : array, optional
        Where the sum is written; it may be ``a`` itself.

    Examples
    --------
    >>> add(np.array([1.0, 2.0]), np.array(10.0))
    array([11., 12.])
    """
    if a.size < LARGE or a.shape != b.shape or a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        return np.add(a, b) if out is None else np.add(a, b, out=out)
    return call("add.forward", a, b, out)  # type: ignore[no-any-return]
