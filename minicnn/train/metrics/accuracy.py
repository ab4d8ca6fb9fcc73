"""How often the prediction is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import ShapeError
from ..batches import on_host
from .base import Metric, predicted_and_true


class Accuracy(Metric):
    """Share of the samples (or pixels) whose highest score is at the right class: ``correct / total``.

    Parameters
    ----------
    ignore_index : int, optional
        Label of positions that do not count.

    Examples
    --------
    >>> import minicnn
    >>> accuracy = Accuracy()
    >>> accuracy(minicnn.tensor([[0.1, 0.9], [0.8, 0.2]]), minicnn.tensor([1, 1]))
    0.5
    """

    name = "accuracy"

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = ignore_index
        super().__init__()

    def reset(self) -> None:
        self.correct = self.total = 0

    def update(self, outputs: Any, targets: Any) -> None:
        predicted, wanted, _ = predicted_and_true(outputs, targets, "Accuracy", self.ignore_index, self.probabilities)
        self.correct += int((predicted == wanted).sum())
        self.total += len(wanted)

    def compute(self) -> float:
        return self.correct / self.total if self.total else float("nan")


class TopKAccuracy(Metric):
    """Share of the samples whose right class is among the k highest scores.

    Of equal scores the class with the lower number comes first.

    Parameters
    ----------
    k : int, default 5
        Its name is ``top5``, with the k.

    Raises
    ------
    ShapeError
        If there are fewer than k classes.

    Examples
    --------
    >>> import minicnn
    >>> top2 = TopKAccuracy(k=2)
    >>> top2(minicnn.tensor([[0.1, 0.2, 0.7], [0.5, 0.1, 0.4]]), minicnn.tensor([1, 1]))
    0.5
    """

    def __init__(self, k: int = 5) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"TopKAccuracy: k must be a whole number from 1 on; got {k!r}")
        self.k, self.name = k, f"top{k}"
        super().__init__()

    def reset(self) -> None:
        self.correct = self.total = 0

    def update(self, outputs: Any, targets: Any) -> None:
        scores, wanted = np.asarray(on_host(outputs)), np.asarray(on_host(targets))
        if scores.ndim != 2 or scores.shape[1] < self.k:
            raise ShapeError(f"TopKAccuracy(k={self.k}): expected scores (N, C) with C >= {self.k}; got {scores.shape}")
        _, wanted, classes = predicted_and_true(scores, wanted, "TopKAccuracy", None)
        own = scores[np.arange(len(wanted)), wanted][:, None]  # (N, 1), the score of the right class
        before = ~(scores <= own)  # higher; also where a score is NaN, which is never right
        before |= (scores == own) & (np.arange(classes) < wanted[:, None])
        self.correct += int((before.sum(1) < self.k).sum())
        self.total += len(wanted)

    def compute(self) -> float:
        return self.correct / self.total if self.total else float("nan")
