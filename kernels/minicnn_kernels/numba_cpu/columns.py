"""A matrix whose columns are channels: sums over the rows.

A channels-last array is seen as ``(S, P, C)``: ``S`` samples of ``P`` pixels with ``C`` channels. Group
normalisation has statistics per sample and channel; batch normalisation, and the gradient of a bias, take the whole
batch as one sample of ``N*H*W`` pixels. These loops do little arithmetic per number, so their time is that of
the memory: each reads every array once, asks for it ahead (``fetching.py``), and several pixels of few channels are
*folded* into one row, long enough for vector instructions.

Rows are dealt out in chunks whose size depends on the shape alone, each chunk's sums are kept apart and added
up in order: the result is the same for every number of threads. Sums are float64, in the first cache: a mean over a
million pixels is as accurate as one over ten, and the conversion takes no longer than the next row from memory.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, isfinite, nan
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..memory import empty
from .fetching import fetch_ahead
from .jit import in_sequence, parallel, run_on_team, serial, serial_no_alias, share, unsigned

CHUNK = 32768  # elements in a chunk, about: 128 KiB of float32
WIDE = 64  # elements in a row of folded pixels, at least, where there are enough pixels
FIRST = 8  # rows whose mean is taken for a chunk's, to begin with


class Plan(NamedTuple):
    """How ``(S, P, C)`` is cut: into samples of ``rows`` of ``width`` elements, and those into chunks."""

    samples: int
    rows: int
    width: int
    chunk: int  # rows

    @property
    def chunks(self) -> int:
        """Chunks in a sample."""
        return -(-self.rows // self.chunk)


@lru_cache(maxsize=512)
def plan(shape: tuple[int, int, int]) -> Plan:
    """At least 8 chunks in all to share out, where there are rows enough."""
    samples, pixels, channels = shape
    fold = gcd(pixels, 1 << max(0, WIDE // max(channels, 1)).bit_length())
    rows, width = pixels // fold, channels * fold
    return Plan(samples, rows, width, max(FIRST, min(max(CHUNK // max(width, 1), 64), -(-samples * rows // 8))))


@serial
def part(t, rows, width, chunk):  # type: ignore[no-untyped-def]
    """Chunk ``t`` of all: its sample, its first element and how many rows it has."""
    chunks = (rows + chunk - 1) // chunk
    sample, first = t // chunks, t % chunks * chunk
    return sample, (sample * rows + first) * width, min(chunk, rows - first)


def vectors(like: Array, cut: Plan, *numbers: Array | float) -> list[Array]:
    """Numbers per sample and channel as flat arrays of the element type of ``like``, repeated for folded pixels."""
    channels = like.shape[2]
    out = np.empty((len(numbers), cut.samples, cut.width // channels, channels), like.dtype)
    for vector, value in zip(out, numbers, strict=True):
        vector[...] = value[:, None] if isinstance(value, np.ndarray) and value.ndim == 2 else value
    return list(out.reshape(len(numbers), -1))


@serial_no_alias
def clear(total, k, c):  # type: ignore[no-untyped-def]
    for j in range(unsigned(k), unsigned(k + c)):
        total[j] = 0


@serial_no_alias
def sum_rows(total, k, x, q, rows, c):  # type: ignore[no-untyped-def]
    """``total[j] += sum over i < rows of x[i, j]``."""
    k, q, c = unsigned(k), unsigned(q), unsigned(c)
    for _ in range(rows):
        fetch_ahead(x, q, c)
        for j in range(c):
            total[k + j] += x[q + j]
        q += c


@parallel
def _sums(thread, totals, x, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        _, q, count = part(t, rows, width, chunk)
        clear(totals, t * width, width)
        sum_rows(totals, t * width, x, q, count, width)


def partial_sums(cut: Plan, channels: int, *what: int) -> Array:
    """Sums per chunk and channel, not yet cleared."""
    return empty((*what, cut.samples, cut.chunks * cut.width // max(channels, 1), channels), np.float64)


def sums(x: Array) -> Array:
    """Sum ``x (S, P, C)`` over the pixels -> ``(S, C)`` float64."""
    samples, _, channels = x.shape
    if not x.size:
        return np.zeros((samples, channels))
    cut = plan(x.shape)
    totals = partial_sums(cut, channels)
    _sums(totals.reshape(-1), x.reshape(-1), *cut)
    return totals.sum(axis=1)


@serial_no_alias
def _take_shift(mean, k, shift, x, q, rows, c):  # type: ignore[no-untyped-def]
    """``shift[j] = mean over i < rows of x[i, j]``, exact if they are all equal; ``mean[j]`` is 0 before and after."""
    k, q, count, c = unsigned(k), unsigned(q), unsigned(rows), unsigned(c)
    for i in range(count):
        for j in range(c):
            mean[k + j] += x[q + i * c + j]
    for j in range(c):
        shift[k + j] = mean[k + j] / rows
        mean[k + j] = 0


@serial_no_alias
def _square_rows(mean, square, k, shift, x, q, rows, c):  # type: ignore[no-untyped-def]
    """``mean[j]`` and ``square[j]`` grow by the sums of ``x[i, j] - shift[j]`` and its square."""
    k, q, c = unsigned(k), unsigned(q), unsigned(c)
    for _ in range(rows):
        fetch_ahead(x, q, c)
        for j in range(c):
            away = x[q + j] - shift[k + j]
            mean[k + j] += away
            square[k + j] += away * away
        q += c


@serial_no_alias
def _unshift(mean, square, k, shift, rows, c):  # type: ignore[no-untyped-def]
    """From sums about the shift to the mean, and the sum of squares about the mean."""
    k, c = unsigned(k), unsigned(c)
    for j in range(c):
        offset = mean[k + j] / rows
        square[k + j] -= mean[k + j] * offset
        mean[k + j] = shift[k + j] + offset


@serial
def combine(mean, square, means, squares, sample, rows, width, chunk, c):  # type: ignore[no-untyped-def]
    """Moments of a sample from those of its chunks, in order (Chan, Golub & LeVeque, 1983)."""
    chunks, fold = (rows + chunk - 1) // chunk, width // c
    m, start = sample * c, sample * chunks * width
    for t in range(chunks):
        share = min(chunk, rows - t * chunk) / (rows * fold)
        for i in range(fold):
            for j in range(c):
                mean[m + j] += share * means[start + (t * fold + i) * c + j]
    for t in range(chunks):
        count = min(chunk, rows - t * chunk)
        for i in range(fold):
            for j in range(c):
                k = start + (t * fold + i) * c + j
                square[m + j] += squares[k] + count * (means[k] - mean[m + j]) ** 2


@serial
def square_tasks(thread, means, squares, shifts, x, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        _, q, count = part(t, rows, width, chunk)
        k = t * width
        clear(means, k, width)
        clear(squares, k, width)
        _take_shift(means, k, shifts, x, q, min(count, FIRST), width)
        _square_rows(means, squares, k, shifts, x, q, count, width)
        _unshift(means, squares, k, shifts, count, width)


@in_sequence
def _moments(threads, mean, square, means, squares, shifts, x, c, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    run_on_team(square_tasks, threads, (means, squares, shifts, x, samples, rows, width, chunk))
    for sample in range(samples):
        combine(mean, square, means, squares, sample, rows, width, chunk, c)


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of ``x (S, P, C)`` over the pixels -> ``(S, C)`` float64 each; ``x`` is read once.

    A chunk's squares are taken about a shift ``s``, and ``rows*(mean - s)**2`` is subtracted in the end. Such a
    difference loses digits if ``s`` is far from the mean. As the mean of the chunk's first ``r`` rows it never is:
    whatever the numbers are, ``(mean - s)**2 <= squares/r``, so that rounding errors grow by ``1 + rows/r`` at most.
    """
    samples, pixels, channels = x.shape
    mean, square = np.zeros((2, samples, channels))
    if x.size:
        cut = plan(x.shape)
        means, squares = partial_sums(cut, channels, 2).reshape(2, -1)
        memories = means, squares, empty(means.shape, x.dtype), x.reshape(-1)
        _moments(mean.reshape(-1), square.reshape(-1), *memories, channels, *cut)
    return mean, square / max(pixels, 1)


