"""The convolution itself: tiles are transformed, multiplied and transformed back, block after block::

    V[p, t, c] = B^T d B                                  t: tile, p: one of 36 points
    M[p, t, o] = sum over c of V[p, t, c] * U[p, c, o]    36 products of matrices
    Y = A^T M A

The gradient of the input is the same convolution, of ``grad_y`` with weights turned by 180 degrees, inputs and outputs
exchanged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arrays import Array, address
from ...epilogue import NONE, Epilogue
from ...geometry import Pads, Window2d
from ...memory import empty
from ...threads import available_threads
from ..jit import parallel, serial, share
from ..layout import as_pixel_rows, channels_first, channels_last, flat
from ..product import epilogue_words
from ..vector.call import call
from ..vector.winograd import PLANES
from .cut import NUMBER, corner, lines, record, recorded, transform_tile
from .filters import all_filters, filters_of_panel


class Memory(NamedTuple):
    """Where the arrays of one call are: addresses, and strides of the weights in elements."""

    x: int  # (N, H, W, C)
    u: int
    y: int
    zeros: int  # what a pixel outside of the image is
    epilogue: int
    scratch: int
    scratch_size: int  # bytes per worker
    w_out: int
    w_in: int
    w_row: int
    w_column: int
    turned: int  # 1: by 180 degrees


@serial
def _results(places, image, height, width, step, top, left, n):  # type: ignore[no-untyped-def]
    """The same for writing: beyond the last row or column that one is meant, which the micro-kernel writes last."""
    for i in range(n):
        h = min(top + i, height - 1)
        for j in range(n):
            places[i * n + j] = image + (h * width + min(left + j, width - 1)) * step


@serial
def _fetched(first, count, at, cut):  # type: ignore[no-untyped-def]
    """What the products of a block fetch meanwhile: where its results will be, and what the next block reads.

    Not if several tasks share the tiles: then arrays are small, and the caches have them.
    """
    soon = np.empty((PLANES * cut.panels * (cut.block // cut.tall), 2), np.int64)
    if cut.panels_per_task < cut.panels:
        return soon[:0]
    deep, end = max(1, cut.channels), first + count
    n = lines(soon, 0, at.y, cut.out_height, cut.out_width, cut.y_step, cut.out_channels, first, end, deep, cut)
    first, end = end, min(cut.tiles, end + cut.block)
    return soon[: lines(soon, n, at.x, cut.height, cut.width, cut.x_step, cut.channels, first, end, deep, cut)]


@serial
def winograd_block(t, scratch, w, at, cut):  # type: ignore[no-untyped-def]
    """Task ``t``: a block of tiles, some panels of output channels."""
    groups = (cut.panels + cut.panels_per_task - 1) // cut.panels_per_task
    first_tile = t // groups * cut.block
    count = min(cut.block, cut.tiles - first_tile)
    first_panel = t % groups * cut.panels_per_task
    last_panel = min(cut.panels, first_panel + cut.panels_per_task)
    places, rows, sums = np.empty(PLANES, np.int64), np.empty(cut.block, np.int64), np.empty(cut.block, np.int64)
    depth = np.empty(cut.channels, np.int64)
    for c in range(cut.channels):
        depth[c] = c * NUMBER
    v, m = scratch, scratch + PLANES * cut.v_plane
    if cut.own_filters:
        u = m + PLANES * cut.m_plane
        for p in range(first_panel, last_panel):
            filters_of_panel(u + (p - first_panel) * PLANES * cut.u_plane, w, p, at, cut)
    else:
        u = at.u + first_panel * PLANES * cut.u_plane
    for i in range(count):
        transform_tile(first_tile + i, v + i * cut.v_row, places, at.x, at.zeros, cut)
    for i in range(cut.block):
        sums[i] = m + i * cut.m_row
    soon, wanted = _fetched(first_tile, count, at, cut), 0
    for k in range(PLANES):
        for i in range(cut.block):  # superfluous rows of the last register tile repeat the last one
            rows[i] = v + k * cut.v_plane + min(i, count - 1) * cut.v_row
        for p in range(last_panel - first_panel):
            b = u + (p * PLANES + k) * cut.u_plane
            offset = k * cut.m_plane + p * cut.panel * NUMBER
            for i in range(0, count, cut.tall):
                a_rows, c_rows = rows.ctypes.data + 8 * i, sums.ctypes.data + 8 * i
                settings = a_rows, depth.ctypes.data, cut.channels, b, c_rows, offset, 0, cut.panel, 0
                if wanted < len(soon):
                    call(cut.multiply_fetching, (*settings, soon[wanted, 0], soon[wanted, 1]))
                    wanted += 1
                else:
                    call(cut.multiply, settings)
    first, last = first_panel * cut.panel, min(cut.out_channels, last_panel * cut.panel)
    step = cut.y_step
    for i in range(count):
        n, h, w = corner(first_tile + i, cut)
        image = at.y + n * cut.out_height * cut.out_width * step
        _results(places, image, cut.out_height, cut.out_width, step, h, w, cut.side)
        call(cut.transform_back, (m + i * cut.m_row, cut.m_plane, places.ctypes.data, first, last, at.epilogue))


@parallel
def _convolve(thread, w, at, cut, tasks):  # type: ignore[no-untyped-def]
    scratch = at[0].scratch + thread[0] * at[0].scratch_size
    for t in share(thread, tasks):
        winograd_block(t, scratch, w, at[0], cut[0])


def _run(
    x: Array,
    window: Window2d,
    out_size: tuple[int, int],
    pads: Pads,
    w: Array,
    exchange: bool,
    bias: Array | None,
    epilogue: Epilogue,
) -> Array:
    """The convolution of ``x (N, C, H, W)`` by ``w (O, C, r, r)``, or by ``w (C, O, r, r)`` turned by 180 degrees."""
    memory_w, (so, sc, sh, sw) = flat(w)
    o = w.shape[1 if exchange else 0]
    y = empty((len(x), *out_size, o), np.float32)
    if y.size == 0:
        return channels_first(y)
    (memory, step), zeros = as_pixel_rows(x), np.zeros(x.shape[1], np.float32)
    cut, sizes = recorded(step, o, len(x), x.shape[1], o, window, x.shape[2:], out_size, pads)
    if epilogue.residual is not None:
        epilogue = epilogue._replace(residual=channels_last(epilogue.residual))
    words, _alive = epilogue_words(y.dtype, o, bias, epilogue, y)
    tasks = -(-cut.tiles // cut.block) * -(-cut.panels // cut.panels_per_task)
    u_size = PLANES * cut.u_plane
    size = PLANES * (cut.v_plane + cut.m_plane) + (u_size * cut.panels_per_task if cut.own_filters else 0)
    u = empty((0 if cut.own_filters else cut.panels * u_size // NUMBER,), np.float32)
    scratch = empty((available_threads() * size // NUMBER,), np.float32)  # the number in use may change meanwhile
    at = record(
        Memory(
            x=address(memory),
            u=address(u),
            y=address(y),
            zeros=address(zeros),
            epilogue=address(words) if words[0] else 0,
            scratch=address(scratch),
            scratch_size=size,
            w_out=sc if exchange else so,
            w_in=so if exchange else sc,
            w_row=sh,
            w_column=sw,
            turned=int(exchange),
        )
    )
    if not cut.own_filters:
        all_filters(memory_w, at, sizes)
    _convolve(memory_w, at, sizes, tasks)
    return channels_first(y)


def winograd_forward(x: Array, w: Array, bias: Array | None, window: Window2d, epilogue: Epilogue = NONE) -> Array:
    """``clamp(conv(x, w)*scale + bias + residual, low, high)`` in float32 (``epilogue.py`` explains the rest)."""
    return _run(x, window, window.output_size, window.padding, w, False, bias, epilogue)


def winograd_grad_input(grad_y: Array, w: Array, window: Window2d, residual: Array | None = None) -> Array:
    """``dx[n, c] = sum over o of dy[n, o] (*) w[o, c]`` turned by 180 degrees, and ``residual``.

    The padding is at most ``r - 1``.
    """
    r = w.shape[2]
    (top, bottom), (left, right) = window.padding
    pads = (r - 1 - top, r - 1 - bottom), (r - 1 - left, r - 1 - right)
    epilogue = NONE if residual is None else Epilogue(residual=residual)
    return _run(grad_y, window, window.input_size, pads, w, True, None, epilogue)
