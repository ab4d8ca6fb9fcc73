"""Streaming metrics: given batch after batch, asked at the end of an epoch or at any time."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..losses import takes_probabilities
from ..naming import make
from .accuracy import Accuracy, TopKAccuracy
from .base import Metric
from .confusion import ConfusionMatrix, F1Score, MeanIoU, Precision, Recall

__all__ = [
    "Accuracy",
    "ConfusionMatrix",
    "F1Score",
    "MeanIoU",
    "Metric",
    "Precision",
    "Recall",
    "TopKAccuracy",
    "get_metric",
    "list_metrics",
]

METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "topk": TopKAccuracy,
    "confusion_matrix": ConfusionMatrix,
    "precision": Precision,
    "recall": Recall,
    "f1": F1Score,
    "mean_iou": MeanIoU,
}


def list_metrics() -> list[str]:
    """Names that :func:`get_metric` knows.

    Examples
    --------
    >>> list_metrics()
    ['accuracy', 'confusion_matrix', 'f1', 'mean_iou', 'precision', 'recall', 'topk']
    """
    return sorted(METRICS)


def get_metric(name: str, **options: Any) -> Metric:
    """A metric by its name, as a configuration file gives it.

    Parameters
    ----------
    name : str
        One of :func:`list_metrics`; ``"top5"`` is ``"topk"`` with k = 5, and so for other numbers.
    **options
        The metric's parameters.

    Raises
    ------
    ValueError
        If there is no such metric or option; the text names the nearest.

    Examples
    --------
    >>> get_metric("top5").k
    5
    >>> get_metric("f1", average="micro").average
    'micro'
    """
    number = re.fullmatch(r"top(\d+)", name)
    if number:
        name, options = "topk", {"k": int(number[1]), **options}
    return make("metric", name, METRICS, options)


def make_metrics(loss: Any, given: Sequence[Any] | Mapping[str, Any] | str) -> list[Metric]:
    """Metrics of one's own for what a loss compares, from names, options by name, and metrics; each name once."""
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping):
        found = [get_metric(name, **(options or {})) for name, options in given.items()]
    else:
        found = [get_metric(item) if isinstance(item, str) else _checked(item) for item in given]
    names = [metric.name for metric in found]
    for name in names:
        if names.count(name) > 1 or name == "loss":
            raise ValueError(f"two metrics are called {name!r}. Fix: give one another name, metric.name = 'my_{name}'")
    for metric in found:
        metric.probabilities = metric.probabilities or takes_probabilities(loss)
    return found


def _checked(metric: Any) -> Metric:
    if not isinstance(metric, Metric):
        raise TypeError(
            f"a metric is a name or a minicnn.train.Metric; got {metric!r}. Fix: 'accuracy', or train.Accuracy()"
        )
    metric = copy.deepcopy(metric)  # its counts are those of one training, or of one evaluation
    metric.reset()
    return metric
