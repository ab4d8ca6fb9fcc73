"""im2col, col2im and pooling: unequal heights and widths, strides, paddings, dilations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from minicnn_kernels.geometry import Window2d, pool_window, unfold_window

from .case import Draw, Drawn, cases, poison, vectorized

# batch, channels, (h, w), kernel, stride, padding, dilation
WINDOWS = (
    (2, 3, (7, 9), (3, 2), (2, 1), (1, 0), (1, 2)),
    (1, 2, (6, 5), (2, 3), (1, 2), (0, 1), (2, 1)),
    (3, 1, (5, 8), (1, 1), (3, 2), (0, 0), (1, 1)),
    (1, 4, (11, 4), (5, 4), (1, 3), (2, 1), (2, 1)),
    (0, 2, (5, 6), (3, 3), (1, 1), (1, 1), (1, 1)),
)
POOLS = (
    (2, 3, (7, 9), (3, 2), (2, 1), (1, 0), (1, 2), False),
    (1, 2, (8, 6), (3, 3), (2, 2), (0, 1), (1, 1), True),
    (1, 3, (5, 7), (2, 4), (3, 2), (1, 2), (2, 1), True),
    (2, 1, (9, 5), (1, 3), (1, 1), (0, 1), (1, 1), False),
    (0, 2, (5, 6), (3, 3), (1, 1), (1, 1), (1, 1), False),
)


def window_arguments(window: Window2d) -> dict[str, Any]:
    (stride_h, stride_w), (dilation_h, dilation_w) = window.stride, window.dilation
    return {
        "stride_h": stride_h,
        "stride_w": stride_w,
        "pad_h": window.padding[0][0],
        "pad_w": window.padding[1][0],
        "dilation_h": dilation_h,
        "dilation_w": dilation_w,
    }


@cases("im2col")
def _(d: Draw) -> Iterator[Drawn]:
    for n, c, size, kernel, stride, padding, dilation in WINDOWS:
        window = unfold_window("unfold", size, kernel, dilation, padding, stride)
        x, shape = d.array(n, c, *size), (n, c, *kernel, *window.output_size)
        columns = vectorized("im2col", x, window).reshape(shape)
        yield {"x": x, "columns": d.empty(*shape), **window_arguments(window)}, {"columns": columns}


@cases("col2im")
def _(d: Draw) -> Iterator[Drawn]:
    for n, c, size, kernel, stride, padding, dilation in WINDOWS:
        window = unfold_window("unfold", size, kernel, dilation, padding, stride)
        columns = d.array(n, c, *kernel, *window.output_size)
        flat = columns.reshape(n, c * kernel[0] * kernel[1], window.output_size[0] * window.output_size[1])
        arguments = {"columns": columns, "x": d.empty(n, c, *size), **window_arguments(window)}
        yield arguments, {"x": vectorized("col2im", flat, window)}


def pooled(d: Draw, n: int, c: int, size: tuple[int, int]) -> np.ndarray:
    """Small whole numbers, which tie, and some infinities and NaN."""
    x = d.rng.integers(-2, 3, (n, c, *size)).astype(d.dtype)
    x[d.rng.random(x.shape) < 0.3] = -np.inf
    x[d.rng.random(x.shape) < 0.1] = np.nan
    return x


@cases("max_pool2d.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for n, c, size, kernel, stride, padding, dilation, ceil in POOLS:
        x = pooled(d, n, c, size)
        window = pool_window("max_pool2d", x.shape, kernel, stride, padding, dilation, ceil)
        y, winner = vectorized("max_pool2d.forward", x, window)
        arguments = {
            "x": x,
            "y": d.empty(*y.shape),
            "winner": poison(y.shape, np.uint8),
            "kernel_h": kernel[0],
            "kernel_w": kernel[1],
            **window_arguments(window),
        }
        yield arguments, {"y": y, "winner": winner}


@cases("max_pool2d.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for n, c, size, kernel, stride, padding, dilation, ceil in POOLS:
        x = d.rng.integers(-2, 3, (n, c, *size)).astype(d.dtype)
        window = pool_window("max_pool2d", x.shape, kernel, stride, padding, dilation, ceil)
        y, winner = vectorized("max_pool2d.forward", x, window)
        grad_y = d.array(*y.shape)
        arguments = {
            "grad_y": grad_y,
            "winner": winner,
            "grad_x": d.empty(*x.shape),
            "kernel_h": kernel[0],
            "kernel_w": kernel[1],
            **window_arguments(window),
        }
        yield arguments, {"grad_x": vectorized("max_pool2d.grad_input", grad_y, winner, window)}


def averages(d: Draw) -> Iterator[tuple[Any, ...]]:
    for i, (n, c, size, kernel, stride, padding, _, ceil) in enumerate(POOLS):
        window = pool_window("avg_pool2d", (n, c, *size), kernel, stride, padding, 1, ceil)
        settings = window_arguments(window)
        del settings["dilation_h"], settings["dilation_w"]
        for include_pad, override in ((True, None), (False, None), (True, 5))[: 3 if i < 3 else 1]:
            yield (
                window,
                d.array(n, c, *size),
                d.array(n, c, *window.output_size),
                (include_pad, override),
                {
                    **settings,
                    "kernel_h": kernel[0],
                    "kernel_w": kernel[1],
                    "pad_bottom": window.padding[0][1],
                    "pad_right": window.padding[1][1],
                    "include_pad": include_pad,
                    "divisor_override": override or 0,
                },
            )


@cases("avg_pool2d.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for window, x, like_y, how, settings in averages(d):
        y = vectorized("avg_pool2d.forward", x, window, *how)
        yield {"x": x, "y": d.empty(*like_y.shape), **settings}, {"y": y}


@cases("avg_pool2d.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for window, x, grad_y, how, settings in averages(d):
        grad_x = vectorized("avg_pool2d.grad_input", grad_y, window, *how)
        yield {"grad_y": grad_y, "grad_x": d.empty(*x.shape), **settings}, {"grad_x": grad_x}
