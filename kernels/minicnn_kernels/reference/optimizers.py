"""One step of the optimisers, in place, for a list of parameters.

SGD with momentum ``mu`` and weight decay ``lambda``::

    g = grad + lambda*param
    v = mu*v + (1 - dampening)*g             (the first time: v = g)
    param -= lr * (g + mu*v if nesterov else v)

Adam, step t = 1, 2, ...::

    m = beta1*m + (1 - beta1)*g              v = beta2*v + (1 - beta2)*g^2
    param -= lr * m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + eps)

Adam adds the weight decay to the gradient; AdamW (``decoupled``) shrinks the
parameter by ``lr*lambda`` instead. AMSGrad puts the largest v so far in v's place.

RMSprop; ``centered`` subtracts the square of m, the average of g, from v::

    v = alpha*v + (1 - alpha)*g^2            b = mu*b + g / (sqrt(v) + eps)
    param -= lr*b

Adagrad and Adadelta::

    s = s + g^2                              v = rho*v + (1 - rho)*g^2
    d = g / (sqrt(s) + eps)                  d = sqrt(u + eps)/sqrt(v + eps) * g
                                             u = rho*u + (1 - rho)*d^2
    param -= lr/(1 + (t - 1)*lr_decay) * d   param -= lr*d

``maximize`` climbs: it turns the sign of the gradient. Arguments that are lists have one array per parameter.

Source: Sutskever et al., *On the importance of initialization and momentum in deep
learning*, 2013; Kingma & Ba, *Adam*, 2015, algorithm 1; Reddi, Kale & Kumar, *On the
convergence of Adam and beyond*, 2018; Loshchilov & Hutter, *Decoupled weight decay
regularization*, 2019; Hinton, *Neural networks for machine learning*, lecture 6e, 2012; Duchi, Hazan & Singer,
*Adaptive subgradient methods*, 2011; Zeiler, *ADADELTA*, 2012, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np

from ..arrays import Array, check_step
from ..registry import kernel

Arrays = list[Array]


def elements(params: Arrays, grads: Arrays, *states: Arrays | None) -> Iterator[tuple[Any, ...]]:
    """Go through all elements of all parameters: an index, then the arrays that it is for (None for a list of None)."""
    check_step(params, grads, *states)
    lists: list[list[Any]] = [[None] * len(params) if state is None else state for state in states]
    for param, *rest in zip(params, grads, *lists, strict=True):
        for index in np.ndindex(param.shape):
            yield index, param, *rest


def gradient(grad: Array, param: Array, index: tuple[int, ...], weight_decay: float, maximize: bool) -> float:
    """``g``: one element of the gradient, with its sign and the weight decay."""
    return (-float(grad[index]) if maximize else float(grad[index])) + weight_decay * float(param[index])


@kernel("sgd.step", backend="reference")
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
    for i, param, grad, buffer in elements(params, grads, momentum_buffers):
        g = gradient(grad, param, i, weight_decay, maximize)
        if buffer is not None:
            v = g if first else momentum * float(buffer[i]) + (1 - dampening) * g
            buffer[i] = v
            g = g + momentum * v if nesterov else v
        param[i] = float(param[i]) - lr * g


@kernel("adam.step", backend="reference")
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
    for i, param, grad, exp_avg, exp_avg_sq, largest in elements(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs):
        p = float(param[i])
        g = gradient(grad, param, i, 0 if decoupled else weight_decay, maximize)
        if decoupled:
            p -= lr * weight_decay * p
        m = beta1 * float(exp_avg[i]) + (1 - beta1) * g
        v = beta2 * float(exp_avg_sq[i]) + (1 - beta2) * g * g
        exp_avg[i], exp_avg_sq[i] = m, v
        if largest is not None:
            v = max(v, float(largest[i]))
            largest[i] = v
        param[i] = p - lr * m / (1 - beta1**step) / (sqrt(v / (1 - beta2**step)) + eps)


@kernel("rmsprop.step", backend="reference")
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
    for i, param, grad, square, mean, buffer in elements(params, grads, square_avgs, grad_avgs, momentum_buffers):
        g = gradient(grad, param, i, weight_decay, maximize)
        v = alpha * float(square[i]) + (1 - alpha) * g * g
        square[i] = v
        if mean is not None:
            m = float(mean[i]) + (1 - alpha) * (g - float(mean[i]))
            mean[i] = m
            v -= m * m
        change = g / (sqrt(v) + eps)
        if buffer is not None:
            change += momentum * float(buffer[i])
            buffer[i] = change
        param[i] = float(param[i]) - lr * change


@kernel("adagrad.step", backend="reference")
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
    for i, param, grad, total in elements(params, grads, sums):
        g = gradient(grad, param, i, weight_decay, maximize)
        s = float(total[i]) + g * g
        total[i] = s
        param[i] = float(param[i]) - lr / (1 + (step - 1) * lr_decay) * g / (sqrt(s) + eps)


@kernel("adadelta.step", backend="reference")
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
    for i, param, grad, square, acc in elements(params, grads, square_avgs, acc_deltas):
        g = gradient(grad, param, i, weight_decay, maximize)
        v = rho * float(square[i]) + (1 - rho) * g * g
        d = sqrt(float(acc[i]) + eps) / sqrt(v + eps) * g
        square[i], acc[i] = v, rho * float(acc[i]) + (1 - rho) * d * d
        param[i] = float(param[i]) - lr * d
