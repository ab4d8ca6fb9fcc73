"""How to draw arguments for every kernel: one table, operation -> function(draw) -> arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from minicnn_kernels import call, use_backend
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import Window2d, conv_window, pool_window, unfold_window

LAYOUTS = ("contiguous", "channels_last", "transposed", "strided", "reversed")


@dataclass
class Draw:
    """Random arguments of one element type, batch size and memory layout."""

    rng: np.random.Generator
    dtype: Any
    batch: int
    layout: str

    def place(self, x: np.ndarray) -> np.ndarray:
        """Put the values of x into the memory layout; no layout changes what x holds."""
        if self.layout == "channels_last" and x.ndim > 2:
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        if self.layout == "transposed" and x.ndim > 1:  # (N, C, H, W) in memory as (N, W, H, C)
            order = (0, *range(x.ndim - 1, 0, -1)) if x.ndim > 2 else (1, 0)
            return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        if self.layout == "strided" and x.ndim > 0:
            double = np.zeros(tuple(2 * size for size in x.shape), x.dtype)
            view = double[tuple(slice(None, None, 2) for _ in x.shape)]
            view[...] = x
            return view
        if self.layout == "reversed" and x.ndim > 0:
            return x[..., ::-1].copy()[..., ::-1]
        return x

    def array(self, *shape: int) -> np.ndarray:
        return self.place(self.rng.standard_normal(shape).astype(self.dtype))

    def positive(self, *shape: int) -> np.ndarray:
        return self.place((0.5 + self.rng.random(shape)).astype(self.dtype))

    def kinks(self, *shape: int) -> np.ndarray:
        """Numbers among which are the places where an activation has no derivative."""
        special = self.rng.choice([0.0, 3.0, -3.0, 6.0, 50.0, -50.0], shape)
        x = np.where(self.rng.random(shape) < 0.3, special, 4 * self.rng.standard_normal(shape))
        return self.place(x.astype(self.dtype))

    def ties(self, *shape: int) -> np.ndarray:
        """Small integers, which tie, and some infinities and NaN."""
        x = self.rng.integers(-2, 3, shape).astype(self.dtype)
        x[self.rng.random(shape) < self.one(0.3, 0.8)] = -np.inf
        x[self.rng.random(shape) < self.one(0.0, 0.3)] = np.nan
        return self.place(x)

    def ints(self, low: int, high: int, count: int = 2) -> tuple[int, ...]:
        """Integers from low to high, both included."""
        return tuple(self.rng.integers(low, high + 1, count).tolist())

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def planes(self) -> tuple[int, ...]:
        """A shape (N, C, *) with four channels."""
        return (self.batch, 4, *self.one((), (5,), (3, 4), (5, 2)))

    def maybe(self, *shape: int) -> np.ndarray | None:
        return self.one(None, self.array(*shape))


Row = Callable[[Draw], tuple[Any, ...]]
TABLE: dict[str, Row] = {}
IN_PLACE = {  # the arguments that a step changes
    "sgd.step": (0, 2),
    "adam.step": (0, 2, 3, 4),
    "rmsprop.step": (0, 2, 3, 4),
    "adagrad.step": (0, 2),
    "adadelta.step": (0, 2, 3),
}


def row(*operations: str) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        TABLE.update(dict.fromkeys(operations, function))
        return function

    return register


def reference(operation: str, *arguments: Any) -> Any:
    with use_backend("reference"):
        return call(operation, *arguments)


def convolution(d: Draw) -> tuple[np.ndarray, np.ndarray, Window2d, int]:
    """Return x, w, window and groups of a random convolution, dense, grouped or depthwise."""
    groups, group_channels, group_outputs = d.one((1, 3, 4), (1, 1, 1), (2, 2, 3), (3, 1, 1), (3, 1, 2))
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
    return d.array(len(x), len(w), *window.output_size), w, window, groups


@row("conv2d.grad_weight")
def _(d: Draw) -> tuple[Any, ...]:
    x, w, window, groups = convolution(d)
    return d.array(len(x), len(w), *window.output_size), x, window, groups


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


@row("matmul")
def _(d: Draw) -> tuple[Any, ...]:
    (m, k, n), batch = d.ints(1, 6, 3), d.batch
    left, right = d.one(((), ()), ((batch,), (batch,)), ((batch, 1), (3,)), ((), (batch,)), ((batch,), ()))
    if not left and not right and d.one(True, False):
        return d.array(m, k), d.array(k, n), d.array(n), Epilogue(d.array(n), d.array(m, n), -1.0, 2.0)
    return d.array(*left, m, k), d.array(*right, k, n)


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


def taps(d: Draw, window: Window2d) -> np.ndarray:
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


@row("batch_norm.statistics")
def _(d: Draw) -> tuple[Any, ...]:
    return (d.array(*d.planes()),)


@row("batch_norm.normalize")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    arguments = d.array(*shape), d.array(4), d.positive(4), d.maybe(4), d.maybe(4), 1e-3
    return *arguments, *d.one((), (epilogue(d, shape),))


@row("batch_norm.grad")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    constants = d.array(4), d.positive(4), d.maybe(4), d.maybe(4), 1e-3
    arguments = d.array(*shape), d.array(*shape), *constants, d.one(True, False)
    low, high = d.one((0.0, np.inf), (-0.5, 0.5))
    clamped = d.place(np.clip(d.array(*shape), low, high)), low, high
    return *arguments, *d.one(
        (), (None, -np.inf, np.inf, False, True), (*clamped, False, False), (*clamped, False, True)
    )


@row("group_norm.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(*d.planes()), d.one(1, 2), d.maybe(4), d.maybe(4), 1e-3


@row("group_norm.grad")
def _(d: Draw) -> tuple[Any, ...]:
    shape, groups = d.planes(), d.one(1, 2, 4)
    return d.array(*shape), d.array(*shape), d.array(d.batch, groups), d.positive(d.batch, groups), d.maybe(4), groups


@row("layer_norm.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 7), d.maybe(7), d.maybe(7), 1e-3


@row("layer_norm.grad")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 7), d.array(d.batch, 7), d.array(d.batch), d.positive(d.batch), d.maybe(7)


@row("local_response_norm.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(*d.planes()), d.one(1, 2, 3, 4, 5, 9), 0.5, 0.75, 2.0


@row("local_response_norm.grad")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    return d.array(*shape), d.array(*shape), d.positive(*shape), d.one(1, 2, 3, 4, 5, 9), 0.5, 0.75


@row("relu.forward", "relu6.forward", "sigmoid.forward", "tanh.forward", "silu.forward")
@row("hardsigmoid.forward", "hardswish.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return (d.kinks(*d.planes()),)


@row("relu.grad", "relu6.grad", "sigmoid.grad", "tanh.grad", "silu.grad", "hardsigmoid.grad", "hardswish.grad")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    return d.array(*shape), d.kinks(*shape)


@row("leaky_relu.forward", "elu.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.kinks(*d.planes()), 0.3


@row("leaky_relu.grad", "elu.grad")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    return d.array(*shape), d.kinks(*shape), 0.3


@row("prelu.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(*d.planes()), d.array(d.one(1, 4))


@row("prelu.grad")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    return d.array(*shape), d.array(*shape), d.array(d.one(1, 4))


@row("add.forward")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    return d.array(*shape), d.one(d.array(*shape), d.array(*shape[2:]))


@row("cat.forward")
def _(d: Draw) -> tuple[Any, ...]:
    shape, axis = d.planes(), d.one(0, 1, -1)
    sizes = [(*shape[:axis], n, *shape[axis:][1:]) if axis >= 0 else (*shape[:-1], n) for n in d.ints(0, 20, 3)]
    return tuple(d.array(*size) for size in sizes), axis


@row("dropout.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(*d.planes()), d.one(0.0, 0.3, 0.5, 1.0), int(d.rng.integers(2**62))


@row("dropout.grad")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    return d.array(*shape), d.place(d.rng.random(shape) < 0.5), 0.5


@row("softmax.forward", "log_softmax.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 4, 3, 2), d.one(1, 2, 3, -1, -2)


@row("softmax.grad", "log_softmax.grad")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 4, 3), d.array(d.batch, 4, 3), d.one(1, 2, -1)


def labels(d: Draw) -> np.ndarray:
    target = d.rng.integers(0, 5, d.batch)
    target[d.rng.random(d.batch) < 0.3] = -100
    return d.place(target)


@row("cross_entropy.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 5), labels(d), d.one(None, d.positive(5)), -100, d.one(0.0, 0.1)


@row("cross_entropy.grad")
def _(d: Draw) -> tuple[Any, ...]:
    log_probabilities = d.place(-d.positive(d.batch, 5))
    return d.array(d.batch), log_probabilities, labels(d), d.one(None, d.positive(5)), -100, d.one(0.0, 0.1)


def blend(d: Draw, size: int, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def parameters(d: Draw) -> tuple[list[np.ndarray], list[np.ndarray], Callable[[], list[np.ndarray]]]:
    """Parameters of several shapes, their gradients (in another memory order, at times), and a maker of averages."""
    shapes = [d.planes(), (7,), (), (3, 2, 4)][:: d.one(1, -1)]
    grads = [d.one(g, np.array(g, order="F")) for g in (np.asarray(d.array(*shape)) for shape in shapes)]
    params = [np.asarray(d.array(*shape)) for shape in shapes]
    return params, grads, lambda: [np.asarray(d.positive(*shape)) for shape in shapes]


@row("sgd.step")
def _(d: Draw) -> tuple[Any, ...]:
    params, grads, averages = parameters(d)
    momentum = d.one(0.0, 0.9)
    buffers = averages() if momentum else None
    flags = d.one(True, False) and momentum > 0, d.one(True, False), d.one(True, False)  # nesterov, maximize, first
    return params, grads, buffers, 0.1, momentum, d.one(0.0, 0.3), d.one(0.0, 0.1), *flags


@row("adam.step")
def _(d: Draw) -> tuple[Any, ...]:
    params, grads, averages = parameters(d)
    state = averages(), averages(), d.one(None, averages())
    (step,), weight_decay = d.ints(1, 20, 1), d.one(0.0, 0.1)
    flags = d.one(True, False), d.one(True, False)  # decoupled, maximize
    return params, grads, *state, step, 0.01, 0.9, 0.99, 1e-6, weight_decay, *flags


@row("rmsprop.step")
def _(d: Draw) -> tuple[Any, ...]:
    params, grads, averages = parameters(d)
    squares, means, buffers = averages(), d.one(None, averages()), d.one(None, averages())
    for square in squares:
        square += 100  # more than the square of the mean
    return params, grads, squares, means, buffers, 0.01, 0.9, 1e-6, d.one(0.0, 0.1), 0.5, d.one(True, False)


@row("adagrad.step")
def _(d: Draw) -> tuple[Any, ...]:
    params, grads, averages = parameters(d)
    return (
        params,
        grads,
        averages(),
        d.ints(1, 20, 1)[0],
        0.1,
        d.one(0.0, 0.1),
        1e-6,
        d.one(0.0, 0.1),
        d.one(True, False),
    )


@row("adadelta.step")
def _(d: Draw) -> tuple[Any, ...]:
    params, grads, averages = parameters(d)
    return params, grads, averages(), averages(), 0.1, 0.9, 1e-6, d.one(0.0, 0.1), d.one(True, False)
