"""The number that a training makes small, and the scores that metrics look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor
from ..nn.functional import binary_cross_entropy, cross_entropy, nll_loss
from ..nn.loss import BCELoss, CrossEntropyLoss, NLLLoss

AUXILIARY = 0.3  # weight of each auxiliary classifier: Szegedy et al., Going deeper with convolutions, section 5

Loss = Callable[[Any, Any], Tensor]


def choose_loss(loss: Loss | None, label_smoothing: float) -> Loss:
    """The given loss, or cross-entropy."""
    if loss is None:
        return CrossEntropyLoss(label_smoothing=label_smoothing)
    if label_smoothing:
        raise ValueError(
            "fit: label_smoothing belongs to the default loss, and loss= replaces that. "
            f"Fix: loss=nn.CrossEntropyLoss(label_smoothing={label_smoothing})"
        )
    if not callable(loss) or isinstance(loss, type):
        raise TypeError(
            f"fit: loss must be callable as loss(outputs, targets); got {loss!r}. Fix: loss=nn.CrossEntropyLoss()"
        )
    return loss


def is_cross_entropy(loss: Loss) -> bool:
    """Whether the loss applies softmax to scores, and compares with labels."""
    return isinstance(loss, CrossEntropyLoss) or loss is cross_entropy


def is_nll(loss: Loss) -> bool:
    """Whether the loss compares logarithms of probabilities with labels."""
    return isinstance(loss, NLLLoss) or loss is nll_loss


def classifies(loss: Loss) -> bool:
    """Whether the loss compares scores of classes with labels."""
    return is_cross_entropy(loss) or is_nll(loss)


def takes_probabilities(loss: Loss) -> bool:
    """Whether the loss compares probabilities with 0 and 1."""
    return isinstance(loss, BCELoss) or loss is binary_cross_entropy


def averages(loss: Loss) -> bool:
    """Whether the loss of a batch is that of its mean sample, as far as one can tell."""
    return getattr(loss, "reduction", "mean") == "mean"


def total_loss(loss: Loss, outputs: Any, targets: Any) -> Tensor:
    """The loss of a batch; auxiliary classifiers (GoogLeNet, Inception) count 0.3 each."""
    if not hasattr(outputs, "logits"):
        total = loss(outputs, targets)
    else:
        others = [scores for name, scores in outputs._asdict().items() if name != "logits" and scores is not None]
        total = loss(outputs.logits, targets) + AUXILIARY * sum(loss(scores, targets) for scores in others)
    if not isinstance(total, Tensor) or total.numel() != 1:
        what = f"shape {tuple(total.shape)}" if isinstance(total, Tensor) else f"a {type(total).__name__}"
        raise ValueError(f"the loss of a batch must be a tensor of one number; got {what}. Fix: reduction='mean'")
    return total


def scores_of(outputs: Any) -> Any:
    """The main outputs, without those of auxiliary classifiers, cut off from the history."""
    main = getattr(outputs, "logits", outputs)
    return main.detach() if isinstance(main, Tensor) else main
