"""Adaptive pooling: the output size is given, the windows (``geometry.adaptive_bins``) follow from it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import Array
from ..geometry import Pair, adaptive_bins
from .columns import sums
from .jit import numba_kernel
from .layout import channels_last
from .max_pooling import max_pool, places_of_taps
from .resample import Sparse, resample, windows_to_sparse


@lru_cache(maxsize=256)
def bin_averages(size: int, bins: int) -> Sparse:
    """Row ``i`` averages bin ``i``."""
    spans = adaptive_bins(size, bins)
    return windows_to_sparse(spans, [end - start for start, end in spans])


@lru_cache(maxsize=256)
def _shares(size: int, bins: int) -> Sparse:
    """The transpose: row ``h`` gathers from all bins that hold ``h``."""
    return bin_averages(size, bins).transposed(size)


@numba_kernel("adaptive_avg_pool2d.forward")
def adaptive_avg_pool2d_forward(x: Array, output_size: Pair) -> Array:
    """The mean of every bin; the global one is a sum over columns, which many threads share even for one image."""
    if output_size == (1, 1) and x.size:
        n, c, h, w = x.shape
        return (sums(channels_last(x).reshape(n, h * w, c)) / (h * w)).astype(x.dtype).reshape(n, c, 1, 1)
    rows, columns = (bin_averages(size, bins) for size, bins in zip(x.shape[2:], output_size, strict=True))
    return resample(x, rows, columns)


@numba_kernel("adaptive_avg_pool2d.grad_input")
def adaptive_avg_pool2d_grad_input(grad_y: Array, input_size: Pair) -> Array:
    """A pixel gathers from all bins that hold it."""
    rows, columns = (_shares(size, bins) for size, bins in zip(input_size, grad_y.shape[2:], strict=True))
    return resample(grad_y, rows, columns)


@lru_cache(maxsize=256)
def _spans(size: int, bins: int) -> Array:
    """Each bin as ``(first, count, step, tap)``, as max pooling takes windows."""
    return np.array([(start, end - start, 1, 0) for start, end in adaptive_bins(size, bins)], np.int64).reshape(-1, 4)


@numba_kernel("adaptive_max_pool2d.forward")
def adaptive_max_pool2d_forward(x: Array, output_size: Pair) -> tuple[Array, Array]:
    """The maximum of every bin and its place ``h*W + w``."""
    rows, columns = (_spans(size, bins) for size, bins in zip(x.shape[2:], output_size, strict=True))
    tallest, widest = (int(bins[:, 1].max(initial=1)) for bins in (rows, columns))
    y, winner = max_pool(x, rows, columns, widest, np.min_scalar_type(tallest * widest - 1))
    return y, places_of_taps(winner, rows, columns, widest, x.shape[3])
