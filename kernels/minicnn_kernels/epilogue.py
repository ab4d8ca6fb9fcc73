"""What is still done to a result before it is stored: the steps that usually follow a convolution or a batch norm.

A network adds, scales and clips right after each of its large operations. Done on their own, these steps read and
write the whole array again; done on the numbers just computed, while they are in registers, they are nearly free::

    y = clamp(result*scale + bias + residual, low, high)

ReLU is ``low = 0``; ReLU6 is ``low = 0, high = 6``; a batch norm with fixed statistics after a convolution is a scale
and a bias; the end of a residual block is a residual and ``low = 0``.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np

from .arrays import Array
from .errors import ShapeError


class Epilogue(NamedTuple):
    """The steps, each of which may be absent.

    Attributes
    ----------
    scale : array (O,), optional
        Factor of each channel.
    residual : array of the result's shape, optional
    low, high : float
        Bounds; infinite where there is none. NaN stays NaN.
    """

    scale: Array | None = None
    residual: Array | None = None
    low: float = -inf
    high: float = inf

    def apply(self, y: Array, bias: Array | None) -> Array:
        """Compute it for ``y (N, O, ...)`` step by step: the definition."""
        per_channel = (1, -1) + (1,) * (y.ndim - 2)
        if self.scale is not None:
            y = y * self.scale.reshape(per_channel)
        if bias is not None:
            y = y + bias.reshape(per_channel)
        if self.residual is not None:
            y = y + self.residual
        if self.low > -inf or self.high < inf:
            y = np.clip(y, self.low, self.high)
        return y


NONE = Epilogue()


def passes(y: Any, low: float, high: float) -> Any:
    """Where a gradient passes a clamp whose result is ``y``: where no bound is reached.

    An infinite bound is none, so an infinite ``y`` has not reached it, and neither has NaN.
    """
    return np.logical_not(((y <= low) & (low > -inf)) | ((y >= high) & (high < inf)))


def check_matrices(operation: str, batch: tuple[int, ...], bias: Array | None, epilogue: Epilogue) -> None:
    """Refuse a bias or an epilogue for a stack of matrices, whose axis 1 is not the columns'."""
    if batch and (bias is not None or epilogue is not NONE):
        raise ShapeError(
            f"{operation}: bias and epilogue belong to the columns of one matrix; got a stack of shape {batch}. "
            "Fix: reshape the left factor to one matrix, or add the bias afterwards"
        )
