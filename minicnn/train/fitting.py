"""``fit``: the training loop that most trainings need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..nn.module import Module
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler
from .batches import check_data
from .callbacks import Callback, LRSchedule, make_callbacks
from .checks import Checks
from .history import History
from .loop import Run
from .losses import Loss, averages, choose_loss, classifies
from .metrics import Metric, make_metrics
from .resuming import find_checkpoint, restore


def fit(
    model: Module,
    train: Iterable[Any],
    val: Iterable[Any] | None = None,
    *,
    optimizer: Optimizer,
    epochs: int,
    loss: Loss | None = None,
    metrics: Sequence[Metric | str] | Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback | str] | Mapping[str, Any] = (),
    scheduler: LRScheduler | LRSchedule | None = None,
    label_smoothing: float = 0.0,
    accumulate: int = 1,
    device: Any = None,
    resume: bool | str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    checks: bool = True,
    cuda_graph: bool = False,
) -> History:
    """Train a model, and measure it after every epoch.

    What happens is the loop that one would write::

        for epoch in range(epochs):
            model.train()
            for inputs, targets in train:
                optimizer.zero_grad()
                loss(model(inputs), targets).backward()
                optimizer.step()
            evaluate(model, val, metrics)

    with a progress bar, a history, callbacks, checkpoints, and warnings of the usual mistakes.

    Ctrl-C ends it after the present step, with a checkpoint if there is a :class:`ModelCheckpoint`.
    A training with a ModelCheckpoint that was interrupted in any way, killed too, and is started again with
    ``resume=True`` ends with the same weights and the same history, bit for bit, as if it had not been.

    Parameters
    ----------
    model : Module
    train : DataLoader, or another iterable of batches (inputs, targets)
        Training data; iterated once per epoch.
    val : the same, optional
        Validation data; measured after every epoch, in evaluation mode.
    optimizer : Optimizer
        Of the model's parameters.
    epochs : int
        How many passes over ``train`` in all, those before a resumed checkpoint included.
    loss : callable, optional
        ``loss(outputs, targets)``, the mean of the batch: a module of ``nn``, or a function. Cross-entropy unless
        given. The losses of auxiliary classifiers (GoogLeNet, Inception) are added with weight 0.3.
    metrics : sequence of Metric or of their names, or a dict of names with options, optional
        Measured on both data. Default: the accuracy, if the loss compares scores with labels.
    callbacks : sequence of Callback or of their names, or a dict of names with options
        What else happens: see :class:`Callback`.
    scheduler : LRScheduler or LRSchedule, optional
        Sets the learning rate: once per epoch, or per step for OneCycleLR and CyclicLR;
        :class:`LRSchedule` lets one choose, and warms up.
    label_smoothing : float, default 0
        Of the default loss.
    accumulate : int, default 1
        Batches per step of the optimiser: the gradient is the mean over the samples of all of them, as if they were
        one batch (batch norm still sees them one by one; a loss that weighs its samples, by class or ``ignore_index``,
        does it within each batch).
    device : device or str, optional
        Where to compute; the model and the batches are moved there.
    resume : bool or path, optional
        True goes on from the ``last.mcnn`` of the ModelCheckpoint, or begins if there is none yet; a path is that of a
        checkpoint or of its folder.
    progress : bool, optional
        Show the progress bar; default: if stderr is a terminal.
    checks : bool, default True
        Look for the usual mistakes in the first steps, and warn (:class:`TrainingWarning`).
    cuda_graph : bool, default False
        On a GPU, record what is computed for a batch, forward and backward, and replay it from then on
        (:func:`minicnn.cuda.graph`): sooner for small networks, and the same numbers. The model and the loss must not
        look at numbers (``item()``) or behave differently from batch to batch.

    Returns
    -------
    History
        ``history.rows``, ``history["val_loss"]``, ``history.plot()``, ``history.to_csv(path)``.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit each other; labels that are no classes.
    ResumeError
        If the checkpoint belongs to another network, optimiser or dataset.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn, optim, train
    >>> from minicnn.data import DataLoader, TensorDataset
    >>> _ = minicnn.manual_seed(0)
    >>> x = minicnn.randn(64, 2)
    >>> data = TensorDataset(x, (x[:, 0] > x[:, 1]).long())
    >>> model = nn.Linear(2, 2)
    >>> history = train.fit(
    ...     model, DataLoader(data, batch_size=16, shuffle=True), DataLoader(data, batch_size=64),
    ...     optimizer=optim.SGD(model.parameters(), lr=1.0), epochs=5,
    ... )
    >>> history["val_accuracy"][-1] > 0.9
    True
    """
    _check(model, optimizer, epochs, accumulate)
    check_data(train, "fit: train")
    if val is not None:
        check_data(val, "fit: val")
    loss = choose_loss(loss, label_smoothing)
    if accumulate > 1 and not averages(loss):
        raise ValueError(
            f"fit: accumulate={accumulate} takes the mean over the samples of {accumulate} batches, but the loss is a "
            f"{loss.reduction}. Fix: reduction='mean'"  # type: ignore[attr-defined]
        )
    if cuda_graph and accumulate > 1:
        raise ValueError(f"fit: cuda_graph=True is for one batch per step; got accumulate={accumulate}. Choose one")
    chosen = make_metrics(loss, (["accuracy"] if classifies(loss) else []) if metrics is None else metrics)
    told = make_callbacks(callbacks)
    if scheduler is not None:
        told.insert(0, scheduler if isinstance(scheduler, LRSchedule) else LRSchedule(scheduler))
    if checks:
        told.append(Checks())
    if device is not None:
        model.to(device)
        loss = loss.to(device) if isinstance(loss, Module) else loss
    checkpoint = find_checkpoint(resume, told)
    run = Run(
        model, optimizer, loss, train, val, epochs, chosen, told, accumulate, device, progress, checkpoint, cuda_graph
    )  # fmt: skip
    run.begin()
    if checkpoint is not None:
        restore(run, checkpoint)
    return run.go()


def _check(model: Any, optimizer: Any, epochs: Any, accumulate: Any) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"fit: model must be an nn.Module; got a {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        hint = f"{optimizer.__name__}(model.parameters(), ...)" if isinstance(optimizer, type) else "optim.Adam(...)"
        raise TypeError(f"fit: optimizer must be an optimiser; got {optimizer!r}. Fix: {hint}")
    for name, value in (("epochs", epochs), ("accumulate", accumulate)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"fit: {name} must be a whole number from 1 on; got {value!r}")
    owned = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in owned for group in optimizer.param_groups for parameter in group["params"]):
        raise ValueError(
            f"fit: the optimiser has none of the parameters of this {type(model).__name__}, so the model would never "
            "change. Fix: make the optimiser of this model's parameters(), after its last layer was replaced"
        )
