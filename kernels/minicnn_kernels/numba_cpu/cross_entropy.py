"""Cross-entropy of logits with class labels: log-softmax and the loss of a row in one go.

With label t, class weights and smoothing s, a label asks for ``q_c = (1 - s)*weight_t*[c = t] + s/C*weight_c``; then::

    loss = - sum over c of q_c * log p_c            grad of logit c = grad_loss * (p_c * sum(q) - q_c)

Sources: see ``reference/cross_entropy.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..memory import empty
from .jit import numba_kernel, parallel, serial_reordered, share, unsigned
from .mathematics import exp
from .softmax import exp_sum, log_probabilities, rows_per_task


@serial_reordered
def _loss_row(log_p, x, p, classes, label, weight, smoothing):  # type: ignore[no-untyped-def]
    """Write the log-probabilities of one sample; return its loss (``label`` -1: ignored)."""
    top, total = exp_sum(x, p, classes)
    log_probabilities(log_p, x, p, classes, top, total)
    p = unsigned(p)
    if label < 0:
        return 0.0
    loss = -(1 - smoothing) * weight[label] * log_p[p + unsigned(label)]
    if smoothing > 0:
        spread = 0.0
        for c in range(unsigned(classes)):
            spread += weight[c] * log_p[p + c]
        loss -= smoothing / classes * spread
    return loss


@parallel
def _losses(thread, losses, log_p, x, labels, m, classes, weight, smoothing, rows):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + rows - 1) // rows):
        for i in range(t * rows, min(m, t * rows + rows)):
            losses[i] = _loss_row(log_p, x, i * classes, classes, labels[i], weight, smoothing)


@serial_reordered
def _grad_row(grad, grad_loss, log_p, p, classes, label, weight, smoothing):  # type: ignore[no-untyped-def]
    p = unsigned(p)
    if label < 0:
        for c in range(unsigned(classes)):
            grad[p + c] = 0
        return
    number = log_p.dtype.type
    sharp, smooth = number(1 - smoothing) * weight[label], number(smoothing / classes)
    total = sharp
    for c in range(unsigned(classes)):
        total += smooth * weight[c]
    for c in range(unsigned(classes)):
        grad[p + c] = grad_loss * (exp(log_p[p + c]) * total - smooth * weight[c])
    grad[p + unsigned(label)] -= grad_loss * sharp


@parallel
def _grads(thread, grad, grad_losses, log_p, labels, m, classes, weight, smoothing, rows):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + rows - 1) // rows):
        for i in range(t * rows, min(m, t * rows + rows)):
            _grad_row(grad, grad_losses[i], log_p, i * classes, classes, labels[i], weight, smoothing)


def _labels(target: Array, ignore_index: int) -> Array:
    """The labels, -1 where the sample is ignored."""
    return np.where(target == ignore_index, -1, target).astype(np.int64)


def _weights(weight: Array | None, like: Array) -> Array:
    """One weight per class in the type of ``like (M, C)``."""
    return np.ones(like.shape[1], like.dtype) if weight is None else np.ascontiguousarray(weight, like.dtype)


@numba_kernel("cross_entropy.forward")
def cross_entropy_forward(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array]:
    """Return the losses (M,) and the log-probabilities (M, C) of logits (M, C) and target (M,)."""
    m, classes = logits.shape
    x = np.ascontiguousarray(logits)
    losses, log_p = empty(m, x.dtype), empty(x.shape, x.dtype)
    if x.size:
        labels, weights = _labels(target, ignore_index), _weights(weight, x)
        memories = losses, log_p.reshape(-1), x.reshape(-1)
        _losses(*memories, labels, m, classes, weights, float(label_smoothing), rows_per_task(classes))
    return losses, log_p


@numba_kernel("cross_entropy.grad")
def cross_entropy_grad(
    grad_losses: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> Array:
    """Return the gradient of the logits (M, C) from the gradient of the losses (M,)."""
    m, classes = log_probabilities.shape
    log_p = np.ascontiguousarray(log_probabilities)
    grad = empty(log_p.shape, log_p.dtype)
    if grad.size:
        labels, weights = _labels(target, ignore_index), _weights(weight, log_p)
        memories = grad.reshape(-1), np.ascontiguousarray(grad_losses), log_p.reshape(-1)
        _grads(*memories, labels, m, classes, weights, float(label_smoothing), rows_per_task(classes))
    return grad
