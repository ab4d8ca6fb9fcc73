"""Transformed weights: ``U[p] = G g G^T``, in panels of output channels as the register tile reads them."""

from __future__ import annotations

import numpy as np

from ..jit import parallel, serial, share
from ..vector.call import call
from ..vector.winograd import PLANES
from .cut import NUMBER

DEPTH = 16  # input channels at a time


@serial
def _spread(filters, w, first, width, stride, starts, neighbours, cut):  # type: ignore[no-untyped-def]
    """``filters[i*taps + tap, j] = w[starts[i*taps + tap] + (first + j)*stride]`` for ``width`` output channels ``j``.

    Squares of it are transposed in registers where a window's numbers are ``neighbours``, one row after the other: that
    takes a tenth of the time.
    """
    taps, square = cut.kernel * cut.kernel, cut.lanes
    high, wide = (taps + square - 1) // square * square, 0
    if neighbours:
        wide = width // square * square
    for j in range(0, wide, square):
        for i in range(0, len(starts), taps):
            q = starts[i] + (first + j) * stride
            if q + (square - 1) * stride + high <= len(w):  # it reads on into the next window
                for tap in range(0, high, square):
                    source = w.ctypes.data + (q + tap) * NUMBER
                    target = filters.ctypes.data + ((i + tap) * cut.panel + j) * NUMBER
                    call(cut.turn_square, (source, stride * NUMBER, target, cut.panel * NUMBER))
            else:
                for tap in range(taps):
                    for lane in range(square):
                        filters[(i + tap) * cut.panel + j + lane] = w[q + lane * stride + tap]
    for j in range(wide, width):
        for e in range(len(starts)):
            filters[e * cut.panel + j] = w[starts[e] + (first + j) * stride]


@serial
def filters_of_panel(u, w, p, at, cut):  # type: ignore[no-untyped-def]
    """``G g G^T`` for panel ``p`` of output channels and all input channels.

    The weights of a window are neighbours in memory, but the vectors are along the output channels: so they are
    first copied to where the output channels are neighbours, for a few input channels at a time.
    """
    taps, first = cut.kernel * cut.kernel, p * cut.panel
    filters = np.zeros((DEPTH * taps + cut.lanes) * cut.panel, w.dtype)
    starts, places = np.empty(DEPTH * taps, np.int64), np.empty(taps, np.int64)
    neighbours = at.w_column == 1 and at.w_row == cut.kernel
    for c in range(0, cut.channels, DEPTH):
        deep = min(DEPTH, cut.channels - c)
        for i in range(deep):
            for tap in range(taps):
                row, column = tap // cut.kernel, tap % cut.kernel
                starts[i * taps + tap] = (c + i) * at.w_in + row * at.w_row + column * at.w_column
        width = min(cut.panel, cut.out_channels - first)
        _spread(filters, w, first, width, at.w_out, starts[: deep * taps], neighbours, cut)
        for i in range(deep):
            for tap in range(taps):
                row = i * taps + (taps - 1 - tap if at.turned else tap)
                places[tap] = filters.ctypes.data + row * cut.panel * NUMBER
            target = u + (c + i) * cut.panel * NUMBER
            call(cut.transform_filter, (places.ctypes.data, target, cut.u_plane, 0, cut.panel))


@parallel
def all_filters(thread, w, at, cut):  # type: ignore[no-untyped-def]
    for p in share(thread, cut[0].panels):
        filters_of_panel(at[0].u + np.int64(p) * PLANES * cut[0].u_plane, w, np.int64(p), at[0], cut[0])
