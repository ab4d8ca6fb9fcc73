"""Losses, one number per sample or element; taking the mean or the sum comes after.

The formulas are in the docstrings of :mod:`minicnn.nn.functional`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from minicnn_kernels.arrays import on_device, on_host
from minicnn_kernels.registry import call

from ..core.errors import ShapeError
from ..core.function import Function
from ..core.grad_mode import is_anomaly_enabled
from ..core.tensor import Tensor
from .activations import log_softmax, sigmoid
from .choosing import where
from .indexing import GetItem


class CrossEntropy(Function):
    """Loss of each row of logits (M, C) with its label (M,)."""

    def __init__(self, weight: Any, ignore_index: int, label_smoothing: float) -> None:
        self.settings = weight, ignore_index, label_smoothing

    def forward(self, logits: Any, target: Any) -> Any:
        losses, log_probabilities = call("cross_entropy.forward", logits, target, *self.settings)
        self.save(log_probabilities, target)
        return losses

    def backward(self, grad_losses: Any) -> Any:
        return call("cross_entropy.grad", grad_losses, *self.saved, *self.settings), None


class BinaryCrossEntropy(Function):
    """-(t*log(p) + (1 - t)*log(1 - p)), with logarithms of at least -100 and a gradient that stays finite."""

    def forward(self, p: Any, t: Any) -> Any:
        self.save(p, t)
        log_p, log_q = self.logarithms(p)
        return -(t * log_p + (1 - t) * log_q)

    @staticmethod
    def logarithms(p: Any) -> tuple[Any, Any]:
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)

    def backward(self, grad: Any) -> Any:
        p, t = self.saved
        grad_p = grad * (p - t) / np.maximum(p * (1 - p), 1e-12)
        if not self.needs_grad[1]:
            return grad_p, None
        log_p, log_q = self.logarithms(p)
        return grad_p, grad * (log_q - log_p)


class LogSigmoid(Function):
    """log(sigmoid(x)) = min(x, 0) - log(1 + e^-|x|), which cannot overflow."""

    differentiable = True

    def forward(self, x: Any) -> Any:
        self.save(x)
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def backward(self, grad_y: Tensor) -> Tensor:
        (x,) = self.saved
        return grad_y * sigmoid(-x)


def reduce(losses: Tensor, reduction: str) -> Tensor:
    """All losses, their mean, or their sum."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def classes_last(x: Tensor) -> Tensor:
    """(C,), (N, C) or (N, C, d1, d2 ...) -> (M, C)."""
    classes = x.shape[0] if x.ndim == 1 else x.shape[1]
    if x.ndim > 2:
        x = x.permute(0, *range(2, x.ndim), 1)
    return x.reshape(-1, classes)


def _weighted(
    losses: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, shape: Any, reduction: str
) -> Tensor:
    """Reduce losses (M,) of labels; the mean divides by the sum of the labels' weights, ignored ones left out."""
    if reduction != "mean":
        return losses.reshape(shape) if reduction == "none" else losses.sum()
    labels = target._array
    kept = labels != ignore_index
    weights = kept if weight is None else np.where(kept, weight._array[np.where(kept, labels, 0)], 0)
    total = weights.sum()
    return losses.sum() / Tensor._wrap(total.astype(losses._array.dtype))


def cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, label_smoothing: float, reduction: str
) -> Tensor:
    """Cross-entropy of logits (N, C, ...) with labels (N, ...)."""
    rows, labels = classes_last(logits), target.reshape(-1).long()
    weights = None if weight is None else weight._array
    losses = CrossEntropy(weights, ignore_index, label_smoothing)(rows, labels)
    return _weighted(losses, labels, weight, ignore_index, target.shape, reduction)


