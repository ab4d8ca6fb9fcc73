"""A matrix whose columns are channels: sums over the rows, and formulas with one set of numbers per channel.

A channels-last array is seen as ``(S, P, C)``: ``S`` samples of ``P`` pixels with ``C`` channels. Group
normalisation has statistics per sample and channel; batch normalisation, and the gradient of a bias, take the whole
batch as one sample of ``N*H*W`` pixels. These loops do little arithmetic per number, so their time is that of
the memory: each reads every array once, and several pixels of few channels are *folded* into one row, long
enough for vector instructions.

Rows are dealt out in chunks whose size depends on the shape alone, each chunk's sums are kept apart and added
up in order: the result is the same for every number of threads. Eight rows (four of the products) are summed
in the element type, in registers, and then added to a float64 total: a mean over a million pixels is as accurate as
one over ten, and the conversion costs next to nothing.
"""

from __future__ import annotations

from math import gcd, inf, nan
from typing import NamedTuple

import numpy as np
from numba import prange

from ..arrays import Array
from .jit import parallel, serial, serial_no_alias, unsigned
from .layout import channels_first

CHUNK = 32768  # elements in a chunk, about: 128 KiB of float32
WIDE = 256  # elements in a row of folded pixels, at least, where there are enough pixels
RUN = 8  # rows that are added up before they meet the total


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


