"""Resizing and depthwise convolution."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window
from minicnn_kernels.resampling import bilinear_table, nearest_indices

from .case import Draw, Drawn, cases, vectorized
from .cases_windows import WINDOWS, in_planes, window_arguments

# planes, (h, w), (out_h, out_w), align_corners
RESIZES = ((3, (5, 7), (9, 4), False), (2, (4, 3), (4, 8), True), (1, (1, 6), (3, 2), False), (2, (6, 2), (1, 5), True))
RESIZES += ((0, (3, 4), (5, 6), False),)


def starts(low: np.ndarray, size: int) -> np.ndarray:
    """The first output with low >= k, for k = 0 .. size."""
    return np.searchsorted(low, np.arange(size + 1)).astype(np.int32)


def resized(d: Draw) -> Iterator[tuple[Any, ...]]:
    """x (N, C, H, W), the sizes, and whether the memory is channels-last."""
    for i, (c, size, out, align) in enumerate(RESIZES):
        n = i % 2 + 1
        yield d.array(n if c else 0, c or 2, *size), d.array(n if c else 0, c or 2, *out), size, out, align, i % 2 == 0


@cases("resize_nearest.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for x, _, size, out, _, last in resized(d):
        rows, columns = map(nearest_indices, size, out)
        y = vectorized("resize_nearest.forward", x, rows, columns)
        given = {"x": x, "rows": rows.astype("i4"), "columns": columns.astype("i4"), "y": d.empty(*y.shape)}
        yield in_planes(last, given), in_planes(last, {"y": y})


@cases("resize_nearest.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for _, grad_y, size, out, _, last in resized(d):
        rows, columns = map(nearest_indices, size, out)
        grad_x = vectorized("resize_nearest.grad_input", grad_y, rows, columns, size)
        found = {"row_starts": starts(rows, size[0]), "column_starts": starts(columns, size[1])}
        given = {"grad_y": grad_y, **found, "grad_x": d.empty(*grad_x.shape)}
        yield in_planes(last, given), in_planes(last, {"grad_x": grad_x})


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
    for x, _, size, out, align, last in resized(d):
        rows, columns, given = tables(d, size, out, align)
        y = vectorized("resize_bilinear.forward", x, rows, columns)
        yield in_planes(last, {"x": x, **given, "y": d.empty(*y.shape)}), in_planes(last, {"y": y})


@cases("resize_bilinear.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for _, grad_y, size, out, align, last in resized(d):
        rows, columns, given = tables(d, size, out, align)
        grad_y[:1, 0, 0, 0] = np.nan  # spreads to the pixels that the output looked at
        grad_x = vectorized("resize_bilinear.grad_input", grad_y, rows, columns, size)
        found = {"row_starts": starts(rows[0], size[0]), "column_starts": starts(columns[0], size[1])}
        arguments = {"grad_y": grad_y, **given, **found, "grad_x": d.empty(*grad_x.shape)}
        yield in_planes(last, arguments), in_planes(last, {"grad_x": grad_x})


def depthwise(d: Draw) -> Iterator[tuple[Any, ...]]:
    """x, weight (O, 1, KH, KW), the window, groups, and what all three kernels take."""
    more = (1, 70, (4, 3), (2, 2), (1, 1), (1, 0), (1, 1))  # more channels than a block of grad_weight takes
    for multiplier, (n, c, size, kernel, stride, padding, dilation) in zip(
        (1, 2, 3, 1, 2, 1), (*WINDOWS, more), strict=True
    ):
        x, weight = d.array(n, c, *size), d.array(c * multiplier, 1, *kernel)
        window = conv_window(x.shape, weight.shape, stride, padding, dilation, c)
        yield x, weight, window, c, {"multiplier": multiplier, **window_arguments(window)}


@cases("depthwise.forward")
def _(d: Draw) -> Iterator[Drawn]:
    bounds = ((-inf, inf), (0.0, inf), (-1.0, 0.5), (-inf, 0.3), (-inf, inf), (0.0, 6.0))
    for i, (x, weight, window, groups, settings) in enumerate(depthwise(d)):
        bias, (low, high) = d.array(len(weight)) if i % 2 else None, bounds[i]
        residual = d.array(len(x), len(weight), *window.output_size) if i % 3 else None
        scale = d.array(len(weight)) if i % 2 == 0 else None
        y = vectorized("conv2d.forward", x, weight, bias, window, groups, Epilogue(scale, residual, low, high))
        arrays = {"x": x, "scale": scale, "bias": bias, "residual": residual, "y": d.empty(*y.shape)}
        given = {**in_planes(True, arrays), "weight": weight[:, 0].copy(), **settings, "low": low, "high": high}
        yield given, in_planes(True, {"y": y})


@cases("depthwise.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for x, weight, window, groups, settings in depthwise(d):
        grad_y = d.array(len(x), len(weight), *window.output_size)
        grad_x = vectorized("conv2d.grad_input", grad_y, weight, window, groups)
        given = in_planes(True, {"grad_y": grad_y, "grad_x": d.empty(*x.shape)})
        yield {**given, "weight": weight[:, 0].copy(), **settings}, in_planes(True, {"grad_x": grad_x})


@cases("depthwise.grad_weight")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (x, weight, window, groups, settings) in enumerate(depthwise(d)):
        grad_y = d.array(len(x), len(weight), *window.output_size)
        parts = i % 3 + 1
        flat = np.moveaxis(grad_y, 1, 0).reshape(len(weight), -1)  # channel, position
        some = -(-flat.shape[1] // parts)
        sums = []
        for part in range(parts):
            alone = np.zeros_like(flat)
            alone[:, part * some : (part + 1) * some] = flat[:, part * some : (part + 1) * some]
            of_part = np.moveaxis(alone.reshape(len(weight), len(x), *window.output_size), 0, 1)
            sums.append(vectorized("conv2d.grad_weight", of_part, x, window, groups)[:, 0])
        given = in_planes(True, {"grad_y": grad_y, "x": x})
        yield {**given, "sums": d.empty(parts, *sums[0].shape), **settings}, {"sums": np.stack(sums)}
