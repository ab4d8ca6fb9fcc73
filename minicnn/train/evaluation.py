"""A trained model at work: its metrics on data, and its predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.grad_mode import no_grad
from ..core.tensor import Tensor
from ..nn.module import Module
from ..ops.joining import cat
from .batches import check_data, inputs_of, moved, samples_in, split_batch
from .losses import Loss, choose_loss, classifies, scores_of, total_loss
from .metrics import Metric, make_metrics


def evaluate(
    model: Module,
    data: Iterable[Any],
    metrics: Sequence[Metric | str] | Mapping[str, Any] | None = None,
    *,
    loss: Loss | None = None,
    device: Any = None,
) -> dict[str, Any]:
    """Loss and metrics of a model on data.

    The model is in evaluation mode meanwhile (dropout keeps everything, batch norm uses its fixed statistics), and no
    gradients are recorded. Afterwards every layer is in the mode that it was in.

    Parameters
    ----------
    model : Module
    data : DataLoader, or another iterable of batches (inputs, targets)
    metrics : sequence of Metric or of their names, or a dict of names with options, optional
        Default: the accuracy, if the loss compares scores with labels.
    loss : callable, optional
        ``loss(outputs, targets)``, averaged over the samples; cross-entropy unless given.
    device : device or str, optional
        Where to compute; default: where the model is.

    Returns
    -------
    dict
        ``"loss"``, and each metric by its name.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> data = [(minicnn.eye(3), minicnn.tensor([0, 1, 1]))]  # one batch
    >>> found = evaluate(nn.Identity(), data, ["accuracy", "top2"])
    >>> round(found["accuracy"], 3), round(found["top2"], 3)
    (0.667, 0.667)
    """
    check_data(data, "evaluate")
    loss = choose_loss(loss, 0.0)
    chosen = make_metrics(loss, (["accuracy"] if classifies(loss) else []) if metrics is None else metrics)
    if device is not None and isinstance(loss, Module):
        loss = loss.to(device)
    return measure(_placed(model, device), data, loss, chosen, device)


class Interrupted(Exception):  # noqa: N818 - not an error: somebody asked for it
    """A measurement that was left in the middle."""


def measure(
    model: Module,
    data: Iterable[Any],
    loss: Loss,
    metrics: Sequence[Metric],
    device: Any,
    each_batch: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Loss and metrics; ``each_batch`` is called after every batch, and ends it all by returning False."""
    mean = Mean()
    for metric in metrics:
        metric.reset()
    with evaluation_mode(model), no_grad():
        for batch in data:
            inputs, targets = split_batch(batch, "evaluate")
            inputs, targets = moved(inputs, device), moved(targets, device)
            outputs = model(inputs)
            mean.add(total_loss(loss, outputs, targets).item(), samples_in(inputs, targets))
            for metric in metrics:
                metric.update(scores_of(outputs), targets)
            if not each_batch():
                raise Interrupted
    if not mean.count:
        raise ValueError("evaluate: the data gave no batch. Is the dataset empty, or drop_last=True with few samples?")
    return {"loss": mean.value, **{metric.name: plain(metric.compute()) for metric in metrics}}


def predict(model: Module, data: Any, *, batch_size: int = 64, device: Any = None) -> Tensor:
    """The outputs of a model on data, in the order of the data.

    The model is in evaluation mode meanwhile, and no gradients are recorded.

    Parameters
    ----------
    model : Module
    data : Tensor (N, ...), DataLoader, or another iterable of batches
        Batches may be the inputs alone, or (inputs, targets), whose targets are left aside.
        Give a DataLoader without ``shuffle``.
    batch_size : int, default 64
        How many rows of a tensor at a time.
    device : device or str, optional
        Where to compute; default: where the model is.

    Returns
    -------
    Tensor (N, ...)
        For a classifier the scores; ``.softmax(1)`` makes probabilities of them, ``.argmax(1)`` classes.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> predict(nn.Flatten(), minicnn.zeros(5, 1, 2, 2)).shape
    minicnn.Size([5, 4])
    """
    if isinstance(data, Tensor):
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"predict: batch_size must be a whole number from 1 on; got {batch_size!r}")
        data = data.split(batch_size)
    check_data(data, "predict")
    _placed(model, device)
    with evaluation_mode(model), no_grad():
        found = [scores_of(model(moved(inputs_of(batch), device))).cpu() for batch in data]
    if not found:
        raise ValueError("predict: the data gave no batch, so there is nothing to predict")
    return cat(found)


class Mean:
    """Mean of numbers, each for so many samples."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, value: float, count: int) -> None:
        """Add a mean over ``count`` samples."""
        self.total += value * count
        self.count += count

    @property
    def value(self) -> float:
        """The mean so far."""
        return self.total / self.count if self.count else float("nan")


@contextmanager
def evaluation_mode(model: Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards every layer is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def plain(value: Any) -> Any:
    """What a metric computed, as numbers and lists that a file can hold."""
    value = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _placed(model: Module, device: Any) -> Module:
    if not isinstance(model, Module):
        raise TypeError(f"expected a model (nn.Module); got a {type(model).__name__}")
    return model if device is None else model.to(device)
