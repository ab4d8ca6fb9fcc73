"""Cases of the other kernels of layers and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..epilogue import Epilogue
from .draw import Draw, row
from .windows import epilogue


@row("matmul")
def _(d: Draw) -> tuple[Any, ...]:
    (m, k, n), batch = d.ints(1, 6, 3), d.batch
    left, right = d.one(((), ()), ((batch,), (batch,)), ((batch, 1), (3,)), ((), (batch,)), ((batch,), ()))
    if not left and not right and d.one(True, False):
        return d.array(m, k), d.array(k, n), d.array(n), Epilogue(d.array(n), d.array(m, n), -1.0, 2.0)
    return d.array(*left, m, k), d.array(*right, k, n)


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
    arguments = d.array(*shape), d.array(*shape), d.array(4), d.positive(4), d.maybe(4), 1e-3, d.one(True, False)
    low, high = d.one((0.0, np.inf), (-0.5, 0.5))
    clamped = d.place(np.clip(d.array(*shape), low, high)), low, high
    with_residual, again = (*clamped, True, False, d.maybe(4)), (None, low, high, False, True, d.maybe(4))
    return *arguments, *d.one((), (None, -np.inf, np.inf, True), (*clamped, False), with_residual, again)


@row("batch_norm.normalize_joined")
def _(d: Draw) -> tuple[Any, ...]:
    parts, shape = d.parts()
    channels = shape[1]
    arguments = parts, d.array(channels), d.positive(channels), d.maybe(channels), d.maybe(channels), 1e-3
    return *arguments, *d.one((), (epilogue(d, shape),))


@row("batch_norm.grad_joined")
def _(d: Draw) -> tuple[Any, ...]:
    parts, shape = d.parts()
    channels = shape[1]
    arguments = d.array(*shape), parts, d.array(channels), d.positive(channels), d.maybe(channels), d.maybe(channels)
    return *arguments, 1e-3, *d.one((), (0.0, np.inf), (-0.5, 0.5))


@row("batch_norm.add_line")
def _(d: Draw) -> tuple[Any, ...]:
    shape = d.planes()
    return d.array(*shape), d.array(*shape), d.array(4), d.array(4), d.array(4)


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
    return d.array(*shape), d.place(d.rng.random(shape) < 0.5), d.one(0.5, 0.3)


@row("softmax.forward", "log_softmax.forward")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 4, 3, 2), d.one(1, 2, 3, -1, -2)


@row("softmax.grad", "log_softmax.grad")
def _(d: Draw) -> tuple[Any, ...]:
    return d.array(d.batch, 4, 3), d.array(d.batch, 4, 3), d.one(1, 2, -1)


def labels(d: Draw) -> Array:
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
