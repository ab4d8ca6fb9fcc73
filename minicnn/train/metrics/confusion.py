"""The confusion matrix, and what is computed from it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...ops.counting import confusion_counts
from .base import Array, Metric, predicted_and_true

Average = Literal["macro", "micro", "weighted"] | None


class _OfConfusion(Metric):
    """A metric whose counts are the confusion matrix."""

    counts: Array  # (C, C): true class, predicted class

    def __init__(self, num_classes: int | None = None, ignore_index: int | None = None) -> None:
        self.num_classes, self.ignore_index = num_classes, ignore_index
        super().__init__()

    def reset(self) -> None:
        n = self.num_classes or 0
        self.counts = np.zeros((n, n), np.int64)

    def update(self, outputs: Any, targets: Any) -> None:
        predicted, wanted, classes = predicted_and_true(
            outputs, targets, type(self).__name__, self.ignore_index, self.probabilities
        )
        n = max(classes, len(self.counts), 1 + max(predicted.max(initial=-1), wanted.max(initial=-1)))
        if self.num_classes and n > self.num_classes:
            raise ValueError(
                f"{type(self).__name__}: num_classes={self.num_classes}, but the batch has a class {n - 1}; "
                f"expected 0 to {self.num_classes - 1}. Fix: num_classes={n}, or leave it out"
            )
        grown = confusion_counts(wanted, predicted, n)
        grown[: len(self.counts), : len(self.counts)] += self.counts
        self.counts = grown


class ConfusionMatrix(_OfConfusion):
    """How often class i (row) was taken for class j (column).

    Parameters
    ----------
    num_classes : int, optional
        Default: as many as the outputs have.
    ignore_index : int, optional
        Label of positions that do not count.

    Examples
    --------
    >>> import minicnn
    >>> ConfusionMatrix()(minicnn.tensor([0, 1, 1]), minicnn.tensor([0, 0, 1]))
    [[1, 1], [0, 1]]
    """

    name = "confusion_matrix"

    def compute(self) -> list[list[int]]:
        return self.counts.tolist()


class _PerClass(_OfConfusion):
    """A share ``numerator / denominator`` for each class, and their average."""

    def __init__(
        self, average: Average = "macro", num_classes: int | None = None, ignore_index: int | None = None
    ) -> None:
        if average not in ("macro", "micro", "weighted", None):
            raise ValueError(
                f"{type(self).__name__}: average must be 'macro', 'micro', 'weighted' or None (one value per class); "
                f"got {average!r}"
            )
        self.average = average
        super().__init__(num_classes, ignore_index)

    def parts(self, hits: Array, predicted: Array, wanted: Array) -> tuple[Array, Array]:
        """Numerator and denominator of each class, from its correct, predicted and true counts."""
        raise TypeError(f"{type(self).__name__} must define parts(self, hits, predicted, wanted)")

    def compute(self) -> float | list[float]:
        hits, predicted, wanted = np.diag(self.counts), self.counts.sum(0), self.counts.sum(1)  # (C,) each
        if self.average == "micro":
            hits, predicted, wanted = hits.sum(), predicted.sum(), wanted.sum()
        above, below = self.parts(hits, predicted, wanted)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(below > 0, above / below, 0.0)
        if self.average is None or self.average == "micro":
            return values.tolist()
        occurs = predicted + wanted > 0
        weights = wanted[occurs] if self.average == "weighted" else None
        return float(np.average(values[occurs], weights=weights)) if wanted.any() else float("nan")


class Precision(_PerClass):
    """Of what was predicted as a class, how much is: ``TP / (TP + FP)``.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"} or None, default "macro"
        "macro" is the mean of the classes that occur, "weighted" the mean weighted by how often each is true,
        "micro" counts all classes together, and None gives a list, one value per class. A share of nothing is 0.
    num_classes : int, optional
        Default: as many as the outputs have.
    ignore_index : int, optional
        Label of positions that do not count.

    Examples
    --------
    >>> import minicnn
    >>> Precision(average=None)(minicnn.tensor([0, 1, 1, 1]), minicnn.tensor([0, 0, 1, 1]))
    [1.0, 0.6666666666666666]
    """

    name = "precision"

    def parts(self, hits: Array, predicted: Array, wanted: Array) -> tuple[Array, Array]:
        return hits, predicted


class Recall(_PerClass):
    """Of what is a class, how much was predicted as it: ``TP / (TP + FN)``. Parameters as :class:`Precision`.

    Examples
    --------
    >>> import minicnn
    >>> Recall(average=None)(minicnn.tensor([0, 1, 1, 1]), minicnn.tensor([0, 0, 1, 1]))
    [0.5, 1.0]
    """

    name = "recall"

    def parts(self, hits: Array, predicted: Array, wanted: Array) -> tuple[Array, Array]:
        return hits, wanted


class F1Score(_PerClass):
    """Harmonic mean of precision and recall: ``2*TP / (2*TP + FP + FN)``. Parameters as :class:`Precision`.

    Examples
    --------
    >>> import minicnn
    >>> F1Score(average=None)(minicnn.tensor([0, 1, 1, 1]), minicnn.tensor([0, 0, 1, 1]))
    [0.6666666666666666, 0.8]
    """

    name = "f1"

    def parts(self, hits: Array, predicted: Array, wanted: Array) -> tuple[Array, Array]:
        return 2 * hits, predicted + wanted


class MeanIoU(_PerClass):
    """Intersection over union, ``TP / (TP + FP + FN)``: how well a segmentation fits. Parameters as :class:`Precision`.

    Examples
    --------
    >>> import minicnn
    >>> MeanIoU(average=None)(minicnn.tensor([0, 1, 1, 1]), minicnn.tensor([0, 0, 1, 1]))
    [0.5, 0.6666666666666666]
    """

    name = "mean_iou"

    def parts(self, hits: Array, predicted: Array, wanted: Array) -> tuple[Array, Array]:
        return hits, predicted + wanted - hits
