"""What is done to the input of a convolution before it is multiplied: a batch norm, and the rectifier after it.

A bottleneck normalises, rectifies and then mixes channels by a 1x1 convolution. Done one after the other, the
normalised array is written to memory once and read twice, forward and for the gradient of the weights. Done while the
convolution loads its input, it is never in memory::

    x = clamp((x - mean)/sqrt(var + eps)*weight + bias, low, high)        for x = the parts, joined along the channels
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

from .arrays import Array
from .epilogue import Epilogue


class Prologue(NamedTuple):
    """The steps, with one number per channel.

    Attributes
    ----------
    mean, var : array (C,)
    weight, bias : array (C,), optional
    eps : float
    low, high : float
        Bounds; infinite where there is none. NaN stays NaN.
    """

    mean: Array
    var: Array
    weight: Array | None
    bias: Array | None
    eps: float
    low: float = -inf
    high: float = inf

    def normalization(self, parts: Sequence[Array]) -> tuple[Any, ...]:
        """The arguments of ``batch_norm.normalize_joined`` that compute it by itself."""
        return tuple(parts), *self[:5], Epilogue(None, None, self.low, self.high)
