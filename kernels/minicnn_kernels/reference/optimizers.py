"""One step of the optimisers, in place, for one parameter.

SGD with momentum ``mu`` and weight decay ``lambda``::

    g = grad + lambda*param
    v = mu*v + (1 - dampening)*g             (the first time: v = g)
    param -= lr * (g + mu*v if nesterov else v)

Adam, step t = 1, 2, ...::

    m = beta1*m + (1 - beta1)*g              v = beta2*v + (1 - beta2)*g^2
    param -= lr * m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + eps)

Adam adds the weight decay to the gradient; AdamW (``decoupled``) shrinks the
parameter by ``lr*lambda`` instead. AMSGrad puts the largest v so far in v's place.
``maximize`` climbs: it turns the sign of the gradient.

Source: Sutskever et al., *On the importance of initialization and momentum in deep
learning*, 2013; Kingma & Ba, *Adam*, 2015, algorithm 1; Reddi, Kale & Kumar, *On the
convergence of Adam and beyond*, 2018; Loshchilov & Hutter, *Decoupled weight decay
regularization*, 2019.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..registry import kernel


@kernel("sgd.step", backend="reference")
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
    for i in np.ndindex(param.shape):
        g = -float(grad[i]) if maximize else float(grad[i])
        g += weight_decay * float(param[i])
        if momentum_buffer is not None:
            v = g if first else momentum * float(momentum_buffer[i]) + (1 - dampening) * g
            momentum_buffer[i] = v
            g = g + momentum * v if nesterov else v
        param[i] = float(param[i]) - lr * g


@kernel("adam.step", backend="reference")
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
    for i in np.ndindex(param.shape):
        p = float(param[i])
        g = -float(grad[i]) if maximize else float(grad[i])
        if decoupled:
            p -= lr * weight_decay * p
        else:
            g += weight_decay * p
        m = beta1 * float(exp_avg[i]) + (1 - beta1) * g
        v = beta2 * float(exp_avg_sq[i]) + (1 - beta2) * g * g
        exp_avg[i], exp_avg_sq[i] = m, v
        if max_exp_avg_sq is not None:
            v = max(v, float(max_exp_avg_sq[i]))
            max_exp_avg_sq[i] = v
        param[i] = p - lr * m / (1 - beta1**step) / (math.sqrt(v / (1 - beta2**step)) + eps)
