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


def planes(last: bool, x: np.ndarray) -> np.ndarray:
    """``(N, C, H, W)`` as ``(outer, h, w, inner)``: channels-last, or as it is."""
    n, c, h, w = x.shape
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if last else x.reshape(n * c, h, w, 1)


def in_planes(last: bool, arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: planes(last, x) if isinstance(x, np.ndarray) and x.ndim == 4 else x for name, x in arguments.items()}


def maxima(d: Draw) -> Iterator[tuple[Any, ...]]:
    """x, the window, y, the winning taps, and what the kernels are told; in both orders of memory."""
    for i, (n, c, size, kernel, stride, padding, dilation, ceil) in enumerate(POOLS):
        x = pooled(d, n, c, size)
        window = pool_window("max_pool2d", x.shape, kernel, stride, padding, dilation, ceil)
        y, winner = vectorized("max_pool2d.forward", x, window)
        sizes = {"kernel_h": kernel[0], "kernel_w": kernel[1], **window_arguments(window)}
        yield x, window, y, winner, sizes, i % 2 == 0


@cases("max_pool2d.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for x, _, y, winner, sizes, last in maxima(d):
        outputs = {"y": d.empty(*y.shape), "winner": poison(y.shape, np.uint8)}
        yield in_planes(last, {"x": x, **outputs, **sizes}), in_planes(last, {"y": y, "winner": winner})


@cases("max_pool2d.indices")
def _(d: Draw) -> Iterator[Drawn]:
    for x, window, _, winner, sizes, last in maxima(d):
        places = vectorized("max_pool2d.indices", winner, window)
        if winner.size and max(window.padding[0][0], window.padding[1][0]):
            winner[0, 0, 0, 0] = places[0, 0, 0, 0] = 0  # the first tap of the first window looks at padding
        given = {"winner": winner, "places": poison(places.shape, np.int64), "h": x.shape[2], "w": x.shape[3], **sizes}
        yield in_planes(last, given), in_planes(last, {"places": places})


@cases("max_pool2d.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for x, window, y, winner, sizes, last in maxima(d):
        grad_y = d.array(*y.shape)
        grad_x = vectorized("max_pool2d.grad_input", grad_y, winner, window)
        given = {"grad_y": grad_y, "winner": winner, "grad_x": d.empty(*x.shape), **sizes}
        yield in_planes(last, given), in_planes(last, {"grad_x": grad_x})


def averages(d: Draw) -> Iterator[tuple[Any, ...]]:
    for i, (n, c, size, kernel, stride, padding, _, ceil) in enumerate(POOLS):
        window = pool_window("avg_pool2d", (n, c, *size), kernel, stride, padding, 1, ceil)
        settings = window_arguments(window)
        del settings["dilation_h"], settings["dilation_w"]
        for include_pad, override in ((True, None), (False, None), (True, 5))[: 3 if i < 3 else 1]:
            more = {
                "kernel_h": kernel[0], "kernel_w": kernel[1], "pad_bottom": window.padding[0][1],
                "pad_right": window.padding[1][1], "include_pad": include_pad, "divisor_override": override or 0,
            }  # fmt: skip
            x, like_y = d.array(n, c, *size), d.array(n, c, *window.output_size)
            yield window, x, like_y, (include_pad, override), {**settings, **more}, i % 2 == 1


@cases("avg_pool2d.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for window, x, like_y, how, settings, last in averages(d):
        y = vectorized("avg_pool2d.forward", x, window, *how)
        yield in_planes(last, {"x": x, "y": d.empty(*like_y.shape), **settings}), in_planes(last, {"y": y})


@cases("avg_pool2d.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for window, x, grad_y, how, settings, last in averages(d):
        grad_x = vectorized("avg_pool2d.grad_input", grad_y, window, *how)
        given = {"grad_y": grad_y, "grad_x": d.empty(*x.shape), **settings}
        yield in_planes(last, given), in_planes(last, {"grad_x": grad_x})


# n, c, (h, w), (out_h, out_w), channels-last: fewer bins than pixels and more, that share pixels and do not
BINS = (
    (2, 3, (7, 4), (3, 4), True),
    (1, 2, (5, 9), (7, 2), False),
    (1, 5, (6, 8), (2, 4), True),
    (0, 3, (4, 4), (2, 3), True),
)


@cases("adaptive_avg_pool2d.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for n, c, size, out, last in BINS:
        x = d.array(n, c, *size)
        y = vectorized("adaptive_avg_pool2d.forward", x, out)
        yield in_planes(last, {"x": x, "y": d.empty(*y.shape)}), in_planes(last, {"y": y})


@cases("adaptive_avg_pool2d.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for n, c, size, out, last in BINS:
        grad_y = d.array(n, c, *out)
        grad_x = vectorized("adaptive_avg_pool2d.grad_input", grad_y, size)
        yield in_planes(last, {"grad_y": grad_y, "grad_x": d.empty(n, c, *size)}), in_planes(last, {"grad_x": grad_x})


@cases("adaptive_max_pool2d.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for n, c, size, out, last in BINS:
        x = pooled(d, n, c, size)
        y, places = vectorized("adaptive_max_pool2d.forward", x, out)
        given = {"x": x, "y": d.empty(*y.shape), "places": poison(y.shape, np.int64)}
        yield in_planes(last, given), in_planes(last, {"y": y, "places": places})


def lines(x: np.ndarray, last: bool) -> np.ndarray:
    """``(N, C, H, W)`` as ``(outer, h*w, inner)``."""
    y = planes(last, x)
    return y.reshape(len(y), y.shape[1] * y.shape[2], y.shape[3])


def placed(d: Draw) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[int, int], bool]]:
    """Values, the places that they go to, several to one place, and the size of the plane."""
    for n, c, size, out, last in (
        (2, 3, (3, 4), (5, 6), True),
        (1, 2, (4, 4), (3, 3), False),
        (0, 2, (2, 2), (4, 4), True),
    ):
        yield d.array(n, c, *size), d.rng.integers(0, out[0] * out[1], (n, c, *size)), out, last


for _what in ("scatter", "forward"):

    @cases(f"max_unpool2d.{_what}")
    def _(d: Draw, operation: str = f"max_unpool2d.{_what}") -> Iterator[Drawn]:
        for x, places, out, last in placed(d):
            y = vectorized(operation, x, places, out)
            for wrong in (-1, out[0] * out[1]) if x.size else ():  # a place that is none makes the plane NaN
                channel = 0 if wrong < 0 else 1
                places[0, channel, 0, 0], y[0, channel] = wrong, np.nan
            given = {"x": x, "places": places, "y": d.empty(*y.shape)}
            yield {name: lines(a, last) for name, a in given.items()}, {"y": lines(y, last)}


@cases("max_unpool2d.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for x, places, out, last in placed(d):
        grad_y = d.array(*x.shape[:2], *out)
        grad_x = vectorized("max_unpool2d.grad_input", grad_y, places)
        for wrong in (-1, out[0] * out[1]) if x.size else ():
            channel = 0 if wrong < 0 else 1
            places[0, channel, 0, 0] = wrong
            grad_x[0, channel, 0, 0] = np.nan
        given = {"grad_y": grad_y, "places": places, "grad_x": d.empty(*x.shape)}
        yield {name: lines(a, last) for name, a in given.items()}, {"grad_x": lines(grad_x, last)}
