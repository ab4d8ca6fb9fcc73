"""The gradient of a convolution's weights by Winograd's algorithm: a product per point, summed over all tiles.

The window is the result here: ``dw = A^T [ sum over tiles of (G dy G^T) * (B^T d B) ] A``, with the gradient of a tile
``dy (m, m)`` in the role of the filter, and the 6 x 6 pixels ``d`` that the tile sees. With a row per tile the
sum is 36 products::

    dU[p] (C, O) = V[p]^T (C, tiles) @ Q[p] (tiles, O)        V = B^T d B, Q = G dy G^T

Tiles are taken in blocks, whose V and Q stay in the cache: first all threads transform, each some tiles; then
they multiply, each for some points, and add to dU. So every number of dU is summed by one thread, block after block:
the result is the same for any number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array, address
from ...geometry import Window2d
from ...memory import empty
from ..jit import in_sequence, parallel, run_on_team, serial, share
from ..layout import as_pixel_rows
from ..vector.call import call
from ..vector.tile import tile
from ..vector.winograd import PLANES, filter_transform, output_transform
from .cut import NUMBER, Cut, apart, corner, equal, lines, pixels, record, recorded, register_rows, transform_tile
from .filters import DEPTH

CACHE = 2**21  # bytes of V and Q of one block
SLICES = 16  # parts of a block that are transformed by one thread each
CHUNK = 64  # tiles summed up in registers: panels of so many rows stay in the L1 cache


class Memory(NamedTuple):
    """The addresses of the arrays of one call."""

    x: int  # (N, H, W, C)
    grad_y: int  # (N, OH, OW, O)
    zeros: int  # what a pixel outside of the image is
    v: int
    q: int
    d: int


class Sizes(NamedTuple):
    """What the gradient has beside :class:`Cut`; steps in bytes, micro-kernels by address."""

    block: int  # tiles
    tall: int  # rows of the register tile, which are input channels
    parts: int  # of the input channels in the products
    q_plane: int
    q_panel: int
    d_plane: int
    d_panel: int
    multiply: int
    multiply_fetching: int  # the same, and it fetches what is wanted soon
    transform: int
    transform_back: int


@serial
def _transform_slice(s, first, count, at, cut, sizes):  # type: ignore[no-untyped-def]
    """V and Q of one slice of the ``count`` tiles from ``first`` on."""
    places = np.empty(PLANES, np.int64)
    step = cut.y_step
    for t in range(s * count // SLICES, (s + 1) * count // SLICES):
        transform_tile(first + t, at.v + t * cut.v_row, places, at.x, at.zeros, cut)
        n, h, w = corner(first + t, cut)
        image = at.grad_y + n * cut.out_height * cut.out_width * step
        pixels(places, image, at.zeros, cut.out_height, cut.out_width, step, h, w, cut.side)
        for p in range(cut.panels):
            last = min(cut.out_channels, (p + 1) * cut.panel)
            target = at.q + p * sizes.q_panel + t * cut.panel * NUMBER
            call(sizes.transform, (places.ctypes.data, target, sizes.q_plane, p * cut.panel, last))


@serial
def _fetched(task, first, count, at, cut, sizes):  # type: ignore[no-untyped-def]
    """What a task fetches meanwhile: its part of what the next block reads."""
    tasks = PLANES * sizes.parts
    calls = (count + CHUNK - 1) // CHUNK * cut.panels * ((cut.channels + sizes.tall - 1) // sizes.tall)
    soon = np.empty((calls, 2), np.int64)
    begin, end = first + count * task // tasks, first + count * (task + 1) // tasks
    deep = min(CHUNK, sizes.block)
    n = lines(soon, 0, at.x, cut.height, cut.width, cut.x_step, cut.channels, begin, end, deep, cut)
    step, channels = cut.y_step, cut.out_channels
    n = lines(soon, n, at.grad_y, cut.out_height, cut.out_width, step, channels, begin, end, deep, cut)
    return soon[:n]


@serial
def _add_product(task, first_tile, count, at, cut, sizes):  # type: ignore[no-untyped-def]
    """Add what ``count`` tiles contribute at one point, for some of the input channels."""
    k, part = task // sizes.parts, task % sizes.parts
    heights = (cut.channels + sizes.tall - 1) // sizes.tall
    first, last = part * heights // sizes.parts * sizes.tall, (part + 1) * heights // sizes.parts * sizes.tall
    rows, sums = np.empty(last - first, np.int64), np.empty(last - first, np.int64)
    for i in range(last - first):
        c = min(first + i, cut.channels - 1)  # superfluous rows repeat the last one
        rows[i] = at.v + k * cut.v_plane + c * NUMBER
        sums[i] = at.d + k * sizes.d_plane + c * cut.panel * NUMBER
    depth = np.empty(CHUNK, np.int64)
    after = first_tile + count
    soon, wanted = _fetched(task, after, min(count, cut.tiles - after), at, cut, sizes), 0
    for start in range(0, count, CHUNK):
        deep = min(CHUNK, count - start)
        for t in range(deep):
            depth[t] = (start + t) * cut.v_row
        for p in range(cut.panels):
            b = at.q + k * sizes.q_plane + p * sizes.q_panel + start * cut.panel * NUMBER
            for i in range(0, len(rows), sizes.tall):
                a_rows, c_rows = rows.ctypes.data + 8 * i, sums.ctypes.data + 8 * i
                offset, more = p * sizes.d_panel, first_tile > 0 or start > 0
                settings = a_rows, depth.ctypes.data, deep, b, c_rows, offset, more, cut.panel, 0
                if wanted < len(soon):
                    call(sizes.multiply_fetching, (*settings, soon[wanted, 0], soon[wanted, 1]))
                    wanted += 1
                else:
                    call(sizes.multiply, settings)


@serial
def _transform_slices(thread, first, count, at, cut, sizes):  # type: ignore[no-untyped-def]
    for s in share(thread, SLICES):
        _transform_slice(s, first, count, at[0], cut[0], sizes[0])


@serial
def _add_products(thread, first, count, at, cut, sizes):  # type: ignore[no-untyped-def]
    for task in share(thread, PLANES * sizes[0].parts):
        _add_product(task, first, count, at[0], cut[0], sizes[0])


@in_sequence
def _sum_products(threads, at, cut, sizes):  # type: ignore[no-untyped-def]
    tiles, block = cut[0].tiles, sizes[0].block
    for first in range(0, tiles, block):
        count = min(block, tiles - first)
        run_on_team(_transform_slices, threads, (first, count, at, cut, sizes))
        run_on_team(_add_products, threads, (first, count, at, cut, sizes))


@serial
def _weights(t, grad_w, at, cut, sizes):  # type: ignore[no-untyped-def]
    """``A^T dU A`` for one panel of output channels and some input channels, put where the weights are."""
    taps, square = cut.kernel * cut.kernel, cut.lanes
    chunks = (cut.channels + DEPTH - 1) // DEPTH
    p, c = t // chunks, t % chunks * DEPTH
    deep, width = min(DEPTH, cut.channels - c), min(cut.panel, cut.out_channels - p * cut.panel)
    filters, places = np.empty(DEPTH * taps * cut.panel, grad_w.dtype), np.empty(taps, np.int64)
    for i in range(deep):
        for tap in range(taps):
            places[tap] = filters.ctypes.data + (i * taps + tap) * cut.panel * NUMBER
        source = at.d + p * sizes.d_panel + (c + i) * cut.panel * NUMBER
        call(sizes.transform_back, (source, sizes.d_plane, places.ctypes.data, 0, cut.panel, 0))
    start, step = (p * cut.panel * cut.channels + c) * taps, cut.channels * taps
    wide, high = width // square * square, deep * taps // square * square
    for j in range(0, wide, square):
        for e in range(0, high, square):
            source = filters.ctypes.data + (e * cut.panel + j) * NUMBER
            target = grad_w.ctypes.data + (start + j * step + e) * NUMBER
            call(cut.turn_square, (source, cut.panel * NUMBER, target, step * NUMBER))
    for j in range(width):
        for e in range(high if j < wide else 0, deep * taps):
            grad_w[start + j * step + e] = filters[e * cut.panel + j]


@parallel
def _all_weights(thread, grad_w, at, cut, sizes, tasks):  # type: ignore[no-untyped-def]
    for t in share(thread, tasks):
        _weights(np.int64(t), grad_w, at[0], cut[0], sizes[0])


@lru_cache(4096)
def _cut(x_step: int, y_step: int, *sizes: Any) -> tuple[Cut, Sizes, Array, Array]:
    """Cut the sum over the tiles; V has as many rows as a block has tiles. The same as records."""
    cut, _ = recorded(x_step, y_step, *sizes)
    q_row, d_panel = cut.panels * cut.panel * NUMBER, cut.channels * cut.panel * NUMBER
    block = equal(cut.tiles, max(CHUNK, CACHE // (PLANES * (cut.v_row + q_row))))
    tall, q_panel = register_rows(cut.channels), block * cut.panel * NUMBER
    cut = cut._replace(v_plane=apart(block * cut.v_row))
    parts = Sizes(
        block=block,
        tall=tall,
        parts=-(-cut.channels // 128),
        q_plane=apart(cut.panels * q_panel),
        q_panel=q_panel,
        d_plane=apart(cut.panels * d_panel),
        d_panel=d_panel,
        multiply=tile(tall, NUMBER),
        multiply_fetching=tile(tall, NUMBER, fetching=True),
        transform=filter_transform(cut.side, NUMBER),
        transform_back=output_transform(cut.kernel, NUMBER),
    )
    return cut, parts, record(cut), record(parts)


def winograd_grad_weight(grad_y: Array, x: Array, window: Window2d) -> Array:
    """``dw[o, c] = sum over n of dy[n, o] (*) x[n, c]`` in float32."""
    c, o, r = x.shape[1], grad_y.shape[1], window.kernel_size[0]
    grad_w = empty((o, c, r, r), np.float32)
    if grad_y.size == 0 or c == 0:
        grad_w[...] = 0
        return grad_w
    (memory, x_step), (gradient, y_step) = as_pixel_rows(x), as_pixel_rows(grad_y)
    zeros, shapes = np.zeros(max(c, o), np.float32), (window.input_size, window.output_size, window.padding)
    cut, sizes, *records = _cut(x_step, y_step, len(x), c, o, window, *shapes)
    v = empty((PLANES * cut.v_plane // NUMBER,), np.float32)
    q = empty((PLANES * sizes.q_plane // NUMBER,), np.float32)
    d = empty((PLANES * sizes.d_plane // NUMBER,), np.float32)
    at = record(Memory(*map(address, (memory, gradient, zeros, v, q, d))))
    _sum_products(at, *records)
    _all_weights(grad_w.reshape(-1), at, *records, cut.panels * -(-c // DEPTH))
    return grad_w
