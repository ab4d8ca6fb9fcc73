"""One step of the optimisers, in place, in one pass over the memory; formulas: ``reference/optimizers.py``.

An optimiser computes little and moves much: Adam reads four arrays and writes three. The whole formula is applied while
an element is in a register, so each array crosses the memory bus once each way.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Array
from .elementwise import CHUNK, aligned, check_writeable, shaped
from .jit import numba_kernel, parallel, serial_no_alias


def _written_back(memories: list[Array], arrays: list[Array]) -> None:
    """Copy results into those arrays whose memory was not contiguous, and was therefore worked on as a copy."""
    for memory, array in zip(memories, arrays, strict=True):
        if not np.may_share_memory(memory, array):
            array[...] = shaped(memory, arrays[0])


@serial_no_alias
def _sgd(param, g, buffer, first, last, lr, momentum, taken, decay, sign, nesterov):  # type: ignore[no-untyped-def]
    for j in range(np.uint64(first), np.uint64(last)):
        d = sign * g[j] + decay * param[j]
        v = momentum * buffer[j] + taken * d
        buffer[j] = v
        param[j] -= lr * (d + momentum * v if nesterov else v)


@serial_no_alias
def _sgd_plain(param, g, first, last, lr, decay, sign):  # type: ignore[no-untyped-def]
    for j in range(np.uint64(first), np.uint64(last)):
        param[j] -= lr * (sign * g[j] + decay * param[j])


@parallel
def _sgd_steps(param, g, buffer, size, lr, momentum, taken, decay, sign, nesterov):  # type: ignore[no-untyped-def]
    for t in prange((size + CHUNK - 1) // CHUNK):
        first, last = t * CHUNK, min(size, t * CHUNK + CHUNK)
        if len(buffer) == 0:
            _sgd_plain(param, g, first, last, lr, decay, sign)
        else:
            _sgd(param, g, buffer, first, last, lr, momentum, taken, decay, sign, nesterov)


@numba_kernel("sgd.step")
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
    number = param.dtype.type
    arrays = [param] if momentum_buffer is None else [param, momentum_buffer]
    check_writeable(*arrays)
    if first and momentum_buffer is not None:
        momentum_buffer[...] = 0
    p, g, *rest = aligned(param, grad, *arrays[1:])
    v = rest[0] if rest else np.empty(0, param.dtype)
    taken = number(1 if first else 1 - dampening)
    sign = number(-1 if maximize else 1)
    _sgd_steps(p, g, v, p.size, number(lr), number(momentum), taken, number(weight_decay), sign, bool(nesterov))
    _written_back([p, *rest], arrays)


@serial_no_alias
def _adam(param, g, m, v, largest, first, last, numbers, amsgrad):  # type: ignore[no-untyped-def]
    beta2, new1, new2, rate, root, eps, shrink, decay, sign = numbers
    for j in range(np.uint64(first), np.uint64(last)):
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
def _adam_steps(param, g, m, v, largest, size, numbers):  # type: ignore[no-untyped-def]
    for t in prange((size + CHUNK - 1) // CHUNK):
        first, last = t * CHUNK, min(size, t * CHUNK + CHUNK)
        _adam(param, g, m, v, largest, first, last, numbers, len(largest) > 0)


@numba_kernel("adam.step")
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
    state = [exp_avg, exp_avg_sq] + ([] if max_exp_avg_sq is None else [max_exp_avg_sq])
    check_writeable(param, *state)
    p, g, *memories = aligned(param, grad, *state)
    largest = memories[2] if max_exp_avg_sq is not None else np.empty(0, param.dtype)
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
    _adam_steps(p, g, memories[0], memories[1], largest, p.size, tuple(map(param.dtype.type, numbers)))
    _written_back([p, *memories], [param, *state])
