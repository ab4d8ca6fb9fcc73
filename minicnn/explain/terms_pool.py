"""What poolings add up: a sum whose coefficients are 1 for the largest and 0 for the others, or 1/count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from minicnn_kernels.geometry import Window2d, adaptive_bins
from minicnn_kernels.reference.pooling import divisor
from minicnn_kernels.registry import call

from ..ops import pooling
from .terms import Array, Given, Index, Terms, columns, places, rows, taken, terms
from .terms_conv import axes_of

Seen = Callable[[int, int], tuple[Array, Array, Array]]  # a position -> rows, columns, and which of them are real


class Pool(NamedTuple):
    """A pooling as a sum."""

    seen: Seen  # by an output, of the input
    seen_by: Seen  # the other way round
    share: Callable[[Index, int, int], float]  # index of the output, input row and column -> coefficient
    text: str


def pooled(pool: Pool, of: str, at: Index, given: Given) -> Terms:
    """The elements under one window, or the windows that saw one element, with their coefficients."""
    n, c, *place = at
    forward = of == "output"
    down, across, real = (pool.seen if forward else pool.seen_by)(*place)
    found, real = places(n, c, rows(down), columns(across)), real[None]
    second = np.zeros(real.shape)
    for position in zip(*np.nonzero(real), strict=True):
        other = tuple(found[position].tolist())
        second[position] = pool.share(at, *other[2:]) if forward else pool.share(other, *place)
    source = given.array(0) if forward else given.grad
    text = (
        f"y[n, c, i, j] = {pool.text} of x[n, c] under the window"
        if forward
        else f"grad_x[n, c, h, w] = sum over the windows that saw it of grad_y[n, c, i, j] * its share in {pool.text}"
    )
    name = "x" if forward else "grad_y"
    return Terms((name, ""), taken(source, found, real), second, found, found[..., :0], real, text, whole=source)


def windowed(window: Window2d) -> tuple[Seen, Seen]:
    """``seen`` and ``seen_by`` of a sliding window."""
    vertical, horizontal = axes_of(window)

    def seen(i: int, j: int) -> tuple[Array, Array, Array]:
        (h, inside_h), (w, inside_w) = vertical.inputs(i, vertical.taps), horizontal.inputs(j, horizontal.taps)
        return h, w, inside_h[:, None] & inside_w

    def seen_by(h: int, w: int) -> tuple[Array, Array, Array]:
        (i, inside_i), (j, inside_j) = vertical.outputs(h), horizontal.outputs(w)
        return i, j, inside_i[:, None] & inside_j

    return seen, seen_by


def binned(size: Index, bins: Index) -> tuple[Seen, Seen]:
    """The same of the bins of adaptive pooling."""
    vertical, horizontal = (adaptive_bins(n, m) for n, m in zip(size, bins, strict=True))

    def all_of(down: Any, across: Any) -> tuple[Array, Array, Array]:
        return np.asarray(down), np.asarray(across), np.ones((len(down), len(across)), bool)

    def over(bounds: list[tuple[int, int]], position: int) -> list[int]:
        return [i for i, (start, end) in enumerate(bounds) if start <= position < end]

    return (
        lambda i, j: all_of(range(*vertical[i]), range(*horizontal[j])),
        lambda h, w: all_of(over(vertical, h), over(horizontal, w)),
    )


def winner(indices: Array, width: int) -> Callable[[Index, int, int], float]:
    """1 where the largest value was found, else 0."""
    return lambda y_at, h, w: float(indices[y_at] == h * width + w)


@terms.register
def _(function: pooling.MaxPool2d, of: str, at: Index, given: Given) -> Terms:
    x, window = given.array(0), function.window
    indices = call("max_pool2d.indices", call("max_pool2d.forward", x, window)[1], window)
    return pooled(Pool(*windowed(window), winner(indices, x.shape[3]), "the largest"), of, at, given)


@terms.register
def _(function: pooling.AdaptiveMaxPool2d, of: str, at: Index, given: Given) -> Terms:
    x, size = given.array(0), function.output_size
    indices = call("adaptive_max_pool2d.forward", x, size)[1]
    return pooled(Pool(*binned(x.shape[2:], size), winner(indices, x.shape[3]), "the largest"), of, at, given)


@terms.register
def _(function: pooling.AvgPool2d, of: str, at: Index, given: Given) -> Terms:
    window, settings = function.size_or_window, function.settings
    pool = Pool(*windowed(window), lambda y_at, h, w: 1 / divisor(window, y_at[2], y_at[3], *settings), "the mean")
    return pooled(pool, of, at, given)


@terms.register
def _(function: pooling.AdaptiveAvgPool2d, of: str, at: Index, given: Given) -> Terms:
    seen, seen_by = binned(given.array(0).shape[2:], function.size_or_window)
    return pooled(Pool(seen, seen_by, lambda y_at, h, w: 1 / seen(*y_at[2:])[2].size, "the mean"), of, at, given)
