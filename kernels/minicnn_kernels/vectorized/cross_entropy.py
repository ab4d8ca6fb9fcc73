"""Cross-entropy of logits with class labels.

With label t, class weights and smoothing s, the label is a row of numbers ``q``::

    q_c  = (1 - s) * weight_t * [c = t] + s/C * weight_c
    loss = - sum over c of q_c * log p_c
    grad of logit c = p_c * sum(q) - q_c

A sample whose label is ``ignore_index`` has loss 0 and gradient 0.

Source: Goodfellow, Bengio & Courville, *Deep Learning*, 2016, section 6.2.2;
Szegedy et al., *Rethinking the Inception architecture*, 2016, section 7 (label smoothing).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..registry import kernel
from .common import wide
from .softmax import log_softmax_forward


def class_weights(weight: Array | None, like: Array) -> Array:
    """Return the weight (C,) of every class, in the type of ``like`` (M, C)."""
    return np.ones_like(like, shape=like.shape[1]) if weight is None else weight.astype(like.dtype)


@kernel("cross_entropy.forward", backend="numpy")
def cross_entropy_forward(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array]:
    """Return the losses (M,) and the log-probabilities (M, C) of logits (M, C) and target (M,)."""
    log_p = log_softmax_forward(wide(logits), 1)
    weights = class_weights(weight, log_p)
    sample, used = np.arange(len(target), like=target), target != ignore_index
    known = (target >= 0) & (target < log_p.shape[1])
    label = np.where(used & known, target, 0)  # ignored labels need not be classes
    losses = -(1 - label_smoothing) * weights[label] * log_p[sample, label]
    if label_smoothing:
        losses -= label_smoothing / log_p.shape[1] * (log_p @ weights)
    losses = np.where(used, np.where(known, losses, np.nan), 0)  # a label that is no class has no loss
    return losses.astype(logits.dtype, copy=False), log_p.astype(logits.dtype, copy=False)


@kernel("cross_entropy.grad", backend="numpy")
def cross_entropy_grad(
    grad_losses: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> Array:
    """Return the gradient of the logits (M, C) from the gradient of the losses (M,)."""
    log_p = wide(log_probabilities)
    weights = class_weights(weight, log_p)
    sample, used = np.arange(len(target), like=target), target != ignore_index
    label = np.where(used & (target >= 0) & (target < log_p.shape[1]), target, 0)
    smooth = label_smoothing / log_p.shape[1] * weights  # (C,), the same for every sample
    sharp = (1 - label_smoothing) * weights[label]  # (M,), at the label alone
    grad_logits = np.exp(log_p) * (smooth.sum() + sharp)[:, None] - smooth
    grad_logits[sample, label] -= sharp
    grad_logits = np.where(used[:, None], grad_logits * grad_losses[:, None], 0)  # a choice: 0 * NaN would be NaN
    return grad_logits.astype(log_probabilities.dtype, copy=False)
