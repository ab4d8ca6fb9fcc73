"""NaN around every buffer: a kernel that reads outside computes NaN, and one that writes outside is found out."""

from __future__ import annotations

from typing import Any

import numpy as np

MARGIN = 67  # numbers on either side; odd, so that the buffer is aligned to nothing


class Guards:
    """Hands out buffers inside of larger ones that hold NaN."""

    def __init__(self) -> None:
        self._surroundings: list[tuple[np.ndarray, int]] = []

    def empty(self, shape: Any, dtype: Any) -> np.ndarray:
        """Stand in for ``memory.empty``; it holds NaN, so that a result which is not written shows."""
        size = int(np.prod(shape))
        whole = np.full(size + 2 * MARGIN, np.nan, dtype)
        self._surroundings.append((whole, size))
        return whole[MARGIN : MARGIN + size].reshape(shape)

    def around(self, x: np.ndarray) -> np.ndarray:
        """The values of ``x (N, C, H, W)`` in channels-last memory."""
        n, c, h, w = x.shape
        y = self.empty((n, h, w, c), x.dtype)
        y[...] = x.transpose(0, 2, 3, 1)
        return y.transpose(0, 3, 1, 2)

    def check(self) -> None:
        for whole, size in self._surroundings:
            assert np.isnan(whole[:MARGIN]).all(), "written before the buffer"
            assert np.isnan(whole[MARGIN + size :]).all(), "written behind the buffer"
