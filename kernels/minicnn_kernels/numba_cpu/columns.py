"""A matrix whose columns are channels: sums over the rows, and formulas with one set of numbers per channel.

A channels-last array is seen as ``(S, P, C)``: ``S`` samples of ``P`` pixels with ``C`` channels. Group
normalisation has statistics per sample and channel; batch normalisation, and the gradient of a bias, take the whole
batch as one sample of ``N*H*W`` pixels.

Rows are dealt out in chunks whose size depends on the shape alone, each chunk's sum is kept apart, and NumPy adds
the chunks' sums in order: the result is the same for every number of threads. Sums are float64, so a mean
over a million pixels is as accurate as one over ten. Four rows are added up before they meet the float64 total:
it lives in memory, and waiting for the store of every row would take longer than the sum.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Array
from .jit import parallel, serial_no_alias, unsigned
from .layout import channels_first

CHUNK = 32768  # elements in a chunk, about


def chunk_rows(pixels: int, channels: int) -> int:
    """How many rows make a chunk: about CHUNK elements, and at least 8 chunks in a sample that is large enough."""
    return max(8, min(CHUNK // max(channels, 1), -(-pixels // 8)))


@serial_no_alias
def _sum_rows(total, start, x, q, rows, c):  # type: ignore[no-untyped-def]
    """``total[j] += sum over i < rows of x[i, j]``."""
    start, q, rows, c = unsigned(start), unsigned(q), unsigned(rows), unsigned(c)
    one, four = unsigned(1), unsigned(4)
    c2, c3 = c + c, c + c + c
    quads = rows - rows % four
    for _ in range(unsigned(0), quads, four):
        for j in range(c):
            total[start + j] += (x[q + j] + x[q + c + j]) + (x[q + c2 + j] + x[q + c3 + j])
        q += c2 + c2
    for _ in range(quads, rows, one):
        for j in range(c):
            total[start + j] += x[q + j]
        q += c


@parallel
def _sums(totals, x, samples, pixels, c, chunk):  # type: ignore[no-untyped-def]
    chunks = (pixels + chunk - 1) // chunk
    for t in prange(samples * chunks):
        first = t % chunks * chunk
        rows = min(chunk, pixels - first)
        _sum_rows(totals, t * c, x, (t // chunks * pixels + first) * c, rows, c)


@serial_no_alias
def _dot_rows(total, start, x, x_mean, y, y_mean, mean_start, q, rows, c):  # type: ignore[no-untyped-def]
    """``total[j] += sum over i < rows of (x[i, j] - x_mean[j]) * (y[i, j] - y_mean[j])``."""
    start, m, q, rows, c = unsigned(start), unsigned(mean_start), unsigned(q), unsigned(rows), unsigned(c)
    one, two = unsigned(1), unsigned(2)
    pairs = rows - rows % two
    for _ in range(unsigned(0), pairs, two):
        for j in range(c):
            above = (x[q + j] - x_mean[m + j]) * (y[q + j] - y_mean[m + j])
            below = (x[q + c + j] - x_mean[m + j]) * (y[q + c + j] - y_mean[m + j])
            total[start + j] += above + below
        q += c + c
    for _ in range(pairs, rows, one):
        for j in range(c):
            total[start + j] += (x[q + j] - x_mean[m + j]) * (y[q + j] - y_mean[m + j])
        q += c


@parallel
def _dots(totals, x, x_mean, y, y_mean, samples, pixels, c, chunk):  # type: ignore[no-untyped-def]
    chunks = (pixels + chunk - 1) // chunk
    for t in prange(samples * chunks):
        sample, first = t // chunks, t % chunks * chunk
        rows = min(chunk, pixels - first)
        _dot_rows(totals, t * c, x, x_mean, y, y_mean, sample * c, (sample * pixels + first) * c, rows, c)


@serial_no_alias
def _affine_rows(y, x, mean, scale, shift, vector_start, q, rows, c):  # type: ignore[no-untyped-def]
    v, q, rows, c = unsigned(vector_start), unsigned(q), unsigned(rows), unsigned(c)
    for _ in range(rows):
        for j in range(c):
            y[q + j] = (x[q + j] - mean[v + j]) * scale[v + j] + shift[v + j]
        q += c


@parallel
def _affine(y, x, mean, scale, shift, samples, pixels, c, chunk):  # type: ignore[no-untyped-def]
    chunks = (pixels + chunk - 1) // chunk
    for t in prange(samples * chunks):
        sample, first = t // chunks, t % chunks * chunk
        rows = min(chunk, pixels - first)
        _affine_rows(y, x, mean, scale, shift, sample * c, (sample * pixels + first) * c, rows, c)


@serial_no_alias
def _blend_rows(out, g, x, mean, a, b, d, vector_start, q, rows, c):  # type: ignore[no-untyped-def]
    v, q, rows, c = unsigned(vector_start), unsigned(q), unsigned(rows), unsigned(c)
    for _ in range(rows):
        for j in range(c):
            out[q + j] = a[v + j] * g[q + j] + b[v + j] * (x[q + j] - mean[v + j]) + d[v + j]
        q += c


@parallel
def _blend(out, g, x, mean, a, b, d, samples, pixels, c, chunk):  # type: ignore[no-untyped-def]
    chunks = (pixels + chunk - 1) // chunk
    for t in prange(samples * chunks):
        sample, first = t // chunks, t % chunks * chunk
        rows = min(chunk, pixels - first)
        _blend_rows(out, g, x, mean, a, b, d, sample * c, (sample * pixels + first) * c, rows, c)


def or_default(vector: Array | None, default: float) -> Array:
    """``vector`` in float64, or one number for all channels where it is None."""
    return np.asarray(default if vector is None else vector, np.float64)


def in_shape_of(x: Array, y: Array) -> Array:
    """``y (S, P, C)`` in the shape of ``x (N, C, *)``."""
    return channels_first(y.reshape(len(x), *x.shape[2:], x.shape[1]))


def _vectors(like: Array, *vectors: Array | float) -> list[Array]:
    """Numbers per (sample, channel) as flat arrays of the element type of ``like``."""
    shape = like.shape[0], like.shape[2]
    return [np.broadcast_to(v, shape).astype(like.dtype, order="C").reshape(-1) for v in vectors]


def _plan(x: Array) -> tuple[int, int, int, int]:
    samples, pixels, channels = x.shape
    return samples, pixels, channels, chunk_rows(pixels, channels)


def sums(x: Array) -> Array:
    """Sum ``x (S, P, C)`` over the pixels -> ``(S, C)`` float64."""
    samples, pixels, channels, chunk = _plan(x)
    totals = np.zeros((samples, -(-pixels // chunk), channels))
    if x.size:
        _sums(totals.reshape(-1), x.reshape(-1), samples, pixels, channels, chunk)
    return totals.sum(axis=1)


def centred_dots(x: Array, x_mean: Array | float, y: Array, y_mean: Array | float) -> Array:
    """Sum ``(x - x_mean) * (y - y_mean)`` over the pixels of ``(S, P, C)`` arrays -> ``(S, C)`` float64."""
    samples, pixels, channels, chunk = _plan(x)
    totals = np.zeros((samples, -(-pixels // chunk), channels))
    if x.size:
        x_means, y_means = _vectors(x, x_mean, y_mean)
        _dots(totals.reshape(-1), x.reshape(-1), x_means, y.reshape(-1), y_means, samples, pixels, channels, chunk)
    return totals.sum(axis=1)


def affine(x: Array, mean: Array | float, scale: Array, shift: Array | float) -> Array:
    """``(x - mean)*scale + shift`` with one number of each per sample and channel."""
    y = np.empty_like(x)
    if x.size:
        _affine(y.reshape(-1), x.reshape(-1), *_vectors(x, mean, scale, shift), *_plan(x))
    return y


def blend(g: Array, x: Array, mean: Array, a: Array, b: Array, d: Array) -> Array:
    """``a*g + b*(x - mean) + d`` with one number of each per sample and channel."""
    out = np.empty_like(x)
    if x.size:
        _blend(out.reshape(-1), g.reshape(-1), x.reshape(-1), *_vectors(x, mean, a, b, d), *_plan(x))
    return out
