"""Batch norms that became a scale and a shift: computed once, and again when a number behind them has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..ops.normalisation import scale_and_shift
from .watching import changed, remember


class Folded:
    """Puts the scale and the shift of one batch norm into their slots.

    Parameters
    ----------
    sources : sequence of (Tensor, array or None)
        Bias of the convolution; mean, variance, weight and bias of the batch norm.
    eps : float
    dtype : numpy.dtype
        Of the convolution.
    places : (int, int)
        The slots of scale and shift.
    """

    def __init__(self, sources: Sequence[Any], eps: float, dtype: np.dtype[Any], places: tuple[int, int]) -> None:
        self.sources, self.eps, self.dtype, self.places = sources, eps, dtype, places
        self.known: list[Any] | None = None  # what they were computed from
        self.numbers = np.empty((2, self._channels()), dtype)  # scale and shift; always this memory

    def _channels(self) -> int:
        mean = self.sources[1]
        return (mean._array if isinstance(mean, Tensor) else mean).size

    def update(self) -> None:
        """Compute scale and shift anew if the array of a source is another one or its memory was written to."""
        if self.known is None or changed(self.known):
            self.compute()

    def fill(self, slots: list[Any]) -> None:
        """Put scale and shift, as they are now, into their slots."""
        self.update()
        slots[self.places[0]], slots[self.places[1]] = self.numbers

    def compute(self) -> None:
        """Scale and shift from the sources as they are now."""
        known = remember([t for t in self.sources if isinstance(t, Tensor)])
        before, mean, var, weight, bias = [t._array if isinstance(t, Tensor) else t for t in self.sources]
        self.numbers[...] = scale_and_shift(before, mean, var, weight, bias, self.eps)
        self.known = known
