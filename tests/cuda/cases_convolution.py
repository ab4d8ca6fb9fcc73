"""Dense convolution on channels-last memory, in TF32 and strict.

In TF32 the expected result is the vectorized kernel's, in double precision, on inputs rounded to TF32: products of
these are exact, so only the sums round, and a kernel that read a wrong number could not hide behind a loose tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window

from .case import Draw, Drawn, Maker, cases, vectorized
from .cases_windows import window_arguments

# groups, n, c and k of a group, (h, w), kernel, stride, padding, dilation
BY_FOUR = (
    (1, 2, 8, 12, (7, 5), (3, 2), (2, 1), (1, 0), (1, 2)),
    (1, 1, 20, 68, (9, 8), (1, 1), (1, 1), (0, 0), (1, 1)),  # more than a tile of rows and of columns, two steps
    (3, 1, 4, 8, (6, 9), (2, 3), (1, 2), (0, 2), (2, 1)),
    (1, 1, 68, 8, (3, 4), (3, 3), (1, 3), (2, 1), (1, 1)),
    (2, 0, 4, 4, (5, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
)
BY_ONE = (
    (1, 2, 3, 5, (7, 5), (3, 2), (2, 1), (1, 0), (1, 2)),
    (1, 1, 1, 66, (9, 8), (2, 2), (1, 1), (0, 1), (1, 1)),
    (2, 1, 3, 2, (6, 9), (2, 3), (1, 2), (0, 2), (2, 1)),
    (1, 0, 3, 5, (5, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
)


def to_tf32(x: np.ndarray) -> np.ndarray:
    """Round to a mantissa of 10 bits, halves away from zero."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as channels-last memory of float32."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1), np.float32)


def grouped(w: np.ndarray, groups: int) -> np.ndarray:
    """(O, C/G, KH, KW) as (G, O/G, KH, KW, C/G)."""
    return last(w).reshape(groups, len(w) // groups, *w.shape[2:], w.shape[1])


def drawn(d: Draw, vector: int, strict: bool, lonely: bool) -> Iterator[tuple[Any, ...]]:
    """float64 arrays whose numbers are float32, or TF32, and what every kernel takes."""
    for groups, n, c, k, size, kernel, stride, padding, dilation in BY_FOUR if vector == 4 else BY_ONE:
        shapes = (n, groups * c, *size), (groups * k, c, *kernel)
        window = conv_window(*shapes, stride, padding, dilation, groups)
        shapes = *shapes, (n, groups * k, *window.output_size)
        given = [d.array(*shape).astype(np.float32) for shape in shapes]
        if lonely:  # spread to where they are seen, and no farther
            for x in (given[0], given[2]):
                x[:1, 0, 1:2, 0], x[-1:, -1, -1:, -1] = np.nan, np.inf
        exact = [(x if strict else to_tf32(x)).astype(np.float64) for x in given]
        yield window, groups, given, exact, window_arguments(window)


def forward(vector: int, strict: bool) -> Maker:
    def make(d: Draw) -> Iterator[Drawn]:
        bounds = ((-inf, inf), (0.0, inf), (-1.0, 6.0), (0.0, inf), (-inf, inf))
        for i, (window, groups, given, (x, weight, like_y), settings) in enumerate(drawn(d, vector, strict, True)):
            bias = d.array(len(weight)).astype(np.float32) if i % 3 < 2 else None
            residual = last(like_y) if i % 2 else None
            (low, high), added = bounds[i], like_y.astype(np.float32) if i % 2 else None
            scale = d.array(len(weight)).astype(np.float32) if i % 2 == 0 else None
            y = vectorized("conv2d.forward", x, weight, bias, window, groups, Epilogue(scale, added, low, high))
            arrays = {
                "scale": scale,
                "x": last(given[0]),
                "weight": grouped(given[1], groups),
                "bias": bias,
                "residual": residual,
            }
            yield {**arrays, "y": last(np.full_like(y, np.nan)), **settings, "low": low, "high": high}, {"y": last(y)}

    return make


def grad_input(vector: int, strict: bool) -> Maker:
    def make(d: Draw) -> Iterator[Drawn]:
        for window, groups, given, (x, weight, grad_y), settings in drawn(d, vector, strict, True):
            grad_x = vectorized("conv2d.grad_input", grad_y, weight, window, groups)
            arrays = {
                "grad_y": last(given[2]),
                "weight": grouped(given[1], groups),
                "grad_x": last(np.full_like(x, np.nan)),
            }
            yield {**arrays, **settings}, {"grad_x": last(grad_x)}

    return make


def grad_weight(vector: int, strict: bool) -> Maker:
    def make(d: Draw) -> Iterator[Drawn]:
        for i, (window, groups, given, (x, _, grad_y), settings) in enumerate(drawn(d, vector, strict, False)):
            splits = (1, 2, 5, 1, 2)[i]
            steps = -(-len(x) * int(np.prod(window.output_size)) // 16)
            pixels = -(-steps // splits) * 16  # of each part
            flat = grad_y.transpose(1, 0, 2, 3).reshape(grad_y.shape[1], -1)
            parts = []
            for s in range(splits):
                some = np.zeros_like(flat)
                some[:, s * pixels : (s + 1) * pixels] = flat[:, s * pixels : (s + 1) * pixels]
                part = some.reshape(grad_y.shape[1], len(x), *window.output_size).transpose(1, 0, 2, 3)
                parts.append(grouped(vectorized("conv2d.grad_weight", part, x, window, groups), groups))
            arrays = {"grad_y": last(given[2]), "x": last(given[0]), "parts": np.full_like(np.stack(parts), np.nan)}
            yield {**arrays, **settings}, {"parts": np.stack(parts)}

    return make


for _strict, _precision in ((False, "tf32"), (True, "strict")):
    for _vector in (4, 1):
        cases(f"conv2d.forward.{_precision}.{_vector}")(forward(_vector, _strict))
        cases(f"conv2d.grad_input.{_precision}.{_vector}")(grad_input(_vector, _strict))
        cases(f"conv2d.grad_weight.{_precision}.{_vector}")(grad_weight(_vector, _strict))
