"""Dropout: in training every element is set to 0 with probability p, the others are divided by 1 - p.

The division keeps the expected value, so that evaluation needs no change.
Element ``i`` (counted in C order) is dropped if its own random number is less
than ``p``. That number is a hash of the seed and of ``i`` alone (splitmix64),
so every backend draws the same mask, whatever the number of threads.

Source: Srivastava et al., *Dropout*, 2014; Steele, Lea & Flood, *Fast splittable
pseudorandom number generators*, 2014, figure 17 (splitmix64).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .indexing import each


def uniform(seed: int, i: int) -> float:
    """Return random number ``i`` of the stream ``seed``: one of the 2^24 multiples of 2^-24 in [0, 1)."""
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    z = z ^ z >> 31
    return (z >> 40) / 2**24


@kernel("dropout.forward", backend="reference")
def dropout_forward(x: Array, p: float, seed: int) -> tuple[Array, Array]:
    """Return y and the mask of the elements that were kept, both shaped like x."""
    keep = np.empty(x.shape, bool)
    for i, at in enumerate(np.ndindex(x.shape)):
        keep[at] = uniform(seed, i) >= p
    return dropout_grad(x, keep, p), keep


@kernel("dropout.grad", backend="reference")
def dropout_grad(grad_y: Array, keep: Array, p: float) -> Array:
    """Return grad_x: what was kept passes, divided by 1 - p."""
    return each(lambda g, kept: g / (1 - p) if kept else 0.0, grad_y, keep)
