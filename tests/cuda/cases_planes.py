"""Resizing and depthwise convolution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from minicnn_kernels.geometry import conv_window
from minicnn_kernels.resampling import bilinear_table, nearest_indices

from .case import Draw, Drawn, cases, vectorized
from .cases_windows import WINDOWS, window_arguments

# planes, (h, w), (out_h, out_w), align_corners
RESIZES = ((3, (5, 7), (9, 4), False), (2, (4, 3), (4, 8), True), (1, (1, 6), (3, 2), False), (2, (6, 2), (1, 5), True))
RESIZES += ((0, (3, 4), (5, 6), False),)


def starts(low: np.ndarray, size: int) -> np.ndarray:
    """The first output with low >= k, for k = 0 .. size."""
    return np.searchsorted(low, np.arange(size + 1)).astype(np.int32)


@cases("resize_nearest.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for planes, size, out, _ in RESIZES:
        x, (rows, columns) = d.array(planes, *size), map(nearest_indices, size, out)
        y = vectorized("resize_nearest.forward", x[None], rows, columns)[0]
        yield {"x": x, "rows": rows.astype("i4"), "columns": columns.astype("i4"), "y": d.empty(*y.shape)}, {"y": y}


@cases("resize_nearest.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for planes, size, out, _ in RESIZES:
        grad_y, (rows, columns) = d.array(planes, *out), map(nearest_indices, size, out)
        grad_x = vectorized("resize_nearest.grad_input", grad_y[None], rows, columns, size)[0]
        given = {"row_starts": starts(rows, size[0]), "column_starts": starts(columns, size[1])}
        yield {"grad_y": grad_y, **given, "grad_x": d.empty(*grad_x.shape)}, {"grad_x": grad_x}


def tables(d: Draw, size: tuple[int, int], out: tuple[int, int], align: bool) -> tuple[Any, Any, dict[str, np.ndarray]]:
    rows, columns = (bilinear_table(s, o, align) for s, o in zip(size, out, strict=True))
    given = {
        "rows": rows[0].astype(np.int32),
        "row_parts": rows[2].astype(d.dtype),
        "columns": columns[0].astype(np.int32),
        "column_parts": columns[2].astype(d.dtype),
    }
    return rows, columns, given


@cases("resize_bilinear.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for planes, size, out, align in RESIZES:
        x, (rows, columns, given) = d.array(planes, *size), tables(d, size, out, align)
        y = vectorized("resize_bilinear.forward", x[None], rows, columns)[0]
        yield {"x": x, **given, "y": d.empty(*y.shape)}, {"y": y}


@cases("resize_bilinear.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for planes, size, out, align in RESIZES:
        grad_y, (rows, columns, given) = d.array(planes, *out), tables(d, size, out, align)
        grad_y[:1, 0, 0] = np.nan  # spreads to the pixels that the output looked at
        grad_x = vectorized("resize_bilinear.grad_input", grad_y[None], rows, columns, size)[0]
        found = {"row_starts": starts(rows[0], size[0]), "column_starts": starts(columns[0], size[1])}
        yield {"grad_y": grad_y, **given, **found, "grad_x": d.empty(*grad_x.shape)}, {"grad_x": grad_x}


def depthwise(d: Draw) -> Iterator[tuple[Any, ...]]:
    """x, weight (O, 1, KH, KW), the window, groups, and what all three kernels take."""
    for multiplier, (n, c, size, kernel, stride, padding, dilation) in zip((1, 2, 3, 1, 2), WINDOWS, strict=True):
        x, weight = d.array(n, c, *size), d.array(c * multiplier, 1, *kernel)
        window = conv_window(x.shape, weight.shape, stride, padding, dilation, c)
        yield x, weight, window, c, {"multiplier": multiplier, **window_arguments(window)}


@cases("depthwise.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (x, weight, window, groups, settings) in enumerate(depthwise(d)):
        bias = d.array(len(weight)) if i % 2 else None
        y = vectorized("conv2d.forward", x, weight, bias, window, groups)
        yield {"x": x, "weight": weight[:, 0].copy(), "bias": bias, "y": d.empty(*y.shape), **settings}, {"y": y}


@cases("depthwise.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for x, weight, window, groups, settings in depthwise(d):
        grad_y = d.array(len(x), len(weight), *window.output_size)
        grad_x = vectorized("conv2d.grad_input", grad_y, weight, window, groups)
        given = {"grad_y": grad_y, "weight": weight[:, 0].copy(), "grad_x": d.empty(*x.shape)}
        yield {**given, **settings}, {"grad_x": grad_x}


@cases("depthwise.grad_weight")
def _(d: Draw) -> Iterator[Drawn]:
    for x, weight, window, groups, settings in depthwise(d):
        grad_y = d.array(len(x), len(weight), *window.output_size)
        grad_weight = vectorized("conv2d.grad_weight", grad_y, x, window, groups)[:, 0]
        given = {"grad_y": grad_y, "x": x, "grad_weight": d.empty(*grad_weight.shape)}
        yield {**given, **settings}, {"grad_weight": grad_weight}
