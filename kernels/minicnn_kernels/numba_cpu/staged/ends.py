"""Stages of what stands at the end of a network: averages, flattening, linear layers, and ReLU on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...arrays import Array
from ...epilogue import NONE, Epilogue
from ...geometry import Pair, Window2d
from ...stages import Laid, Stages, contiguous_numbers, staged
from ..adaptive_pooling import bin_averages
from ..addresses import pointer
from ..columns import clear, part, plan, sum_rows
from ..jit import serial, serial_no_alias, unsigned
from ..matmul import DOTS, FEW_ROWS, dots_of
from ..pooling import window_averages
from ..resample import Sparse, resample_row
from ..vector.dot import ROWS, dot
from .launch import integers, loop, numbers
from .planes import TASK, bounds_as_words, copy_stages, padded
from .products import product

_DOUBLES = np.empty(0, np.float64)
CHANNELS = 64  # in one task of a copy to the order (C, H, W)


@serial
def _doubles(address, count):  # type: ignore[no-untyped-def]
    return carray(pointer(np.uintp(address), _DOUBLES), (count,))


@loop
def _sum(task, worker, words):  # type: ignore[no-untyped-def]
    """A chunk of the pixels of one image."""
    at = integers(words, 5)
    totals, x, rows, width, chunk = _doubles(at[0], 1), numbers(at[1], 1), at[2], at[3], at[4]
    _, q, count = part(task, rows, width, chunk)
    clear(totals, task * width, width)
    sum_rows(totals, task * width, x, q, count, width)


@serial_no_alias
def _divide(y, totals, parts, channels, count):  # type: ignore[no-untyped-def]
    for j in range(unsigned(channels)):
        total = totals[j]
        for i in range(unsigned(1), unsigned(parts)):
            total += totals[unsigned(i) * unsigned(channels) + unsigned(j)]
        y[j] = total / count


@loop
def _mean(task, worker, words):  # type: ignore[no-untyped-def]
    """The means of one image from the sums of its chunks, in order."""
    at = integers(words, 5)
    parts, channels, count = at[2], at[3], at[4]
    y, totals = numbers(at[0] + task * channels * 4, 1), _doubles(at[1] + task * parts * channels * 8, 1)
    _divide(y, totals, parts, channels, count)


@loop
def _resample_row(task, worker, words):  # type: ignore[no-untyped-def]
    at = integers(words, 18)
    y, x, h, w, c, rows = numbers(at[0], 1), numbers(at[1], 1), at[2], at[3], at[4], at[5]
    row_starts, row_columns, row_values = integers(at[6], at[7]), integers(at[8], at[9]), numbers(at[10], at[11])
    starts, columns, values = integers(at[12], at[13]), integers(at[14], at[15]), numbers(at[16], at[17])
    n, i = task // rows, task % rows
    resample_row(y, x, n, i, h, w, c, row_starts, row_columns, row_values, starts, columns, values)


def _resample(stages: Stages, y: Laid, x: Laid, rows: Sparse, columns: Sparse) -> bool:
    """As ``resample``."""
    n, c, h, w = x.shape
    x = padded(stages, x, contiguous=True)
    out = y if y.whole else stages.temporary(*y.shape)
    words: list[Any] = [out, x, h, w, c, rows.rows]
    for matrix in (rows, columns):
        for table in (matrix.starts, matrix.columns, matrix.values.astype(np.float32)):
            words += [table, len(table)]
    stages.run(_resample_row(), n * rows.rows, *words)
    return out is y or copy_stages(stages, y, out)


@staged("adaptive_avg_pool2d.forward", "numba")
def adaptive_avg_pool_stages(stages: Stages, y: Laid, x: Any, output_size: Pair) -> bool:
    """As ``adaptive_avg_pool2d_forward``."""
    if not isinstance(x, Laid):
        return False
    n, c, h, w = x.shape
    if output_size != (1, 1):
        return _resample(stages, y, x, bin_averages(h, output_size[0]), bin_averages(w, output_size[1]))
    if not y.whole:
        return False
    x, cut = padded(stages, x, contiguous=True), plan((n, h * w, c))
    parts = cut.chunks * cut.width // c
    totals = stages.temporary(1, 1, n, 2 * parts * c)  # two places for each number of 8 bytes
    stages.run(_sum(), n * cut.chunks, totals, x, cut.rows, cut.width, cut.chunk)
    stages.run(_mean(), n, y, totals, parts, c, h * w)
    return True


@staged("avg_pool2d.forward", "numba")
def avg_pool_stages(
    stages: Stages, y: Laid, x: Any, window: Window2d, count_include_pad: bool, divisor_override: int | None
) -> bool:
    """As ``avg_pool2d_forward``."""
    if not isinstance(x, Laid):
        return False
    rows, columns = (window_averages(window, axis, count_include_pad, divisor_override) for axis in (0, 1))
    return _resample(stages, y, x, rows, columns)


@serial_no_alias
def _clamp_rows(y, x, rows, c, y_step, x_step, low, high):  # type: ignore[no-untyped-def]
    p, q, c = unsigned(0), unsigned(0), unsigned(c)
    for _ in range(rows):
        for j in range(c):
            value = low if x[q + j] < low else x[q + j]  # NaN is neither below nor above: it stays
            y[p + j] = high if value > high else value
        p += unsigned(y_step)
        q += unsigned(x_step)


@loop
def _clamp(task, worker, words):  # type: ignore[no-untyped-def]
    """Some rows of a matrix, or pixels."""
    at, bounds = integers(words, 7), numbers(words + 56, 4)
    count, c, x_step, y_step, some = at[2], at[3], at[4], at[5], at[6]
    first = task * some
    y, x = numbers(at[0] + first * y_step * 4, 1), numbers(at[1] + first * x_step * 4, 1)
    _clamp_rows(y, x, min(some, count - first), c, y_step, x_step, bounds[0], bounds[2])


@staged("clamp", "numba")
def clamp_stages(stages: Stages, y: Laid, x: Any, low: float, high: float) -> bool:
    """``clamp(x, low, high)``."""
    if not isinstance(x, Laid) or (len(x.shape) == 2 and x.buffer.given):
        return False
    if len(x.shape) == 2:
        (count, c), step, target = x.shape, x.strides[0], y.strides[0]
    else:
        x = padded(stages, x)
        (n, c, h, w), step, target = x.shape, x.strides[3], y.strides[3]
        count = n * h * w
    some = max(1, TASK // c)
    bounds = bounds_as_words(Epilogue(low=low, high=high))
    stages.run(_clamp(), -(-count // some), y, x, count, c, step, target, some, *bounds)
    return True


@serial_no_alias
def _turn(y, x, pixels, step, channels):  # type: ignore[no-untyped-def]
    pixels, step = unsigned(pixels), unsigned(step)
    for j in range(unsigned(channels)):
        for p in range(pixels):
            y[unsigned(j) * pixels + p] = x[p * step + unsigned(j)]


@loop
def _flatten(task, worker, words):  # type: ignore[no-untyped-def]
    """Some channels of one image in the order (C, H, W)."""
    at = integers(words, 5)
    channels, pixels, step = at[2], at[3], at[4]
    groups = (channels + CHANNELS - 1) // CHANNELS
    n, first = task // groups, task % groups * CHANNELS
    y = numbers(at[0] + (n * channels + first) * pixels * 4, 1)
    x = numbers(at[1] + (n * pixels * step + first) * 4, 1)
    _turn(y, x, pixels, step, min(CHANNELS, channels - first))


@staged("flatten", "numba")
def flatten_stages(stages: Stages, y: Laid, x: Any) -> bool:
    """``y (N, C*H*W)`` from ``x (N, C, H, W)``."""
    if not isinstance(x, Laid) or len(x.shape) != 4:
        return False
    x = padded(stages, x)
    n, c, h, w = x.shape
    stages.run(_flatten(), n * -(-c // CHANNELS), y, x, c, h * w, x.strides[3])
    return True


@serial_no_alias
def _add_bias(y, bias, rows, n, first, last):  # type: ignore[no-untyped-def]
    for i in range(rows):
        for j in range(unsigned(first), unsigned(last)):
            y[unsigned(i) * unsigned(n) + j] += bias[j]


@loop
def _multiply_rows(task, worker, words):  # type: ignore[no-untyped-def]
    """Some columns of a product with few rows."""
    at = integers(words, 9)
    y, a, b, m, n, k = numbers(at[0], 1), numbers(at[1], 1), numbers(at[2], 1), at[3], at[4], at[5]
    dots_of(task, y, a, b, m, n, k, at[6], at[7])
    if at[8] != 0:
        _add_bias(y, numbers(at[8], 1), m, n, task * DOTS, min(n, (task + 1) * DOTS))


@staged("linear", "numba")
def linear_stages(stages: Stages, y: Laid, x: Any, w: Any, bias: Array | None) -> bool:
    """``y = x @ w.T + bias`` as ``matmul``; with few rows the weights are read where they are."""
    if not isinstance(x, Laid) or x.buffer.given or len(x.shape) != 2:
        return False
    if not isinstance(w, np.ndarray) or w.ndim != 2 or not contiguous_numbers((w, bias)):
        return False
    (m, k), n = x.shape, len(w)
    if stages.images <= FEW_ROWS:
        kernels = dot(ROWS, 4), dot(1, 4)
        stages.run(_multiply_rows(), -(-n // DOTS), y, x, w, m, n, k, *kernels, 0 if bias is None else bias)
        return True
    product(
        stages,
        y,
        x,
        w.reshape(-1),
        n=n,
        a_sizes=(1, 1, m, 1, 1, k),
        a_strides=(0, 0, k, 0, 0, 1),
        b_strides=(0, 0, 1, k),
        c_strides=(0, 0, n, 1),
        bias=bias,
        epilogue=NONE,
    )
    return True
