"""One step of the optimisers, in place, for all parameters at once; formulas: ``reference/optimizers.py``.

An optimiser computes little and moves much: Adam reads four arrays and writes three. The whole formula is applied while
an element is in a register, so each array crosses the memory bus once each way.

A network has a few large parameters and hundreds of small ones. They are cut into chunks of at most ``CHUNK`` elements,
and one launch works on all chunks: small parameters then cost no launch each (10 us), large ones are shared out.
A parameter's elements are treated in the order in which they lie in memory, whatever the strides; its gradient and its
averages are copied only if their memory order is another one.

Parameters that share memory are not changed in one launch, where two threads would read an element before one of them
writes it: the list is halved until no two in a launch do, and each half sees what the one before it has written.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from ..arrays import Array, check_step
from ..memory import dense, empty_like
from ..registry import kernel
from .addresses import elements, overlapping
from .elementwise import CHUNK, check_writeable
from .jit import parallel, serial_no_alias, share
from .layout import copy_into

Arrays = list[Array]


def _same_order(x: Array, like: Array) -> bool:
    """Whether the elements lie in the same order; the stride of an axis of length 1 tells nothing."""
    return x.strides == like.strides or all(
        s == t for s, t, length in zip(x.strides, like.strides, like.shape, strict=True) if length > 1
    )


def _ordered(x: Array, like: Array) -> Array:
    """A copy of ``x`` that lies in memory as ``like``."""
    y = empty_like(like)
    if x.ndim == 4:
        copy_into(y, x)  # on all cores: the gradient of a convolution may need it in every step
    else:
        y[...] = x
    return y


def _table(rows: list[list[int]], sizes: list[int]) -> Array:
    """``(chunks, 2 + arrays)``: where a chunk begins and how many elements it has, and the arrays that it is of."""
    size, arrays = np.array(sizes, np.int64), np.array(rows, np.int64)
    chunks = -(-size // CHUNK)
    row = np.arange(len(rows)).repeat(chunks)
    start = (np.arange(len(row)) - (chunks.cumsum() - chunks)[row]) * CHUNK
    return np.column_stack((start, np.minimum(size[row] - start, CHUNK), arrays[row]))


def _launch(
    steps: Callable[..., None], params: Arrays, grads: Arrays, states: list[Arrays | None], numbers: tuple[Any, ...]
) -> None:
    """Run ``steps(table, like, numbers, given)``; the parameter stands in for a state that is not given."""
    check_step(params, grads, *states)
    if params:
        _launch_checked(steps, params, grads, states, numbers)


def _launch_checked(
    steps: Callable[..., None], params: Arrays, grads: Arrays, states: list[Arrays | None], numbers: tuple[Any, ...]
) -> None:
    if overlapping(sum((state for state in states if state is not None), params), grads):
        if len(params) > 1:
            half = len(params) // 2
            for part in (slice(half), slice(half, None)):
                parts = [None if state is None else state[part] for state in states]
                _launch_checked(steps, params[part], grads[part], parts, numbers)
            return
        grads = [grads[0].copy()]  # it may be the memory of its parameter
    given = tuple(state is not None for state in states)
    rows, sizes, alive = [], [], []
    written = [params, *(state for state in states if state is not None)]
    check_writeable(*chain.from_iterable(written))
    copies: list[tuple[Array, Array]] = []  # to be written back
    for grad, param, *state in zip(grads, *written, strict=True):
        if param.size == 0:
            continue
        like = param if dense(param) else empty_like(param)
        row = [x if _same_order(x, like) else _ordered(x, like) for x in (param, *state, grad)]
        copies += [(x, y) for x, y in zip((param, *state), row, strict=False) if x is not y]
        alive.append(row)
        places = iter(row[1:-1])
        rows.append([id(row[0]), id(row[-1]), *(id(next(places) if there else row[0]) for there in given)])
        sizes.append(param.size)
    if rows:
        number = params[0].dtype.type
        steps(_table(rows, sizes), np.empty(0, number), tuple(map(number, numbers)), given)
    for x, y in copies:
        x[...] = y


def _declines(params: Arrays, *_: Any) -> str | None:
    kinds = {param.dtype for param in params}
    if len(kinds) == 1 and kinds <= {np.dtype(np.float32), np.dtype(np.float64)}:
        return None
    return f"it is compiled for parameters that are all float32 or all float64, and these are {sorted(map(str, kinds))}"


@serial_no_alias
def _sgd(param, g, buffer, numbers, with_momentum):  # type: ignore[no-untyped-def]
    lr, momentum, taken, decay, sign, nesterov = numbers
    for j in range(len(param)):
        d = sign * g[j] + decay * param[j]
        if with_momentum:
            v = momentum * buffer[j] + taken * d
            buffer[j] = v
            d = d + momentum * v if nesterov != 0 else v
        param[j] -= lr * d


@parallel
def _sgd_steps(thread, table, like, numbers, given):  # type: ignore[no-untyped-def]
    for t in share(thread, len(table)):
        i, n = table[t, 0], table[t, 1]
        p, g, v = table[t, 2], table[t, 3], table[t, 4]
        _sgd(elements(p, i, n, like), elements(g, i, n, like), elements(v, i, n, like), numbers, given[0])


@kernel("sgd.step", "numba", _declines)
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
    if first and momentum_buffers is not None:
        for buffer in momentum_buffers:
            buffer[...] = 0
    taken = 1 if first else 1 - dampening
    numbers = lr, momentum, taken, weight_decay, -1 if maximize else 1, nesterov
    _launch(_sgd_steps, params, grads, [momentum_buffers], numbers)


@serial_no_alias
def _adam(param, g, m, v, largest, numbers, amsgrad):  # type: ignore[no-untyped-def]
    beta2, new1, new2, rate, root, eps, shrink, decay, sign = numbers
    for j in range(len(param)):
        p = param[j]
        d = sign * g[j] + decay * p
        m[j] += new1 * (d - m[j])
        square = beta2 * v[j] + new2 * d * d
        v[j] = square
        if amsgrad:
            square = max(square, largest[j])
            largest[j] = square
        param[j] = p * shrink - rate * m[j] / (np.sqrt(square) * root + eps)


@parallel
def _adam_steps(thread, table, like, numbers, given):  # type: ignore[no-untyped-def]
    for t in share(thread, len(table)):
        i, n = table[t, 0], table[t, 1]
        p, g, m, v, x = table[t, 2], table[t, 3], table[t, 4], table[t, 5], table[t, 6]
        _adam(
            elements(p, i, n, like), elements(g, i, n, like), elements(m, i, n, like), elements(v, i, n, like),
            elements(x, i, n, like), numbers, given[2],
        )  # fmt: skip


@kernel("adam.step", "numba", _declines)
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
    numbers = (
        beta2,
        1 - beta1,
        1 - beta2,
        lr / (1 - beta1**step),
        (1 - beta2**step) ** -0.5,  # sqrt(v / (1 - beta2^step)) = sqrt(v) * root
        eps,
        1 - lr * weight_decay if decoupled else 1,
        0 if decoupled else weight_decay,
        -1 if maximize else 1,
    )
    _launch(_adam_steps, params, grads, [exp_avgs, exp_avg_sqs, max_exp_avg_sqs], numbers)


@serial_no_alias
def _rmsprop(param, g, square, mean, buffer, numbers, centred, with_momentum):  # type: ignore[no-untyped-def]
    lr, alpha, new, eps, decay, momentum, sign = numbers
    for j in range(len(param)):
        d = sign * g[j] + decay * param[j]
        v = alpha * square[j] + new * d * d
        square[j] = v
        if centred:
            m = mean[j] + new * (d - mean[j])
            mean[j] = m
            v -= m * m
        change = d / (np.sqrt(v) + eps)
        if with_momentum:
            change += momentum * buffer[j]
            buffer[j] = change
        param[j] -= lr * change


@parallel
def _rmsprop_steps(thread, table, like, numbers, given):  # type: ignore[no-untyped-def]
    for t in share(thread, len(table)):
        i, n = table[t, 0], table[t, 1]
        p, g, v, m, b = table[t, 2], table[t, 3], table[t, 4], table[t, 5], table[t, 6]
        _rmsprop(
            elements(p, i, n, like), elements(g, i, n, like), elements(v, i, n, like), elements(m, i, n, like),
            elements(b, i, n, like), numbers, given[1], given[2],
        )  # fmt: skip


@kernel("rmsprop.step", "numba", _declines)
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
    numbers = lr, alpha, 1 - alpha, eps, weight_decay, momentum, -1 if maximize else 1
    _launch(_rmsprop_steps, params, grads, [square_avgs, grad_avgs, momentum_buffers], numbers)


@serial_no_alias
def _adagrad(param, g, total, numbers):  # type: ignore[no-untyped-def]
    rate, eps, decay, sign = numbers
    for j in range(len(param)):
        d = sign * g[j] + decay * param[j]
        s = total[j] + d * d
        total[j] = s
        param[j] -= rate * d / (np.sqrt(s) + eps)


@parallel
def _adagrad_steps(thread, table, like, numbers, given):  # type: ignore[no-untyped-def]
    for t in share(thread, len(table)):
        i, n = table[t, 0], table[t, 1]
        p, g, s = table[t, 2], table[t, 3], table[t, 4]
        _adagrad(elements(p, i, n, like), elements(g, i, n, like), elements(s, i, n, like), numbers)


@kernel("adagrad.step", "numba", _declines)
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
    numbers = lr / (1 + (step - 1) * lr_decay), eps, weight_decay, -1 if maximize else 1
    _launch(_adagrad_steps, params, grads, [sums], numbers)


@serial_no_alias
def _adadelta(param, g, square, acc, numbers):  # type: ignore[no-untyped-def]
    lr, rho, new, eps, decay, sign = numbers
    for j in range(len(param)):
        d = sign * g[j] + decay * param[j]
        v = rho * square[j] + new * d * d
        square[j] = v
        change = np.sqrt(acc[j] + eps) / np.sqrt(v + eps) * d
        acc[j] = rho * acc[j] + new * change * change
        param[j] -= lr * change


@parallel
def _adadelta_steps(thread, table, like, numbers, given):  # type: ignore[no-untyped-def]
    for t in share(thread, len(table)):
        i, n = table[t, 0], table[t, 1]
        p, g, v, u = table[t, 2], table[t, 3], table[t, 4], table[t, 5]
        _adadelta(
            elements(p, i, n, like), elements(g, i, n, like), elements(v, i, n, like), elements(u, i, n, like), numbers
        )


@kernel("adadelta.step", "numba", _declines)
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
    numbers = lr, rho, 1 - rho, eps, weight_decay, -1 if maximize else 1
    _launch(_adadelta_steps, params, grads, [square_avgs, acc_deltas], numbers)
