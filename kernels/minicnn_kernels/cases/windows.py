"""Cases of the kernels with a sliding window or a changed size: convolution, unfolding, pooling, resizing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..epilogue import Epilogue
from ..geometry import Window2d, conv_window, pool_window, unfold_window
from ..prologue import Prologue
from ..registry import call, use_backend
from .draw import Draw, row


def reference(operation: str, *arguments: Any) -> Any:
    with use_backend("reference"):
        return call(operation, *arguments)


def convolution(d: Draw) -> tuple[Array, Array, Window2d, int]:
    """Return x, w, window and groups of a random convolution, dense, grouped or depthwise."""
    groups, group_channels, group_outputs = d.one((1, 3, 4), (1, 3, 3), (1, 1, 1), (2, 2, 3), (3, 1, 1), (3, 1, 2))
    kernel, dilation = d.ints(1, 3), d.ints(1, 2)
    stride, padding = d.one((d.ints(1, 3), d.ints(0, 2)), ((1, 1), "same"))
    sizes = [step * (k - 1) + 1 + more for step, k, more in zip(dilation, kernel, d.ints(0, 5), strict=True)]
    x = d.array(d.batch, groups * group_channels, *sizes)
    w = d.array(groups * group_outputs, group_channels, *kernel)
    return x, w, conv_window(x.shape, w.shape, stride, padding, dilation, groups), groups


def epilogue(d: Draw, shape: tuple[int, ...], scale: Any = None) -> Epilogue:
    """Every step there or not: scale, residual, lower and upper bound."""
    low, high = d.one((-np.inf, np.inf), (0.0, np.inf), (-0.5, 0.5), (-np.inf, 0.3))
    return Epilogue(scale, d.maybe(*shape), low, high)


@row("conv2d.forward")
def _(d: Draw) -> tuple[Any, ...]:
    x, w, window, groups = convolution(d)
    steps = epilogue(d, (len(x), len(w), *window.output_size), d.maybe(len(w)))
    return x, w, d.maybe(len(w)), window, groups, *d.one((), (steps,))


@row("conv2d.grad_input")
def _(d: Draw) -> tuple[Any, ...]:
    x, w, window, groups = convolution(d)
    residual = d.maybe(len(x), w.shape[1] * groups, *window.input_size)
    return d.array(len(x), len(w), *window.output_size), w, window, groups, *d.one((), (residual,))


@row("conv2d.grad_weight")
def _(d: Draw) -> tuple[Any, ...]:
    x, w, window, groups = convolution(d)
    return d.array(len(x), len(w), *window.output_size), x, window, groups


def normalized(d: Draw) -> tuple[tuple[Array, ...], Array, Window2d, Prologue]:
    """Parts, w, window and the batch norm before a convolution, of which most are 1x1 and nothing else."""
    plane, channels = d.ints(2, 5), d.ints(1, 20, d.one(1, 3))
    kernel, stride, padding = d.one(((1, 1), 1, 0), ((1, 1), 1, 0), ((1, 1), 1, 0), ((2, 1), 2, 1))
    parts, c = tuple(d.array(d.batch, n, *plane) for n in channels), sum(channels)
    w = d.array(d.one(1, 4, 40), c, *kernel)
    window = conv_window((d.batch, c, *plane), w.shape, stride, padding)
    low, high = d.one((-np.inf, np.inf), (0.0, np.inf), (-0.5, 0.5))
    return parts, w, window, Prologue(d.array(c), d.positive(c), d.maybe(c), d.maybe(c), 1e-3, low, high)


@row("conv2d.forward_normalized")
def _(d: Draw) -> tuple[Any, ...]:
    parts, w, window, prologue = normalized(d)
    steps = epilogue(d, (d.batch, len(w), *window.output_size), d.maybe(len(w)))
    return parts, w, d.maybe(len(w)), window, 1, prologue, *d.one((), (steps,))


@row("conv2d.grad_weight_normalized")
def _(d: Draw) -> tuple[Any, ...]:
    parts, w, window, prologue = normalized(d)
    return d.array(d.batch, len(w), *window.output_size), parts, window, 1, prologue


@row("conv2d.grad_input_normalized")
def _(d: Draw) -> tuple[Any, ...]:
    parts, w, window, prologue = normalized(d)
    return d.array(d.batch, len(w), *window.output_size), w, parts, window, 1, prologue


@row("conv2d.grad_bias")
def _(d: Draw) -> tuple[Any, ...]:
    return (d.array(d.batch, 3, 4, 5),)


def unfolding(d: Draw) -> Window2d:
    kernel, dilation, padding = d.ints(1, 3), d.ints(1, 2), d.ints(0, 2)
    return unfold_window("unfold", d.ints(5, 8), kernel, dilation, padding, d.ints(1, 3))


@row("im2col")
def _(d: Draw) -> tuple[Any, ...]:
    window = unfolding(d)
    return d.array(d.batch, 2, *window.input_size), window


@row("col2im")
def _(d: Draw) -> tuple[Any, ...]:
    window = unfolding(d)
    return d.array(d.batch, 2 * int(np.prod(window.kernel_size)), int(np.prod(window.output_size))), window


def pooling(d: Draw, dilation: tuple[int, ...] = (1, 1)) -> Window2d:
    kernel = d.ints(1, 4)
    padding = tuple(d.ints(0, k // 2, 1)[0] for k in kernel)
    smallest = [max(step * (k - 1) + 1 - 2 * p, 1) for step, k, p in zip(dilation, kernel, padding, strict=True)]
    sizes = [least + more for least, more in zip(smallest, d.ints(0, 6), strict=True)]
    return pool_window("pool", (1, 1, *sizes), kernel, d.ints(1, 4), padding, dilation, d.one(True, False))


@row("max_pool2d.forward")
def _(d: Draw) -> tuple[Any, ...]:
    window = pooling(d, d.ints(1, 2))
    return d.one(d.array, d.ties)(d.batch, 3, *window.input_size), window


def taps(d: Draw, window: Window2d) -> Array:
    """Numbers of any taps of the window, some of which may look at padding."""
    shape = (d.batch, 3, *window.output_size)
    return d.place(d.rng.integers(0, np.prod(window.kernel_size), shape).astype(window.tap_type))


@row("max_pool2d.indices")
def _(d: Draw) -> tuple[Any, ...]:
    window = pooling(d, d.ints(1, 2))
    return reference("max_pool2d.forward", d.array(d.batch, 3, *window.input_size), window)[1], window


@row("max_pool2d.grad_input")
def _(d: Draw) -> tuple[Any, ...]:
    window = pooling(d, d.ints(1, 2))
    winner = taps(d, window)
    return d.array(*winner.shape), winner, window


@row("max_unpool2d.scatter")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, 3, 4), d.place(d.rng.integers(0, 42, (d.batch, 3, 3, 4))), (6, 7)


@row("max_unpool2d.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, 3, 4), d.place(d.rng.integers(0, 42, (d.batch, 3, 3, 4))), (6, 7)


@row("max_unpool2d.grad_input")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, 6, 7), d.place(d.rng.integers(0, 42, (d.batch, 3, 3, 4)))


@row("avg_pool2d.forward")
def _(d: Draw) -> tuple[Any, ...]:
    window = pooling(d)
    return d.array(d.batch, 3, *window.input_size), window, d.one(True, False), d.one(None, None, 5)


@row("avg_pool2d.grad_input")
def _(d: Draw) -> tuple[Any, ...]:
    window = pooling(d)
    return d.array(d.batch, 3, *window.output_size), window, d.one(True, False), d.one(None, None, 5)


@row("adaptive_avg_pool2d.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, *d.ints(1, 9)), d.ints(1, 9)


@row("adaptive_avg_pool2d.grad_input")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, *d.ints(1, 9)), d.ints(1, 9)


@row("adaptive_max_pool2d.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.one(d.array, d.ties)(d.batch, 3, *d.ints(1, 9)), d.ints(1, 9)


def blend(d: Draw, size: int, outputs: int) -> tuple[Array, Array, Array]:
    low = np.sort(d.rng.integers(0, size, outputs))
    return low, np.minimum(low + 1, size - 1), d.rng.random(outputs)


@row("resize_nearest.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, 4, 5), np.sort(d.rng.integers(0, 4, 7)), np.sort(d.rng.integers(0, 5, 3))


@row("resize_nearest.grad_input")
def _(d: Draw) -> tuple[Any, ...]:
    rows, columns = np.sort(d.rng.integers(0, 4, 7)), np.sort(d.rng.integers(0, 5, 3))
    return d.array(d.batch, 3, 7, 3), rows, columns, (4, 5)


@row("resize_bilinear.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, 4, 5), blend(d, 4, 7), blend(d, 5, 3)


@row("resize_bilinear.grad_input")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 3, 7, 3), blend(d, 4, 7), blend(d, 5, 3), (4, 5)
