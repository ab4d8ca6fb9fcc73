"""One step of the optimisers, in place, for one parameter; the formulas and sources are in ``reference/optimizers.py``.

A large parameter is updated some rows at a time, so that the temporaries stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .common import wide

BLOCK = 2**16  # elements updated at a time


def blocks(*arrays: Array | None) -> Iterator[list[Any]]:
    """Walk over arrays of one shape together; what the loop writes into a block arrives in the array.

    float16 is handed out as float32 and rounded when the loop comes back.
    """
    first = arrays[0]
    if first is None or first.size == 0:
        return
    length = len(first) if first.ndim else 1
    rows = max(BLOCK * length // first.size, 1)
    for start in range(0, length, rows):
        piece = slice(start, start + rows) if first.ndim else ...
        views = [None if array is None else array[piece] for array in arrays]
        block = [None if view is None else wide(view) for view in views]
        yield block
        for view, values in zip(views, block, strict=True):
            if view is not None and values is not view:
                view[...] = values


@kernel("sgd.step", backend="numpy")
def sgd_step(
    param: Array,
    grad: Array,
    momentum_buffer: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
) -> None:
    """Update param and the momentum buffer; ``first`` starts the buffer with the gradient."""
    for p, g, v in blocks(param, grad, momentum_buffer):
        if maximize:
            g = -g
        if weight_decay:
            g = g + weight_decay * p
        if v is not None:
            if first:
                v[...] = g
            else:
                v *= momentum
                v += (1 - dampening) * g
            g = g + momentum * v if nesterov else v
        p -= lr * g


@kernel("adam.step", backend="numpy")
def adam_step(
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Update param and both moving averages; AMSGrad if ``max_exp_avg_sq`` is given."""
    for p, g, m, v, largest in blocks(param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq):
        if maximize:
            g = -g
        if decoupled:
            p *= 1 - lr * weight_decay
        elif weight_decay:
            g = g + weight_decay * p
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * g * g
        if largest is not None:
            v = np.maximum(v, largest, out=largest)
        p -= lr / (1 - beta1**step) * m / (np.sqrt(v / (1 - beta2**step)) + eps)
