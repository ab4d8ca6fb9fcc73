"""Dropout: every element is set to 0 with probability p, the others are divided by 1 - p.

Element ``i`` (counted in C order) is dropped if its random number is less than
``p``; the number is a hash of the seed and ``i`` (splitmix64), the same on every backend.

Source: Srivastava et al., *Dropout*, 2014; Steele, Lea & Flood, *Fast splittable
pseudorandom number generators*, 2014, figure 17 (splitmix64).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio
BLOCK = 2**16  # random numbers made at a time: their temporaries stay in the cache


def hashes(seed: int | Array, start: int, stop: int, like: Array | None = None) -> Array:
    """Return the numbers ``start .. stop - 1`` (uint64) of the stream ``seed``, as an array like ``like``.

    In a captured graph the seed is an array (1,) of uint64 on the device, which every replay reads anew.
    """
    z = np.arange(start + 1, stop + 1, dtype=np.uint64, like=like)  # arithmetic of uint64 arrays is modulo 2^64
    z *= np.uint64(GOLDEN)
    z += np.uint64(seed % 2**64) if isinstance(seed, int) else seed
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return z ^ z >> np.uint64(31)


def uniform(seed: int | Array, start: int, stop: int, like: Array | None = None) -> Array:
    """Return the random numbers ``start .. stop - 1`` of the stream ``seed``, multiples of 2^-24 in [0, 1)."""
    return (hashes(seed, start, stop, like) >> np.uint64(40)) / 2**24


@kernel("dropout.forward", backend="numpy")
def dropout_forward(x: Array, p: float, seed: int | Array) -> tuple[Array, Array]:
    """Return y and the mask of the elements that were kept, both shaped like x."""
    keep = np.empty(x.shape, bool, like=x)
    flat = keep.reshape(x.size)  # a view, in C order
    for start in range(0, x.size, BLOCK):
        stop = min(start + BLOCK, x.size)
        flat[start:stop] = uniform(seed, start, stop, x) >= p
    return dropout_grad(x, keep, p), keep


@kernel("dropout.grad", backend="numpy")
def dropout_grad(grad_y: Array, keep: Array, p: float) -> Array:
    """Return grad_x: what was kept passes, divided by 1 - p."""
    zero = grad_y.dtype.type(0)
    return np.where(keep, grad_y * (1 / (1 - p)), zero) if p < 1 else np.zeros_like(grad_y)  # 0 * inf would be NaN
