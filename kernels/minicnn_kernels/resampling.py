"""Which input pixels an output pixel of a resized image looks at, along one axis.

Output pixel ``i`` of ``out`` lies at input coordinate ``t`` of ``size`` pixels.
Pixels are squares, and coordinates count from the centre of the first one::

    align_corners=False    t = (i + 1/2) * step - 1/2    step = size / out, or 1 / scale_factor if given
    align_corners=True     t = i * step                  step = (size - 1) / (out - 1)

so that either the outer edges of the images coincide or the centres of their
corner pixels. Nearest neighbour takes the pixel ``floor(i * step)``, with the
first step: PyTorch's "nearest" and OpenCV's INTER_NEAREST.
"""

from __future__ import annotations

import numpy as np

from .arrays import Array


def nearest_indices(size: int, out: int, scale: float | None = None) -> Array:
    """Return the input index of each output pixel: ``min(floor(i * step), size - 1)``.

    Parameters
    ----------
    size, out : int
        Number of input and output pixels.
    scale : float, optional
        A scale factor whose inverse is the step, instead of ``size / out``.

    Examples
    --------
    >>> nearest_indices(3, 6)
    array([0, 0, 1, 1, 2, 2])
    """
    step = np.float32(size / out if scale is None else 1 / scale)  # PyTorch computes in single precision
    positions = np.floor(np.arange(out, dtype=np.float32) * step).astype(np.int64)
    return np.minimum(positions, size - 1)


def bilinear_table(
    size: int, out: int, align_corners: bool = False, scale: float | None = None
) -> tuple[Array, Array, Array]:
    """Return ``(low, high, fraction)``: output ``i`` is ``(1 - fraction)*x[low] + fraction*x[high]``.

    ``t`` below 0 counts as 0, and ``high`` stays inside: the border pixels are repeated.

    Examples
    --------
    >>> low, high, fraction = bilinear_table(2, 4)
    >>> low, high
    (array([0, 0, 0, 1]), array([1, 1, 1, 1]))
    >>> fraction
    array([0.  , 0.25, 0.75, 0.25])
    """
    i = np.arange(out, dtype=np.float64)
    if align_corners:
        t = i * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        step = size / out if scale is None else 1 / scale
        t = np.maximum((i + 0.5) * step - 0.5, 0.0)
    low = np.minimum(np.floor(t).astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    return low, high, np.clip(t - low, 0.0, 1.0)
