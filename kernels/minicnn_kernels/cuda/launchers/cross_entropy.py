"""Cross-entropy of logits with class labels: softmax and loss in one launch, and the gradient in another."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, namespace
from . import order
from .launch import launch, launcher


@launcher("cross_entropy.forward", "cross_entropy.forward")
def cross_entropy_forward(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array]:
    """The losses (M,) and the log-probabilities (M, C)."""
    losses, log_probabilities = (namespace(logits).empty(shape, logits.dtype) for shape in (len(logits), logits.shape))
    launch(
        "cross_entropy.forward", logits=order.contiguous(logits), target=labels(target), weight=order.vector(weight),
        losses=losses, log_probabilities=log_probabilities, ignore_index=ignore_index, label_smoothing=label_smoothing,
    )  # fmt: skip
    return losses, log_probabilities


@launcher("cross_entropy.grad", "cross_entropy.grad")
def cross_entropy_grad(
    grad_losses: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> Array:
    """The gradient of the logits (M, C)."""
    grad_logits = namespace(grad_losses).empty(log_probabilities.shape, grad_losses.dtype)
    launch(
        "cross_entropy.grad", grad_losses=order.contiguous(grad_losses),
        log_probabilities=order.contiguous(log_probabilities), target=labels(target), weight=order.vector(weight),
        grad_logits=grad_logits, ignore_index=ignore_index, label_smoothing=label_smoothing,
    )  # fmt: skip
    return grad_logits


def labels(target: Array) -> Array:
    """As the kernels read them: int64."""
    return order.contiguous(target if target.dtype == np.int64 else target.astype(np.int64))
