"""Dropout: every element draws its own random number, a hash (splitmix64) of the seed and its position.

The position counts in C order of ``(N, C, *)``, so that every backend and every memory layout drops the same
elements; in channels-last memory neighbouring channels are ``H*W`` positions apart. No state is
carried from element to element: any thread can compute any part. The source is given in ``reference/dropout.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..memory import empty
from .elementwise import CHUNK, aligned, shaped
from .jit import numba_kernel, parallel, serial_no_alias, share

GOLDEN, MIX1, MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S24, S27, S30, S31, S40 = (np.uint64(bits) for bits in (24, 27, 30, 31, 40))


@serial_no_alias
def _drop(y, keep, x, seed, threshold, scale, first, last, pixels, c):  # type: ignore[no-untyped-def]
    """Elements ``first .. last-1`` of memory ``(N, pixels, c)`` whose positions count as in ``(N, c, pixels)``."""
    zero = x.dtype.type(0)
    for row in range(first // c, (last - 1) // c + 1):
        low, high = max(first, row * c), min(last, row * c + c)
        start = row // pixels * c * pixels + row % pixels  # position of the row's first channel
        for j in range(np.uint64(low), np.uint64(high)):
            position = np.uint64(start) + (j - np.uint64(row * c)) * np.uint64(pixels)
            z = seed + (position + np.uint64(1)) * GOLDEN
            z = (z ^ (z >> S30)) * MIX1
            z = (z ^ (z >> S27)) * MIX2
            z = z ^ (z >> S31)
            kept = (z >> S40) >= threshold
            keep[j] = kept
            y[j] = x[j] * scale if kept else zero  # a choice: inf * 0 would be NaN


@parallel
def _drops(thread, y, keep, x, seed, threshold, scale, size, pixels, c):  # type: ignore[no-untyped-def]
    for t in share(thread, (size + CHUNK - 1) // CHUNK):
        _drop(y, keep, x, seed, threshold, scale, t * CHUNK, min(size, t * CHUNK + CHUNK), pixels, c)


def _scale(p: float, like: Array) -> np.floating:
    return like.dtype.type(1 / (1 - p) if p < 1 else 0)


@numba_kernel("dropout.forward")
def dropout_forward(x: Array, p: float, seed: int) -> tuple[Array, Array]:
    """Return y and the mask of the elements that were kept, both shaped like x."""
    if x.ndim > 2 and not x.flags.c_contiguous and np.moveaxis(x, 1, -1).flags.c_contiguous:
        pixels, c = int(np.prod(x.shape[2:])), x.shape[1]
    else:
        x = np.asarray(x, order="C")  # ascontiguousarray would turn () into (1,)
        pixels, c = 1, x.size
    y, keep = empty(x.size, x.dtype), empty(x.size, bool)
    if x.size:
        threshold = np.uint64(np.ceil(p * 2**24))  # u >= p, in units of 2^-24
        memory = aligned(x)[0]
        with np.errstate(over="ignore"):  # modulo 2^64; plain Python (NUMBA_DISABLE_JIT) would warn
            _drops(y, keep, memory, np.uint64(seed % 2**64), threshold, _scale(p, x), x.size, pixels, c)
    return shaped(y, x), shaped(keep, x)


@serial_no_alias
def _pass(grad_x, g, keep, scale, first, last):  # type: ignore[no-untyped-def]
    zero = g.dtype.type(0)
    for j in range(np.uint64(first), np.uint64(last)):
        grad_x[j] = g[j] * scale if keep[j] else zero


@parallel
def _passes(thread, grad_x, g, keep, scale, size):  # type: ignore[no-untyped-def]
    for t in share(thread, (size + CHUNK - 1) // CHUNK):
        _pass(grad_x, g, keep, scale, t * CHUNK, min(size, t * CHUNK + CHUNK))


@numba_kernel("dropout.grad")
def dropout_grad(grad_y: Array, keep: Array, p: float) -> Array:
    """What was kept passes, divided by 1 - p."""
    g, kept = aligned(grad_y, keep)
    grad_x = empty(g.shape, g.dtype)
    _passes(grad_x, g, kept, _scale(p, g), g.size)
    return shaped(grad_x, grad_y)
