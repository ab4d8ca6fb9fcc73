"""Batch norms that became a scale and a shift: computed once, and again when a number behind them has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..ops.normalisation import scale_and_shift


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
        self.tensors = [t for t in sources if isinstance(t, Tensor)]
        self.known: tuple[Any, ...] | None = None  # what it was computed from, and the two vectors

    def fill(self, slots: list[Any]) -> None:
        """Find out whether a source has changed, by the identity of arrays and the counts of writes to their memory."""
        state: list[Any] = []
        for t in self.tensors:
            memory = t._versions.memory
            if memory.exposed:  # somebody may have it as a NumPy array, and change it unseen
                state.append(object())
            state += (t._array, memory.writes)
        known = self.known
        if known is None or len(known[0]) != len(state) or not all(a is b for a, b in zip(known[0], state, strict=True)):
            known = self.known = state, self.compute()
        slots[self.places[0]], slots[self.places[1]] = known[1]

    def compute(self) -> tuple[Any, ...]:
        """Scale and shift, from the numbers as they are now."""
        arrays = [t._array if isinstance(t, Tensor) else t for t in self.sources]
        return tuple(numbers.astype(self.dtype) for numbers in scale_and_shift(*arrays, self.eps))
