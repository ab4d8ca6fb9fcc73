"""What a matrix product does to numbers while it copies them to the caches: a :class:`~..prologue.Prologue`.

Blocks are normalised where they are copied (``blocks.py``), from where the parts of a joined matrix are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import Array, address
from ..prologue import Prologue
from .batch_norm import weight_times_rstd
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
        numbers[0], numbers[1], numbers[2] = prologue.mean, scale, 0 if prologue.bias is None else prologue.bias
        words = np.empty(6 + 2 * len(parts), np.int64)
        words[0] = len(parts)
        first, step = address(numbers), numbers.strides[0]
        words[1], words[2], words[3] = first, first + step, first + 2 * step
        bounds = words.view(kind)
        bounds[4 * 8 // kind.itemsize], bounds[5 * 8 // kind.itemsize] = prologue.low, prologue.high
        words[6::2] = [address(x) for x in arrays]
        words[7::2] = [x.shape[-1] for x in arrays]
        return cls(factor, words, [numbers, *arrays])
