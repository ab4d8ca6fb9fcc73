"""Random numbers on a GPU: a counter, hashed.

Draw number k of the seed s is the k-th number of the stream of s (splitmix64, as dropout's); it seeds a stream of its
own, whose i-th number belongs to element i. Nothing is carried from one element to the next, so every thread of the GPU
can make its own numbers, and where they are made changes nothing: they are the same on every GPU.

While a CUDA graph is captured, no numbers are drawn: what draws them is recorded. The kernels read their seed from the
GPU's memory, where each replay finds the next draw (:mod:`minicnn.core.capture`).

Source: Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011; Steele, Lea & Flood, *Fast splittable
pseudorandom number generators*, 2014, figure 17 (splitmix64).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from minicnn_kernels.vectorized.dropout import hashes

from . import capture
from . import device as devices

Shape = int | tuple[int, ...]


class Counter:
    """Draws as NumPy's generator does, by methods of the same names; the arrays are on a GPU."""

    def __init__(self, seed: int, where: devices.device) -> None:
        self.device = where
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Begin anew. A graph that was captured draws from this counter on, whatever its seed."""
        self.seed, self.count = seed, 0

    def draw(self) -> Any:
        """A number that has not been drawn before, to seed a stream; in a captured graph, an array (1,) on the GPU."""
        if capture.recording is not None:
            return capture.recording.slot(np.uint64, 1, self.next)
        return self.next()

    def next(self) -> int:
        """The next number."""
        self.count += 1
        return int(hashes(self.seed, self.count - 1, self.count)[0])

    def _bits(self, shape: Shape) -> Any:
        """Random bits, 64 for each element."""
        shape = shape if isinstance(shape, tuple) else (shape,)
        with devices.on(self.device.index):
            gpu = devices.cupy().empty(0, np.uint64)
            return hashes(self.draw(), 0, prod(shape), like=gpu).reshape(shape)

    def random(self, size: Shape, dtype: Any = np.float64) -> Any:
        """Uniform on [0, 1): 24 bits of float32, 53 of float64."""
        digits = 24 if np.dtype(dtype) == np.float32 else 53
        return (self._bits(size) >> np.uint64(64 - digits)).astype(dtype) * np.dtype(dtype).type(2.0**-digits)

    def standard_normal(self, size: Shape, dtype: Any = np.float64) -> Any:
        """Normally distributed, by the formula of Box and Muller (1958)."""
        radius = np.sqrt(-2 * np.log(1 - self.random(size)))
        return (radius * np.cos(2 * np.pi * self.random(size))).astype(dtype, copy=False)

    def gumbel(self, size: Shape) -> Any:
        """Of Gumbel's distribution, ``-log(-log(u))``."""
        return -np.log(-np.log1p(-self.random(size)))

    def integers(self, low: int, high: int, size: Shape) -> Any:
        """Integers from ``low`` to ``high - 1``."""
        return (self._bits(size) % np.uint64(high - low)).astype(np.int64) + low

    def permutation(self, n: int) -> Any:
        """The integers from 0 to ``n - 1`` in random order."""
        return np.argsort(self._bits(n))
