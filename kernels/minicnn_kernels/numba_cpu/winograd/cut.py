"""How a Winograd convolution is cut into tiles, and where a tile's pixels are.

A *task* is a block of tiles, so few that what is between the steps stays in the cache, for some of the output channels.
Where there are too few tiles to share out, output channels are, and each task transforms its tiles anew, which is
little work beside their products. All sizes follow from the shapes, never from the number of threads, so the results do
not depend on it either.

Transforming waits for memory, multiplying does not: so the products of one block fetch what the next one reads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ...geometry import Pads, Window2d
from ..jit import serial
from ..vector.call import call
from ..vector.target import host
from ..vector.tile import tile, tile_columns, tile_rows
from ..vector.transpose import transpose
from ..vector.winograd import SIDE, filter_transform, input_transform, output_transform

NUMBER = 4  # bytes of a float32
LINE = 64  # bytes of a cache line
TASKS = 8  # wanted at least, so that the threads finish at about the same time


def apart(size: int) -> int:
    """``size`` bytes rounded up to whole cache lines, but no multiple of 8 lines.

    Numbers a large power of two apart fall into the same few places of a cache, and drive each other out.
    """
    lines = -(-size // LINE)
    return (lines + (lines % 8 == 0)) * LINE


class Cut(NamedTuple):
    """Sizes of one convolution and of its parts; steps in bytes, micro-kernels by address."""

    height: int  # of the image that is read
    width: int
    channels: int
    top: int  # padding
    left: int
    out_height: int
    out_width: int
    out_channels: int
    kernel: int  # r
    side: int  # m = 7 - r
    lanes: int
    rows: int  # tiles in an image
    columns: int
    tiles: int  # in all images
    block: int  # tiles of a task, at most
    panels: int  # groups of `panel` output channels
    panel: int
    panels_per_task: int
    tall: int  # rows of the products' register tile
    v_row: int
    v_plane: int
    m_row: int
    m_plane: int
    u_plane: int
    own_filters: int  # 1: each panel is used by one task only, which transforms its weights itself
    transform: int
    multiply: int
    multiply_fetching: int  # the same, and it fetches what is wanted soon
    transform_back: int
    transform_filter: int
    turn_square: int
    x_step: int  # from pixel to pixel; more than the channels take if these are part of a larger array's
    y_step: int


@lru_cache(64)
def record_type(names: tuple[str, ...]) -> np.dtype[np.void]:
    return np.dtype((np.record, [(name, np.int64) for name in names]))


def record(numbers: NamedTuple) -> Array:
    """Named integers as an array of one record: compiled tasks read its fields by name, and it is one argument.

    As a tuple each would be an argument, and a loop over tasks takes 5 s to compile with 30 of them.
    """
    return np.ndarray((1,), record_type(numbers._fields), np.array(numbers, np.int64))


@serial
def pixels(places, image, outside, height, width, step, top, left, n):  # type: ignore[no-untyped-def]
    """The addresses of ``n`` x ``n`` pixels of an image from ``(top, left)`` on."""
    for i in range(n):
        h = top + i
        for j in range(n):
            w = left + j
            inside = 0 <= h < height and 0 <= w < width
            places[i * n + j] = image + (h * width + w) * step if inside else outside


@serial
def corner(tile, cut):  # type: ignore[no-untyped-def]
    """Image, first row and first column of the results of a tile."""
    image, rest = tile // (cut.rows * cut.columns), tile % (cut.rows * cut.columns)
    return image, rest // cut.columns * cut.side, rest % cut.columns * cut.side


@serial
def transform_tile(tile, planes, places, x, zeros, cut):  # type: ignore[no-untyped-def]
    """``B^T d B`` of one tile."""
    n, h, w = corner(tile, cut)
    step = cut.x_step
    image = x + n * cut.height * cut.width * step
    pixels(places, image, zeros, cut.height, cut.width, step, h - cut.top, w - cut.left, SIDE)
    call(cut.transform, (places.ctypes.data, planes, cut.v_plane, 0, cut.channels))


@serial
def lines(soon, n, images, height, width, step, channels, first, end, deep, cut):  # type: ignore[no-untyped-def]
    """Add to the table ``soon``, of length ``n``, where the pixels of the tiles ``first .. end-1`` are, about.

    The pixels of a tile lie here and there, and no processor foresees them. A product fetches ``deep`` lines of a
    cache: an entry of the table is an address and the distance from line to line. (With that and batch 16, a
    convolution from 128 channels to 32 at 56 x 56 takes 3.5 ms instead of 5.2, from 64 to 64 3.1 instead of 3.7; the
    gradients of their weights 4.0 instead of 5.6 and 3.4 instead of 4.6.)

    Tiles are taken to be spread evenly over the memory, but a row of tiles further on: where they stand in the middle
    of one, what comes before in the rows of pixels has been fetched for others.
    """
    pixels, ahead = cut.tiles // (cut.rows * cut.columns) * height * width, cut.side * width
    begin, end = first * pixels // cut.tiles + ahead, end * pixels // cut.tiles + ahead
    place, last, wide = images + begin * step, images + end * step, channels * NUMBER
    if wide == step:  # all of it one piece of memory
        wide = step = LINE
    for start in range(place, last, deep * step):
        for line in range(start, start + wide, LINE):
            if n == len(soon):
                return n
            soon[n, 0], soon[n, 1] = line, step
            n += 1
    return n


def equal(count: int, most: int) -> int:
    """``count`` cut into the fewest parts of at most ``most``: the size of the parts, as equal as can be."""
    return -(-count // max(1, -(-count // most)))


def register_rows(rows: int) -> int:
    """Height of the register tile that leaves the fewest of its rows unused."""
    full, half = tile_rows(), tile_rows() // 2
    return min((full, half + 1, half), key=lambda height: -(-rows // height) * height)


def _shares(tiles: int, panels: int, wide: int) -> tuple[int, int]:
    """How many tiles and how many panels a task has.

    Few channels: as many tiles as leave V and M in the L2 cache. Many channels: more, to read U less often. The loop
    makes more tasks by what costs least first (measured): each share of the panels transforms the tiles anew, and
    each block of tiles reads U anew. With a single block nobody else needs a share's U, which never leaves the cache.
    """
    rows = tile_rows()
    block, per_task = max(1, equal(tiles, 2 * rows if wide <= 256 else 8 * rows)), panels
    while -(-tiles // block) * -(-panels // per_task) < TASKS:
        if per_task > 4 or (block >= tiles and per_task > 1):
            per_task = -(-per_task // 2)
        elif block > rows:
            block = -(-block // 2)
        elif per_task > 1:
            per_task = -(-per_task // 2)
        else:
            break
    return block, per_task


@lru_cache(4096)
def cut_convolution(
    images: int,
    channels: int,
    out_channels: int,
    window: Window2d,
    size: tuple[int, int],
    out_size: tuple[int, int],
    pads: Pads,
) -> Cut:
    """Cut the convolution of ``images`` images of ``size``; their pads may differ from those of the window."""
    r = window.kernel_size[0]
    m = SIDE + 1 - r
    rows, columns = -(-out_size[0] // m), -(-out_size[1] // m)
    tiles = images * rows * columns
    panel = tile_columns(NUMBER)
    panels = -(-out_channels // panel)
    block, per_task = _shares(tiles, panels, max(channels, out_channels))
    tall = register_rows(block)
    block = -(-block // tall) * tall
    v_row, m_row = apart(channels * NUMBER), apart(per_task * panel * NUMBER)
    return Cut(
        height=size[0],
        width=size[1],
        channels=channels,
        top=pads[0][0],
        left=pads[1][0],
        out_height=out_size[0],
        out_width=out_size[1],
        out_channels=out_channels,
        kernel=r,
        side=m,
        lanes=host().lanes(NUMBER),
        rows=rows,
        columns=columns,
        tiles=tiles,
        block=block,
        panels=panels,
        panel=panel,
        panels_per_task=per_task,
        tall=tall,
        v_row=v_row,
        v_plane=apart(block * v_row),
        m_row=m_row,
        m_plane=apart(block * m_row),
        u_plane=apart(channels * panel * NUMBER),
        own_filters=int(block >= tiles),
        transform=input_transform(NUMBER),
        multiply=tile(tall, NUMBER),
        multiply_fetching=tile(tall, NUMBER, fetching=True),
        transform_back=output_transform(m, NUMBER),
        transform_filter=filter_transform(r, NUMBER),
        turn_square=transpose(NUMBER),
        x_step=channels * NUMBER,
        y_step=out_channels * NUMBER,
    )


@lru_cache(4096)
def recorded(x_step: int, y_step: int, *sizes: Any) -> tuple[Cut, Array]:
    """:func:`cut_convolution` for arrays with so many elements from pixel to pixel; and the same as a record."""
    cut = cut_convolution(*sizes)._replace(x_step=x_step * NUMBER, y_step=y_step * NUMBER)
    return cut, record(cut)
