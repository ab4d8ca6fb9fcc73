"""What all metrics share: they are given batch after batch, and asked in between."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ShapeError
from ..batches import on_host

Array = NDArray[Any]


class Metric:
    """Base of the metrics.

    A subclass sets its counts to nothing in :meth:`reset`, adds a batch to them
    in :meth:`update`, and says in :meth:`compute` what they amount to. The
    counts are attributes (numbers and arrays): all of them are the state that a
    checkpoint in the middle of an epoch keeps.

    Attributes
    ----------
    name : str
        Its column in the history.
    higher_is_better : bool
        Whether a larger value is the better one.
    probabilities : bool
        Whether a single output per sample is the probability of class 1, not its logit: class 1 is predicted above 0.5,
        not above 0. :func:`~minicnn.train.fit` and :func:`~minicnn.train.evaluate` set it with ``nn.BCELoss``.

    Examples
    --------
    The mean absolute error:

    >>> import minicnn
    >>> class MeanAbsoluteError(Metric):
    ...     name, higher_is_better = "mae", False
    ...     def reset(self):
    ...         self.total, self.count = 0.0, 0
    ...     def update(self, outputs, targets):
    ...         self.total += (outputs - targets).abs().sum().item()
    ...         self.count += targets.numel()
    ...     def compute(self):
    ...         return self.total / self.count
    >>> metric = MeanAbsoluteError()
    >>> metric.update(minicnn.tensor([1.0, 2.0]), minicnn.tensor([1.0, 4.0]))
    >>> metric.compute()
    1.0
    """

    name = ""
    higher_is_better = True
    probabilities = False

    def __init__(self) -> None:
        self.name = self.name or type(self).__name__.lower()
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        raise TypeError(f"{type(self).__name__} must define reset(self)")

    def update(self, outputs: Any, targets: Any) -> None:
        """Add a batch: what the model gave, and what it should have given."""
        raise TypeError(f"{type(self).__name__} must define update(self, outputs, targets)")

    def compute(self) -> Any:
        """The value over all batches since :meth:`reset`: a number, or a list of numbers."""
        raise TypeError(f"{type(self).__name__} must define compute(self)")

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """Add a batch and return the value over all batches so far."""
        self.update(outputs, targets)
        return self.compute()

    def state_dict(self) -> dict[str, Any]:
        """The counts, for a checkpoint."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        vars(self).update(state)


def predicted_and_true(
    outputs: Any, targets: Any, who: str, ignore_index: int | None, probabilities: bool = False
) -> tuple[Array, Array, int]:
    """Predicted classes, true classes (both flat), and the number of classes, 0 if the outputs do not tell.

    Outputs are scores (N, C, ...), or one logit (or probability) per sample for two classes, or classes already.
    Targets are classes (N, ...), or probabilities (N, C, ...), as MixUp makes them, whose largest counts.
    """
    scores, wanted = np.asarray(on_host(outputs)), np.asarray(on_host(targets))
    if scores.dtype.kind != "f":
        predicted, classes = scores, 0
    elif scores.size == wanted.size and (scores.ndim == 1 or scores.shape[1] == 1):
        predicted, classes = scores.reshape(wanted.shape) > (0.5 if probabilities else 0), 2
        wanted = wanted > 0.5 if wanted.dtype.kind == "f" else wanted
    elif scores.ndim < 2:
        raise ShapeError(f"{who}: expected scores (N, C, ...); got shape {scores.shape}")
    else:
        predicted, classes = scores.argmax(1), scores.shape[1]
        if wanted.dtype.kind == "f" and wanted.shape == scores.shape:
            if not np.allclose(wanted.sum(1), 1, atol=1e-3):
                sums = wanted.sum(1)
                raise ValueError(
                    f"{who}: targets of the shape of the outputs, {wanted.shape}, are probabilities of classes and "
                    f"must sum to 1 over dim 1; got sums from {sums.min():.3g} to {sums.max():.3g}. Where a "
                    "sample may be of several classes, each is a question of its own. Fix: a Metric that compares "
                    "outputs > 0 with the targets; or metrics=[]"
                )
            wanted = wanted.argmax(1)
    if predicted.shape != wanted.shape:
        raise ShapeError(
            f"{who}: outputs of shape {scores.shape} give {predicted.shape} predictions; got targets of shape "
            f"{wanted.shape}. Expected scores (N, C, ...) and labels (N, ...)"
        )
    predicted, wanted = predicted.ravel().astype(np.int64), wanted.ravel().astype(np.int64)
    if ignore_index is not None:
        counts = wanted != ignore_index
        predicted, wanted = predicted[counts], wanted[counts]
    highest = max(wanted.max(initial=-1), predicted.max(initial=-1))
    if wanted.min(initial=0) < 0 or (classes and highest >= classes):
        raise ShapeError(
            f"{who}: labels are whole numbers from 0 to {classes - 1 if classes else 'the number of classes - 1'}; "
            f"got {wanted.min(initial=0)} to {highest}. Fix: number the classes 0, 1, 2, ..., or give ignore_index"
        )
    return predicted, wanted, classes