def plan(x: Array) -> Plan:
    """At least 8 chunks to share out, where there are rows enough."""
    samples, pixels, channels = x.shape
    fold = gcd(pixels, 1 << max(0, WIDE // max(channels, 1)).bit_length())
    rows, width = pixels // fold, channels * fold
    return Plan(samples, rows, width, max(RUN, min(CHUNK // max(width, 1), -(-rows // 8))))


@serial
def _part(t, rows, width, chunk):  # type: ignore[no-untyped-def]
    """Chunk ``t`` of all: its sample, its first element and how many rows it has."""
    chunks = (rows + chunk - 1) // chunk
    sample, first = t // chunks, t % chunks * chunk
    return sample, (sample * rows + first) * width, min(chunk, rows - first)


@serial_no_alias
def _sum_rows(total, k, x, q, rows, c):  # type: ignore[no-untyped-def]
    """``total[j] += sum over i < rows of x[i, j]``."""
    k, q, rows, c = unsigned(k), unsigned(q), unsigned(rows), unsigned(c)
    one, run = unsigned(1), unsigned(8)
    runs = rows - rows % run
    for _ in range(unsigned(0), runs, run):
        a, b = q, q + (c + c + c + c)
        for j in range(c):
            above = (x[a + j] + x[a + c + j]) + (x[a + c + c + j] + x[a + c + c + c + j])
            below = (x[b + j] + x[b + c + j]) + (x[b + c + c + j] + x[b + c + c + c + j])
            total[k + j] += above + below
        q = b + (c + c + c + c)
    for _ in range(runs, rows, one):
        for j in range(c):
            total[k + j] += x[q + j]
        q += c


@parallel
def _sums(totals, x, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in prange(samples * ((rows + chunk - 1) // chunk)):
        _, q, count = _part(t, rows, width, chunk)
        _sum_rows(totals, t * width, x, q, count, width)


def sums(x: Array) -> Array:
    """Sum ``x (S, P, C)`` over the pixels -> ``(S, C)`` float64."""
    samples, _, channels = x.shape
    cut = plan(x)
    totals = np.zeros((samples, cut.chunks * cut.width // max(channels, 1), channels))
    if x.size:
        _sums(totals.reshape(-1), x.reshape(-1), *cut)
    return totals.sum(axis=1)


@serial_no_alias
def _moments_of_rows(mean, square, shift, k, x, q, rows, c):  # type: ignore[no-untyped-def]
    """``mean[j]``, and ``square[j] = sum over i < rows of (x[i, j] - mean[j])**2``, reading the rows once.

    The squares are taken about a shift ``s``, and ``rows*(mean - s)**2`` is subtracted in the end. Such a difference
    loses digits if ``s`` is far from the mean. As the mean of ``r`` of the rows it never is: whatever the numbers
    are, ``(mean - s)**2 <= square/r``, so that rounding errors grow by ``1 + rows/r`` at most.
    """
    k, q, count, c = unsigned(k), unsigned(q), unsigned(rows), unsigned(c)
    one, run = unsigned(1), unsigned(8)
    first = min(count, run)
    for i in range(first):
        for j in range(c):
            mean[k + j] += x[q + i * c + j]
    for j in range(c):
        shift[j] = mean[k + j] / first
        mean[k + j] = 0
    runs = count - count % run
    for _ in range(unsigned(0), runs, run):
        a, b = q, q + (c + c + c + c)
        for j in range(c):
            s = shift[j]
            a0, a1, a2, a3 = x[a + j] - s, x[a + c + j] - s, x[a + c + c + j] - s, x[a + c + c + c + j] - s
            b0, b1, b2, b3 = x[b + j] - s, x[b + c + j] - s, x[b + c + c + j] - s, x[b + c + c + c + j] - s
            mean[k + j] += ((a0 + a1) + (a2 + a3)) + ((b0 + b1) + (b2 + b3))
            square[k + j] += ((a0 * a0 + a1 * a1) + (a2 * a2 + a3 * a3)) + ((b0 * b0 + b1 * b1) + (b2 * b2 + b3 * b3))
        q = b + (c + c + c + c)
    for _ in range(runs, count, one):
        for j in range(c):
            a0 = x[q + j] - shift[j]
            mean[k + j] += a0
            square[k + j] += a0 * a0
        q += c
    for j in range(c):
        offset = mean[k + j] / rows
        square[k + j] -= mean[k + j] * offset
        mean[k + j] = shift[j] + offset


@serial
def _combine(mean, square, means, squares, sample, rows, width, chunk, c):  # type: ignore[no-untyped-def]
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


@parallel
def _moments(mean, square, means, squares, shifts, x, c, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in prange(samples * ((rows + chunk - 1) // chunk)):
        _, q, count = _part(t, rows, width, chunk)
        _moments_of_rows(means, squares, shifts[t], t * width, x, q, count, width)
    for sample in prange(samples):
        _combine(mean, square, means, squares, sample, rows, width, chunk, c)


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of ``x (S, P, C)`` over the pixels -> ``(S, C)`` float64 each."""
    samples, pixels, channels = x.shape
    cut = plan(x)
    mean, square = np.zeros((2, samples, channels))
    if x.size:
        parts = np.zeros((2, samples * cut.chunks * cut.width))
        shifts = np.empty((samples * cut.chunks, cut.width), x.dtype)
        _moments(mean.reshape(-1), square.reshape(-1), *parts, shifts, x.reshape(-1), channels, *cut)
    return mean, square / max(pixels, 1)


@serial_no_alias
def _dot_rows(total, dot, masked, keep, k, g, x, mean, y, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    """Sums of ``h`` and of ``h*(x - mean)``, where ``h`` is ``g``, and 0 where ``y`` has reached a bound."""
    k, v, q, count, c = unsigned(k), unsigned(v), unsigned(q), unsigned(rows), unsigned(c)
    one, run, zero = unsigned(1), unsigned(4), g.dtype.type(0)
    runs = count - count % run
    for _ in range(unsigned(0), runs, run):
        p0, p1, p2, p3 = q, q + c, q + (c + c), q + (c + c + c)
        for j in range(c):
            h0 = zero if (y[p0 + j] <= low) | (y[p0 + j] >= high) else g[p0 + j]
            h1 = zero if (y[p1 + j] <= low) | (y[p1 + j] >= high) else g[p1 + j]
            h2 = zero if (y[p2 + j] <= low) | (y[p2 + j] >= high) else g[p2 + j]
            h3 = zero if (y[p3 + j] <= low) | (y[p3 + j] >= high) else g[p3 + j]
            m = mean[v + j]
            total[k + j] += (h0 + h1) + (h2 + h3)
            above = h0 * (x[p0 + j] - m) + h1 * (x[p1 + j] - m)
            below = h2 * (x[p2 + j] - m) + h3 * (x[p3 + j] - m)
            dot[k + j] += above + below
            if keep:
                masked[p0 + j], masked[p1 + j], masked[p2 + j], masked[p3 + j] = h0, h1, h2, h3
        q += c + c + c + c
    for _ in range(runs, count, one):
        for j in range(c):
            h = zero if (y[q + j] <= low) | (y[q + j] >= high) else g[q + j]
            total[k + j] += h
            dot[k + j] += h * (x[q + j] - mean[v + j])
            if keep:
                masked[q + j] = h
        q += c


@parallel
def _dots(total, dot, masked, keep, g, x, mean, y, low, high, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in prange(samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = _part(t, rows, width, chunk)
        _dot_rows(total, dot, masked, keep, t * width, g, x, mean, y, low, high, sample * width, q, count, width)


class Mask(NamedTuple):
    """Which gradients count: those where the result ``y (S, P, C)`` is not clamped to ``low`` or ``high``.

    Without bounds these are NaN, which nothing reaches, and any array does for ``y``.
    """

    y: Array
    low: float
    high: float

    def numbers(self) -> tuple[Array, Array, Array]:
        """What a compiled loop takes."""
        number = self.y.dtype.type
        return self.y.reshape(-1), number(self.low), number(self.high)


def everywhere(g: Array) -> Mask:
    """The mask of a gradient ``g`` of which everything counts."""
    return Mask(g, nan, nan)


def dots(
    g: Array, x: Array, mean: Array | float, where: Mask | None = None, masked: Array | None = None
) -> tuple[Array, Array]:
    """Sum ``h`` and ``h*(x - mean)`` over the pixels -> ``(S, C)`` float64 each.

    ``h`` is ``g`` where it counts, else 0; it is written to ``masked`` if that is given.
    """
    samples, _, channels = x.shape
    cut, where = plan(x), where or everywhere(g)
    totals = np.zeros((2, samples, cut.chunks * cut.width // max(channels, 1), channels))
    if x.size:
        out = g if masked is None else masked
        memories = totals[0].reshape(-1), totals[1].reshape(-1), out.reshape(-1), masked is not None, g.reshape(-1)
        _dots(*memories, x.reshape(-1), *vectors(x, cut, mean), *where.numbers(), *cut)
    total, dot = totals.sum(axis=2)
    return total, dot


@serial_no_alias
def _affine_rows(y, x, mean, scale, shift, residual, add, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    v, q, count, c = unsigned(v), unsigned(q), unsigned(rows), unsigned(c)
    for _ in range(count):
        for j in range(c):
            value = (x[q + j] - mean[v + j]) * scale[v + j] + shift[v + j]
            if add:
                value += residual[q + j]
            value = low if value < low else value  # NaN is neither below nor above: it stays
            y[q + j] = high if value > high else value
        q += c


@parallel
def _affine(y, x, mean, scale, shift, residual, add, low, high, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in prange(samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = _part(t, rows, width, chunk)
        _affine_rows(y, x, mean, scale, shift, residual, add, low, high, sample * width, q, count, width)


def affine(
    x: Array,
    mean: Array | float,
    scale: Array,
    shift: Array | float,
    residual: Array | None = None,
    low: float = -inf,
    high: float = inf,
) -> Array:
    """``clamp((x - mean)*scale + shift + residual, low, high)`` with a mean, scale and shift per sample and channel."""
    y = np.empty_like(x)
    if x.size:
        cut, number = plan(x), x.dtype.type
        added = (x if residual is None else residual).reshape(-1), residual is not None
        _affine(
            y.reshape(-1), x.reshape(-1), *vectors(x, cut, mean, scale, shift), *added, number(low), number(high), *cut
        )
    return y


@serial_no_alias
def _blend_rows(out, g, x, mean, a, b, d, fixed, y, low, high, v, q, rows, c):  # type: ignore[no-untyped-def]
    v, q, count, c = unsigned(v), unsigned(q), unsigned(rows), unsigned(c)
    zero = g.dtype.type(0)
    for _ in range(count):
        for j in range(c):
            h = zero if (y[q + j] <= low) | (y[q + j] >= high) else g[q + j]
            if fixed:
                out[q + j] = a[v + j] * h
            else:
                out[q + j] = a[v + j] * h + b[v + j] * (x[q + j] - mean[v + j]) + d[v + j]
        q += c


@parallel
def _blend(out, g, x, mean, a, b, d, fixed, y, low, high, samples, rows, width, chunk):  # type: ignore[no-untyped-def]
    for t in prange(samples * ((rows + chunk - 1) // chunk)):
        sample, q, count = _part(t, rows, width, chunk)
        _blend_rows(out, g, x, mean, a, b, d, fixed, y, low, high, sample * width, q, count, width)


def blend(
    g: Array, x: Array, mean: Array, a: Array, b: Array, d: Array, where: Mask | None = None, fixed: bool = False
) -> Array:
    """``a*h + b*(x - mean) + d`` with one number of each per sample and channel; ``a*h`` alone if ``fixed``.

    ``h`` is ``g`` where it counts, else 0.
    """
    out = np.empty_like(x)
    if x.size:
        cut, where = plan(x), where or everywhere(g)
        numbers = vectors(x, cut, mean, a, b, d)
        _blend(out.reshape(-1), g.reshape(-1), x.reshape(-1), *numbers, fixed, *where.numbers(), *cut)
    return out


def or_default(vector: Array | None, default: float) -> Array:
    """``vector`` in float64, or one number for all channels where it is None."""
    return np.asarray(default if vector is None else vector, np.float64)


def in_shape_of(x: Array, y: Array) -> Array:
    """``y (S, P, C)`` in the shape of ``x (N, C, *)``."""
    return channels_first(y.reshape(len(x), *x.shape[2:], x.shape[1]))


def vectors(like: Array, cut: Plan, *numbers: Array | float) -> list[Array]:
    """Numbers per sample and channel as flat arrays of the element type of ``like``, repeated for folded pixels."""
    channels = like.shape[2]
    out = np.empty((len(numbers), cut.samples, cut.width // channels, channels), like.dtype)
    for vector, value in zip(out, numbers, strict=True):
        vector[...] = np.expand_dims(value, -2) if np.ndim(value) else value
    return list(out.reshape(len(numbers), -1))
