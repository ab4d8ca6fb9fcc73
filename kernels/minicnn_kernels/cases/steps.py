"""Cases of the optimisers' steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from .draw import Draw, row

IN_PLACE = {  # positions of the arguments that a step changes
    "batch_norm.add_line": (0,),
    "sgd.step": (0, 2),
    "adam.step": (0, 2, 3, 4),
    "rmsprop.step": (0, 2, 3, 4),
    "adagrad.step": (0, 2),
    "adadelta.step": (0, 2, 3),
}


def parameters(d: Draw) -> tuple[list[Array], list[Array], Callable[[], list[Array]]]:
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
