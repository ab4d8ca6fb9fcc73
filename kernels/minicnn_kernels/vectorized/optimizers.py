"""One step of the optimisers, in place; the formulas and sources are in ``reference/optimizers.py``.

A large parameter is updated some rows at a time, so that the temporaries stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import Array, check_step
from ..registry import kernel
from .common import wide

BLOCK = 2**16  # elements updated at a time
Arrays = list[Array]


def blocks(params: Arrays, grads: Arrays, *states: Arrays | None) -> Iterator[list[Any]]:
    """Walk over the parameters and what belongs to each; what the loop writes into a block arrives in the array.

    float16 is handed out as float32 and rounded when the loop comes back.
    """
    check_step(params, grads, *states)
    lists: list[list[Any]] = [[None] * len(params) if state is None else state for state in states]
    for arrays in zip(params, grads, *lists, strict=True):
        first = arrays[0]
        if first.size == 0:
            continue
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


def gradient(g: Array, p: Array, weight_decay: float, maximize: bool) -> Array:
    """The gradient with its sign and the weight decay."""
    if maximize:
        g = -g
    return g + weight_decay * p if weight_decay else g


@kernel("sgd.step", backend="numpy")
def sgd_step(
    params: Arrays,
    grads: Arrays,
    momentum_buffers: Arrays | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
) -> None:
    """Update the parameters and the momentum buffers; ``first`` starts the buffers with the gradients."""
    for p, g, v in blocks(params, grads, momentum_buffers):
        g = gradient(g, p, weight_decay, maximize)
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
    params: Arrays,
    grads: Arrays,
    exp_avgs: Arrays,
    exp_avg_sqs: Arrays,
    max_exp_avg_sqs: Arrays | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Update the parameters and both moving averages; AMSGrad if ``max_exp_avg_sqs`` is given."""
    for p, g, m, v, largest in blocks(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs):
        g = gradient(g, p, 0 if decoupled else weight_decay, maximize)
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * g * g
        if largest is not None:
            v = np.maximum(v, largest, out=largest)
        if decoupled:
            p *= 1 - lr * weight_decay
        p -= lr / (1 - beta1**step) * m / (np.sqrt(v / (1 - beta2**step)) + eps)


@kernel("rmsprop.step", backend="numpy")
def rmsprop_step(
    params: Arrays,
    grads: Arrays,
    square_avgs: Arrays,
    grad_avgs: Arrays | None,
    momentum_buffers: Arrays | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool,
) -> None:
    """Update the parameters and the averages; centred if ``grad_avgs`` is given."""
    for p, g, v, mean, buffer in blocks(params, grads, square_avgs, grad_avgs, momentum_buffers):
        g = gradient(g, p, weight_decay, maximize)
        v *= alpha
        v += (1 - alpha) * g * g
        if mean is not None:
            mean += (1 - alpha) * (g - mean)
            v = v - mean * mean
        change = g / (np.sqrt(v) + eps)
        if buffer is not None:
            buffer *= momentum
            buffer += change
            change = buffer
        p -= lr * change


@kernel("adagrad.step", backend="numpy")
def adagrad_step(
    params: Arrays,
    grads: Arrays,
    sums: Arrays,
    step: int,
    lr: float,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Update the parameters and the sums of squares."""
    for p, g, s in blocks(params, grads, sums):
        g = gradient(g, p, weight_decay, maximize)
        s += g * g
        p -= lr / (1 + (step - 1) * lr_decay) * g / (np.sqrt(s) + eps)


@kernel("adadelta.step", backend="numpy")
def adadelta_step(
    params: Arrays,
    grads: Arrays,
    square_avgs: Arrays,
    acc_deltas: Arrays,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Update the parameters and both averages, of squared gradients and of squared changes."""
    for p, g, v, u in blocks(params, grads, square_avgs, acc_deltas):
        g = gradient(g, p, weight_decay, maximize)
        v *= rho
        v += (1 - rho) * g * g
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u *= rho
        u += (1 - rho) * d * d
        p -= lr * d