def reached(bound: float) -> float:
    """What a result that was clamped by ``bound`` is compared with: an infinite bound is none, and nothing reaches NaN.

    (Not even an infinite result.)
    """
    return float(bound) if isfinite(bound) else nan


@serial_no_alias
def _dot_rows(total, dot, k, g, x, mean, scale, shift, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    """Sums of ``h`` and of ``h*(x - mean)``: ``h`` is ``g``, and 0 where ``(x - mean)*scale + shift`` is cut."""
    k, v, q, c, zero = unsigned(k), unsigned(v), unsigned(q), unsigned(c), g.dtype.type(0)
    for _ in range(rows):
        fetch_ahead(g, q, c)
        fetch_ahead(x, q, c)
        for j in range(c):
            away = x[q + j] - mean[v + j]
            result = away * scale[v + j] + shift[v + j]
            h = zero if (result <= low) | (result >= high) else g[q + j]
            total[k + j] += h
            dot[k + j] += h * away
        q += c


@serial_no_alias
def _dot_rows_reading(total, dot, k, g, x, mean, y, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    """The same with ``h`` 0 where ``y`` has reached a bound."""
    k, v, q, c, zero = unsigned(k), unsigned(v), unsigned(q), unsigned(c), g.dtype.type(0)
    for _ in range(rows):
        fetch_ahead(g, q, c)
        fetch_ahead(x, q, c)
        fetch_ahead(y, q, c)
        for j in range(c):
            h = zero if (y[q + j] <= low) | (y[q + j] >= high) else g[q + j]
            total[k + j] += h
            dot[k + j] += h * (x[q + j] - mean[v + j])
        q += c


@serial_no_alias
def _dot_rows_keeping(masked, total, dot, k, g, x, mean, y, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    """The same, and ``h`` is kept."""
    k, v, q, c, zero = unsigned(k), unsigned(v), unsigned(q), unsigned(c), g.dtype.type(0)
    for _ in range(rows):
        fetch_ahead(g, q, c)
        fetch_ahead(x, q, c)
        fetch_ahead(y, q, c)
        for j in range(c):
            h = zero if (y[q + j] <= low) | (y[q + j] >= high) else g[q + j]
            masked[q + j] = h
            total[k + j] += h
            dot[k + j] += h * (x[q + j] - mean[v + j])
        q += c


@serial
def dot_tasks(  # type: ignore[no-untyped-def]
    thread, total, dot, masked, keep, g, x, mean, scale, shift, again, y, low, high, samples, rows, width, chunk
):
    """Sums of ``h`` and of ``h*(x - mean)`` for each chunk: ``h`` is ``g``, and 0 where the result of a clamp was cut.

    That is ``y``, or ``(x - mean)*scale + shift`` computed ``again``: cheaper than to read it, and the same to the last
    digit as what ``columnwise.py`` made of these numbers. To ``keep`` ``h`` is to put it into ``masked``.
    """
    for t in share(thread, samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = part(t, rows, width, chunk)
        k, v = t * width, sample * width
        clear(total, k, width)
        clear(dot, k, width)
        if again:
            _dot_rows(total, dot, k, g, x, mean, scale, shift, low, high, v, q, count, width)
        elif keep:
            _dot_rows_keeping(masked, total, dot, k, g, x, mean, y, low, high, v, q, count, width)
        else:
            _dot_rows_reading(total, dot, k, g, x, mean, y, low, high, v, q, count, width)


@in_sequence
def _dots(threads, sums, g, x, mean, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    half, everywhere = len(sums) // 2, (mean, mean, False, g, g.dtype.type(np.nan), g.dtype.type(np.nan))
    numbers = sums[:half], sums[half:], g, False, g, x, mean
    run_on_team(dot_tasks, threads, (*numbers, *everywhere, samples, rows, width, chunk))


def dots(g: Array, x: Array, mean: Array | float) -> tuple[Array, Array]:
    """Sum ``g`` and ``g*(x - mean)`` over the pixels -> ``(S, C)`` float64 each."""
    samples, _, channels = x.shape
    if not x.size:
        return np.zeros((samples, channels)), np.zeros((samples, channels))
    cut = plan(x.shape)
    sums = partial_sums(cut, channels, 2)
    _dots(sums.reshape(-1), g.reshape(-1), x.reshape(-1), *vectors(x, cut, mean), *cut)
    total, dot = sums.sum(axis=2)
    return total, dot
