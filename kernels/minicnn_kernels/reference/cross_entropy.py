"""Cross-entropy of logits with class labels.

The loss of a sample with label ``t`` is ``-log p_t``, where ``p`` is the softmax of
its logits. Class weights and label smoothing (``s``) turn the label into a row of numbers ``q``::

    q_c  = (1 - s) * weight_t * [c = t] + s/C * weight_c
    loss = - sum over c of q_c * log p_c
    grad of logit c = p_c * sum(q) - q_c

Without weights and smoothing that gradient is the famous ``p - onehot(t)``. A
sample whose label is ``ignore_index`` has loss 0 and gradient 0.

Source: Goodfellow, Bengio & Courville, *Deep Learning*, 2016, section 6.2.2;
Szegedy et al., *Rethinking the Inception architecture*, 2016, section 7 (label smoothing).
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .indexing import doubles
from .softmax import log_softmax_forward


def label_row(target: int, classes: int, weight: Array | None, label_smoothing: float) -> list[float]:
    """Return ``q``: how much of each class the label asks for."""
    weights = [1.0] * classes if weight is None else [float(v) for v in weight]
    smooth = [label_smoothing / classes * weights[c] for c in range(classes)]
    smooth[target] += (1 - label_smoothing) * weights[target]
    return smooth


@kernel("cross_entropy.forward", backend="reference")
def cross_entropy_forward(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array]:
    """Return the losses (M,) and the log-probabilities (M, C) of logits (M, C) and target (M,)."""
    log_probabilities = log_softmax_forward(doubles(logits), 1)
    losses = np.zeros(len(logits))
    for m in range(len(logits)):
        if target[m] != ignore_index:
            for c, q in enumerate(label_row(int(target[m]), logits.shape[1], weight, label_smoothing)):
                if q != 0:  # a class that is not asked for may be impossible: log p = -inf
                    losses[m] -= q * log_probabilities[m, c]
    return losses.astype(logits.dtype), log_probabilities.astype(logits.dtype)


@kernel("cross_entropy.grad", backend="reference")
def cross_entropy_grad(
    grad_losses: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> Array:
    """Return the gradient of the logits (M, C) from the gradient of the losses (M,)."""
    samples, classes = log_probabilities.shape
    grad_logits = np.zeros((samples, classes), log_probabilities.dtype)
    for m in range(samples):
        if target[m] != ignore_index:
            q = label_row(int(target[m]), classes, weight, label_smoothing)
            for c in range(classes):
                p = math.exp(float(log_probabilities[m, c]))
                grad_logits[m, c] = float(grad_losses[m]) * (p * sum(q) - q[c])
    return grad_logits