def nll_loss(log_p: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    """Minus the log-probability of each label, times its weight."""
    rows, labels = classes_last(log_p), target.reshape(-1).long()
    kept = labels._array != ignore_index
    safe = np.where(kept, labels._array, 0)
    factors = kept.astype(log_p._array.dtype)
    if on_device(kept):  # the labels have not been looked at (check_labels), and indices wrap round there
        known = (safe >= 0) & (safe < rows._array.shape[1])
        safe, factors = np.where(known, safe, 0), np.where(known, factors, np.nan)
    if weight is not None:
        factors *= weight._array[safe]
    picked = GetItem((np.arange(len(safe), like=safe), safe))(rows)
    if on_device(kept):  # to see whether all are kept, it would be waited for
        losses = _masked(picked, -factors, kept)
    else:
        losses = (picked * Tensor._wrap(-factors)) if kept.all() else _masked(picked, -factors, kept)
    return _weighted(losses, labels, weight, ignore_index, target.shape, reduction)


def _masked(values: Tensor, factors: Any, kept: Any) -> Tensor:
    """``values * factors``, and 0 where not kept, even if the value there is infinite."""
    zero = Tensor._wrap(np.zeros((), values._array.dtype))
    return where(Tensor._wrap(kept), values, zero) * Tensor._wrap(factors)


def soft_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None, label_smoothing: float, reduction: str
) -> Tensor:
    """Cross-entropy of logits (N, C, ...) with probabilities of the same shape."""
    axis = 0 if logits.ndim == 1 else 1
    classes = logits.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = -(target * log_softmax(logits, axis))
    if weight is not None:
        terms = terms * weight.reshape(-1, *(1,) * (logits.ndim - axis - 1))
    losses = terms.sum(dim=axis)
    return losses.sum() / max(losses.numel(), 1) if reduction == "mean" else reduce(losses, reduction)


def smooth_l1(x: Tensor, y: Tensor, beta: float) -> Tensor:
    """d^2/(2 beta) where d = |x - y| < beta, else d - beta/2."""
    d = (x - y).abs()
    return d if beta == 0 else where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta)


def huber(x: Tensor, y: Tensor, delta: float) -> Tensor:
    """d^2/2 where d = |x - y| <= delta, else delta*(d - delta/2)."""
    d = (x - y).abs()
    return where(d <= delta, d * d * 0.5, (d - 0.5 * delta) * delta)


def bce_with_logits(x: Tensor, t: Tensor, pos_weight: Tensor | None) -> Tensor:
    """(1 - t)*x - (1 + (pos_weight - 1)*t) * log(sigmoid(x)), which cannot overflow."""
    log_p = LogSigmoid()(x)
    return (1 - t) * x - (log_p if pos_weight is None else ((pos_weight - 1) * t + 1) * log_p)


def kl_div(log_p: Tensor, t: Tensor, log_target: bool) -> Tensor:
    """t*(log t - log p), and 0 where t is 0."""
    if log_target:
        return t.exp() * (t - log_p)
    one = Tensor._wrap(np.ones((), t._array.dtype))
    return t * where(t != 0, t, one).log() - t * log_p


def check_labels(operation: str, target: Tensor, classes: int, ignore_index: int) -> None:
    """Every label must be a class number 0 .. classes-1, or ``ignore_index``.

    On a GPU only where each step is looked at anyway, with anomaly detection: to see the labels, it is waited for.
    Otherwise the loss of a label that is no class is NaN.
    """
    labels = target._array
    if on_device(labels):
        if not is_anomaly_enabled():
            return
        labels = on_host(labels)
    wrong = (labels < 0) | (labels >= classes)
    if not wrong.any():
        return
    wrong &= labels != ignore_index
    if not wrong.any():
        return
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    label = int(labels[place])
    hint = (
        f"Fix: labels count from 0, so subtract 1, or give the model {label + 1} outputs"
        if label == classes
        else f"Fix: a model with at least {label + 1} outputs"
        if label > classes
        else f"Fix: ignore_index={label} if this label marks what is not labelled; otherwise labels count from 0 "
        "(was 1 subtracted twice?)"
    )
    raise ShapeError(
        f"{operation}: label {label} at position {place if len(place) != 1 else place[0]} is not a class: "
        f"the logits have {classes} classes, numbered 0 to {classes - 1}. {hint}"
    )
