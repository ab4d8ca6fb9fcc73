"""Counting classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion_counts(true: NDArray[Any], predicted: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """How often class i (row) was taken for class j (column).

    Parameters
    ----------
    true, predicted : array (N,) of int
        Numbers from 0 to ``classes - 1``.
    classes : int

    Returns
    -------
    array (classes, classes) of int

    Examples
    --------
    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = true.astype(np.int64) * classes + predicted.astype(np.int64)  # row by row
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
