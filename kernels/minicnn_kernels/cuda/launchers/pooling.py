"""Pooling, its inverse, and their gradients, on planes in either order of memory."""

from __future__ import annotations

from math import prod

import numpy as np

from ...arrays import Array
from ...geometry import Pair, Window2d
from . import order
from .convolution import sliding
from .launch import launch, launcher


def kernel_sizes(window: Window2d) -> dict[str, int]:
    """The numbers of a window whose sizes no array has."""
    return {"kernel_h": window.kernel_size[0], "kernel_w": window.kernel_size[1], **sliding(window)}


def _wide(x: Array, window: Window2d, *_: object) -> str | None:
    taps = prod(window.kernel_size)
    return f"its kernel counts 65536 taps at most, not {taps}" if taps > 1 << 16 else None


@launcher("max_pool2d.forward", "max_pool2d.forward", _wide)
def max_pool2d_forward(x: Array, window: Window2d) -> tuple[Array, Array]:
    """The largest value under each window, and the number of the tap that saw it, in one byte or two."""
    lies, shape = order.of_planes(x), (*x.shape[:2], *window.output_size)
    y, winner = lies.empty(shape, x), lies.empty(shape, x, window.tap_type)
    memory = {"x": lies.planes(x), "y": lies.planes(y), "winner": lies.planes(winner)}
    launch("max_pool2d.forward", **memory, **kernel_sizes(window))
    return y, winner


@launcher("max_pool2d.indices", "max_pool2d.indices", floats=False)
def max_pool2d_indices(winner: Array, window: Window2d) -> Array:
    """The place ``h*W + w`` at which each winning tap looks."""
    lies = order.of_planes(winner)
    places = lies.empty(winner.shape, winner, np.int64)
    size = dict(zip("hw", window.input_size, strict=True))
    memory = {"winner": lies.planes(winner), "places": lies.planes(places)}
    launch("max_pool2d.indices", **memory, **size, **kernel_sizes(window))
    return places


def _wide_back(grad_y: Array, winner: Array, window: Window2d) -> str | None:
    return _wide(winner, window)


@launcher("max_pool2d.grad_input", "max_pool2d.grad_input", _wide_back)
def max_pool2d_grad_input(grad_y: Array, winner: Array, window: Window2d) -> Array:
    """Each pixel takes the gradients of the windows that it won."""
    lies = order.of_planes(winner)
    grad_x = lies.empty((*grad_y.shape[:2], *window.input_size), grad_y)
    memory = {"grad_y": lies.planes(grad_y), "winner": lies.planes(winner), "grad_x": lies.planes(grad_x)}
    launch("max_pool2d.grad_input", **memory, **kernel_sizes(window))
    return grad_x


def averaging(window: Window2d, include_pad: bool, divisor_override: int | None) -> dict[str, int]:
    """What average pooling is told of its window."""
    numbers = {name: number for name, number in kernel_sizes(window).items() if not name.startswith("dilation")}
    after = {"pad_bottom": window.padding[0][1], "pad_right": window.padding[1][1]}
    return {**numbers, **after, "include_pad": int(include_pad), "divisor_override": divisor_override or 0}


@launcher("avg_pool2d.forward", "avg_pool2d.forward")
def avg_pool2d_forward(x: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None) -> Array:
    """The mean under each window."""
    lies = order.of_planes(x)
    y = lies.empty((*x.shape[:2], *window.output_size), x)
    settings = averaging(window, count_include_pad, divisor_override)
    launch("avg_pool2d.forward", x=lies.planes(x), y=lies.planes(y), **settings)
    return y


@launcher("avg_pool2d.grad_input", "avg_pool2d.grad_input")
def avg_pool2d_grad_input(
    grad_y: Array, window: Window2d, count_include_pad: bool, divisor_override: int | None
) -> Array:
    """Each pixel takes its share of the windows that see it."""
    lies = order.of_planes(grad_y)
    grad_x = lies.empty((*grad_y.shape[:2], *window.input_size), grad_y)
    settings = averaging(window, count_include_pad, divisor_override)
    launch("avg_pool2d.grad_input", grad_y=lies.planes(grad_y), grad_x=lies.planes(grad_x), **settings)
    return grad_x


# ------------------------------------------------------------------------------------------------------- adaptive


@launcher("adaptive_avg_pool2d.forward", "adaptive_avg_pool2d.forward")
def adaptive_avg_pool2d_forward(x: Array, output_size: Pair) -> Array:
    """The mean of each bin."""
    lies = order.of_planes(x)
    y = lies.empty((*x.shape[:2], *output_size), x)
    launch("adaptive_avg_pool2d.forward", x=lies.planes(x), y=lies.planes(y))
    return y


@launcher("adaptive_avg_pool2d.grad_input", "adaptive_avg_pool2d.grad_input")
def adaptive_avg_pool2d_grad_input(grad_y: Array, input_size: Pair) -> Array:
    """Each pixel takes its share of the bins that hold it."""
    lies = order.of_planes(grad_y)
    grad_x = lies.empty((*grad_y.shape[:2], *input_size), grad_y)
    launch("adaptive_avg_pool2d.grad_input", grad_y=lies.planes(grad_y), grad_x=lies.planes(grad_x))
    return grad_x


@launcher("adaptive_max_pool2d.forward", "adaptive_max_pool2d.forward")
def adaptive_max_pool2d_forward(x: Array, output_size: Pair) -> tuple[Array, Array]:
    """The largest value of each bin, and its place ``h*W + w``."""
    lies, shape = order.of_planes(x), (*x.shape[:2], *output_size)
    y, places = lies.empty(shape, x), lies.empty(shape, x, np.int64)
    launch("adaptive_max_pool2d.forward", x=lies.planes(x), y=lies.planes(y), places=lies.planes(places))
    return y, places


# ------------------------------------------------------------------------------------------------------ unpooling


def _lines(lies: order.Order, x: Array) -> Array:
    """``(outer, H*W, inner)``."""
    planes = lies.planes(x)
    return planes.reshape(len(planes), planes.shape[1] * planes.shape[2], planes.shape[3])


def _placed(kernel: str, x: Array, indices: Array, output_size: Pair) -> Array:
    lies = order.of_planes(x)
    y = lies.empty((*x.shape[:2], *output_size), x)
    launch(kernel, x=_lines(lies, x), places=_lines(lies, indices), y=_lines(lies, y))
    return y


@launcher("max_unpool2d.scatter", "max_unpool2d.scatter")
def max_unpool2d_scatter(x: Array, indices: Array, output_size: Pair) -> Array:
    """Each value is added at the place that its index names."""
    return _placed("max_unpool2d.scatter", x, indices, output_size)


@launcher("max_unpool2d.forward", "max_unpool2d.forward")
def max_unpool2d_forward(x: Array, indices: Array, output_size: Pair) -> Array:
    """Each value is put at the place that its index names."""
    return _placed("max_unpool2d.forward", x, indices, output_size)


@launcher("max_unpool2d.grad_input", "max_unpool2d.grad_input")
def max_unpool2d_grad_input(grad_y: Array, indices: Array) -> Array:
    """Each value's gradient is read where the value was put."""
    lies = order.of_planes(grad_y)
    grad_x = lies.empty(indices.shape, grad_y)
    memory = {"grad_y": _lines(lies, grad_y), "places": _lines(lies, indices), "grad_x": _lines(lies, grad_x)}
    launch("max_unpool2d.grad_input", **memory)
    return grad_x
