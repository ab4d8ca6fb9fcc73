"""What a matrix product does to numbers while it copies them to the caches: a :class:`~..prologue.Prologue`.

Blocks are normalised where they are copied (``blocks.py``), from where the parts of a joined matrix are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..prologue import Prologue
from .batch_norm import weight_times_rstd
from .columnwise import or_default
from .layout import channels_last

A, B = "a", "b"


class Loading(NamedTuple):
    """A factor of a product that is normalised while it is loaded: rows are pixels, columns are channels.

    Attributes
    ----------
    factor : {"a", "b"}
    words : array of int64
        For ``blocks.py``: the number of parts; addresses of means, scales and shifts, lower and upper bound (the first
        bytes of the word); the address of each part and its channels.
    alive : list of arrays
        That the addresses point into.
    """

    factor: str
    words: Array
    alive: list[Array]

    @classmethod
    def of(cls, factor: str, parts: Sequence[Array], prologue: Prologue) -> Loading:
        """Of parts ``(N, C, H, W)`` joined along the channels."""
        arrays, kind = [channels_last(x) for x in parts], parts[0].dtype
        numbers = np.empty((3, len(prologue.mean)), kind)
        scale = weight_times_rstd(prologue.weight, prologue.var, prologue.eps)
        numbers[0], numbers[1], numbers[2] = prologue.mean, scale, or_default(prologue.bias, 0)
        words = np.empty(6 + 2 * len(parts), np.int64)
        words[0] = len(parts)
        words[1:4] = numbers.ctypes.data + np.arange(3) * numbers.strides[0]
        bounds = words.view(kind)
        bounds[4 * 8 // kind.itemsize], bounds[5 * 8 // kind.itemsize] = prologue.low, prologue.high
        words[6::2] = [x.ctypes.data for x in arrays]
        words[7::2] = [x.shape[-1] for x in arrays]
        return cls(factor, words, [numbers, *arrays])
