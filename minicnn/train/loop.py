"""The loop: epochs, batches, steps, and the places at which callbacks are told."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from ..core.tensor import Tensor
from ..cuda import graph
from ..nn.module import Module
from ..optim import Optimizer
from .batches import (
    batches_from,
    count_batches,
    kept_order,
    loader_state,
    moved,
    samples_in,
    set_loader_state,
    split_batch,
)
from .callbacks import Callback
from .evaluation import Interrupted, Mean, measure, plain
from .history import History
from .interrupt import CtrlC
from .losses import Loss, scores_of, total_loss
from .metrics import Metric
from .progress import Progress
from .randomness import kept_randomness, random_state, set_random_state
from .resuming import state_of


class Run:
    """A training under way: what its callbacks see, and may change.

    :func:`fit` makes it and lets it go through its epochs.

    Attributes
    ----------
    model : Module
    optimizer : Optimizer
    loss : callable
    train, val : iterable of batches
        ``val`` may be None.
    epochs : int
        How many there shall be.
    epoch : int
        The present one, from 1 on.
    batch : int
        Batches of this epoch that are done.
    step : int
        Steps that the optimiser has made in all.
    lr : float
        Learning rate of the last step, of the first group of parameters.
    loss_value : float
        Loss of the last batch.
    outputs : Tensor
        The model's outputs for the last batch, without history.
    history : History
    columns : dict
        The names of the numbers in a row of the history, and whether more is better.
    checkpoint : Path or None
        The checkpoint that is, or was, loaded.
    resuming : bool
        Whether there is one.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Loss,
        train: Any,
        val: Any,
        epochs: int,
        metrics: Sequence[Metric],
        callbacks: Sequence[Callback],
        accumulate: int,
        device: Any,
        progress: bool | None,
        checkpoint: Path | None,
        cuda_graph: bool = False,
    ) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.train, self.val, self.epochs = train, val, epochs
        self.metrics, self.val_metrics = list(metrics), [copy.deepcopy(metric) for metric in metrics]
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order)
        self.accumulate, self.device = accumulate, device
        self.checkpoint, self.resuming = checkpoint, checkpoint is not None
        self.columns = {"loss": False, **{metric.name: metric.higher_is_better for metric in metrics}}
        if val is not None:
            self.columns.update({f"val_{name}": better for name, better in dict(self.columns).items()})
        self.epoch, self.batch, self.step = 1, 0, 0
        self.lr = self.loss_value = float("nan")
        self.outputs: Any = None
        self.history = History()
        self.stopped: str | None = None
        self.stopped_for_good = False  # going on from a checkpoint would stop again
        self._mean = Mean()
        self._group: list[tuple[float, int]] = []  # loss and samples of each batch since the last step
        self._at_start: dict[str, Any] = {}  # loader and random numbers before this epoch's pass
        self._continued: dict[str, Any] | None = None  # of a checkpoint: the random numbers to go on with
        self._ctrl_c = CtrlC()
        self._progress = Progress(progress)
        self._compute = graph(self._forward_and_backward) if cuda_graph else self._forward_and_backward

    # ------------------------------------------------------------------ for callbacks

    def stop(self, reason: str, for_good: bool = False) -> None:
        """End the training after this step, or this epoch.

        Parameters
        ----------
        reason : str
            For ``history.stopped``.
        for_good : bool, default False
            Whether a training that is resumed from here shall stop at once too.
        """
        self.stopped = self.stopped or reason
        self.stopped_for_good = self.stopped_for_good or for_good

    def trained(self) -> list[Tensor]:
        """The parameters that the optimiser changes."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def evaluating(self) -> ExitStack:
        """Inside ``with run.evaluating():`` the model has the weights that are validated and saved as the best."""
        with ExitStack() as stack:
            for callback in self.callbacks:
                stack.enter_context(callback.evaluating(self))
            return stack.pop_all()

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on from here."""
        return state_of(self)

    # ----------------------------------------------------------------------- the loop

    def begin(self) -> None:
        """Tell the callbacks that it begins."""
        for callback in self.callbacks:
            callback.on_fit_begin(self)

    def go(self) -> History:
        """Go through the epochs that are left."""
        with self._ctrl_c:
            try:
                while len(self.history) < self.epochs and self.stopped is None:
                    self._epoch()
                for callback in reversed(self.callbacks):
                    callback.on_fit_end(self)
            finally:
                self._progress.end({})
                for callback in self.callbacks:
                    callback.close(self)
        self.history.stopped = self.stopped if len(self.history) < self.epochs else None
        return self.history

    def _epoch(self) -> None:
        began = time.perf_counter()
        self.epoch = len(self.history) + 1
        self._progress.begin(f"Epoch {self.epoch}/{self.epochs}", count_batches(self.train), self.batch)
        if not self._train_epoch():
            return
        row = {"epoch": self.epoch, "step": self.step, "lr": self.lr, **self._training_values()}
        if self.val is not None:
            validated = self._validate()
            if validated is None:
                return
            row.update({f"val_{name}": value for name, value in validated.items()})
        self.batch = 0
        self.history.rows.append(row)
        self.history.seconds.append(time.perf_counter() - began)
        for callback in self.callbacks:
            callback.on_epoch_end(self, row)
        results = {name: value for name, value in row.items() if name not in ("epoch", "step", "lr")}
        self._progress.end({**results, "lr": self.lr})

    def _train_epoch(self) -> bool:
        """One pass over the training data, or what is left of it; whether its end was reached."""
        if self.batch == 0:
            self._draw_on()
            self._mean = Mean()
            for metric in self.metrics:
                metric.reset()
            for callback in self.callbacks:
                callback.on_epoch_begin(self)
            self._at_start = self._draws()
        else:  # in the middle: the pass begins as it did, and from its next step on draws what it would have drawn
            self._draw_from(self._at_start)
        with closing(batches_from(self.train, self.batch)) as batches:
            self._draw_on()
            self.model.train()
            try:
                for batch in batches:
                    self._one_batch(batch)
                    if len(self._group) == self.accumulate:
                        self._one_step()
                        if self._must_stop():
                            return False
            except Exception as error:
                error.add_note(f"in epoch {self.epoch}, after {self.batch} batches")
                raise
        if not self.batch:
            raise ValueError("fit: the training data gave no batch. Is the dataset empty, or smaller than a batch?")
        if self._group:
            self._one_step()
        return not self._must_stop()

    def _draw_on(self) -> None:
        """After a checkpoint was loaded: draw the random numbers that come after it."""
        if self._continued is not None:
            self._draw_from(self._continued)
            self._continued = None

    def _draws(self) -> dict[str, Any]:
        """All that random numbers come from."""
        return {"loader": loader_state(self.train), "random": random_state()}

    def _draw_from(self, state: dict[str, Any]) -> None:
        set_loader_state(self.train, state["loader"])
        set_random_state(state["random"])

    def _one_batch(self, batch: Any) -> None:
        """Forward and backward."""
        inputs, targets = split_batch(batch, "fit")
        for callback in self.callbacks:
            inputs, targets = callback.on_batch(self, inputs, targets)
        inputs, targets = moved(inputs, self.device), moved(targets, self.device)
        n = samples_in(inputs, targets)
        outputs, loss = self._compute(inputs, targets, n)
        self.outputs, self.loss_value = scores_of(outputs), loss.item()
        self._group.append((self.loss_value, n))
        self._mean.add(self.loss_value, n)
        for metric in self.metrics:
            metric.update(self.outputs, targets)
        self.batch += 1
        self._progress.advance(n, self._training_values)

    def _forward_and_backward(self, inputs: Any, targets: Any, samples: int) -> tuple[Any, Tensor]:
        """The model's outputs and the loss; the gradients are added to those of the group's batches before."""
        if not self._group:
            self.optimizer.zero_grad()
        outputs = self.model(inputs)
        loss = total_loss(self.loss, outputs, targets)
        (loss if self.accumulate == 1 else loss * samples).backward()
        return outputs, loss

    def _one_step(self) -> None:
        """One step of the optimiser, with the mean gradient of all samples since the last."""
        if self.accumulate > 1:
            self._divide_gradients(sum(n for _, n in self._group))
        for callback in self.callbacks:
            callback.on_gradients(self)
        self.lr = float(self.optimizer.param_groups[0]["lr"])
        self.optimizer.step()
        self.step += 1
        mean = Mean()
        for loss, n in self._group:
            mean.add(loss, n)
        self.history.step_losses.append(mean.value)
        self._group.clear()
        for callback in self.callbacks:
            callback.on_step_end(self)

    def _divide_gradients(self, samples: int) -> None:
        for parameter in self.trained():
            if parameter.grad is not None:
                parameter.grad /= samples

    def _must_stop(self) -> bool:
        if self._ctrl_c.pressed:
            self.stop("Ctrl-C")
        return self.stopped is not None

    def _validate(self) -> dict[str, Any] | None:
        """Loss and metrics on the validation data; None if Ctrl-C was pressed meanwhile.

        It leaves no trace in random numbers and orders: training goes on as if nobody had looked.
        """
        self._progress.validating()
        with kept_order(self.val), kept_randomness(), self.evaluating():
            try:
                return measure(
                    self.model, self.val, self.loss, self.val_metrics, self.device, lambda: not self._ctrl_c.pressed
                )
            except Interrupted:
                self.stop("Ctrl-C")
                return None
            except Exception as error:
                error.add_note(f"in the validation of epoch {self.epoch}")
                raise

    def _training_values(self) -> dict[str, Any]:
        return {"loss": self._mean.value, **{metric.name: plain(metric.compute()) for metric in self.metrics}}

    # ------------------------------------------------------------------ for checkpoints

    def position(self) -> dict[str, Any]:
        """Where the training stands, for a checkpoint between two steps."""
        return {
            "step": self.step,
            "batch": self.batch,
            "lr": self.lr,
            "stopped": self.stopped if self.stopped_for_good else None,
            "mean": [self._mean.total, self._mean.count],
            "metrics": {metric.name: metric.state_dict() for metric in self.metrics},
            "draws at the start of the pass": self._at_start,
            "draws": self._draws(),
        }

    def go_on_from(self, position: dict[str, Any]) -> None:
        """Stand where a :meth:`position` was."""
        self.step, self.batch, self.lr = position["step"], position["batch"], position["lr"]
        self.stopped, self.stopped_for_good = position["stopped"], position["stopped"] is not None
        self._mean.total, self._mean.count = position["mean"]
        for metric in self.metrics:
            metric.load_state_dict(position["metrics"][metric.name])
        self._at_start, self._continued = position["draws at the start of the pass"], position["draws"]
