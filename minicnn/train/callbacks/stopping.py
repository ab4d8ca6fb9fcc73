"""Reasons to stop before the last epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .base import Callback
from .monitor import Monitor

if TYPE_CHECKING:
    from ..loop import Run


class EarlyStopping(Callback):
    """Stop when the watched number has not improved for ``patience`` epochs.

    Parameters
    ----------
    monitor : str, optional
        The column to watch; default ``val_loss``, or ``loss`` without validation data.
    patience : int, default 5
        Epochs without improvement after which to stop.
    min_delta : float, default 0
        How much better counts as an improvement.
    mode : {"auto", "min", "max"}, default "auto"
    restore_best : bool, default True
        At the end, however it comes, give the model the weights of its best epoch.

    Attributes
    ----------
    best_epoch : int
        The best epoch so far; 0 before the first.

    References
    ----------
    Prechelt: Early stopping - but when?, 1998.

    Examples
    --------
    >>> EarlyStopping("val_accuracy", patience=3).patience
    3
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ValueError(f"EarlyStopping: patience must be a whole number of epochs from 1 on; got {patience!r}")
        self.patience, self.restore_best = patience, restore_best
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta)

    @property
    def best_epoch(self) -> int:
        return self.monitor.best_epoch

    def on_fit_begin(self, run: Run) -> None:
        self.monitor.begin(run)
        self._waited = 0
        self._weights: dict[str, Any] | None = None

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        if self.monitor.improved(row):
            self._waited = 0
            if self.restore_best:
                with run.evaluating():
                    self._weights = {name: value.clone() for name, value in run.model.state_dict().items()}
            return
        self._waited += 1
        if self._waited >= self.patience:
            run.stop(
                f"early stopping: {self.monitor.name} has not improved since epoch {self.best_epoch}", for_good=True
            )

    def on_fit_end(self, run: Run) -> None:
        if self._weights is not None:
            run.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {**self.monitor.state_dict(), "waited": self._waited, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state)
        self._waited, self._weights = state["waited"], state["weights"]


class TimeLimit(Callback):
    """Stop after some time, in the middle of an epoch too; a checkpoint then lets the training be resumed.

    The time of the step that runs when the limit is reached is not counted, nor is validation interrupted.

    Parameters
    ----------
    seconds, minutes, hours : float, default 0
        Added up.

    Examples
    --------
    >>> TimeLimit(hours=1.5).seconds
    5400.0
    """

    def __init__(self, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        self.seconds = seconds + 60 * minutes + 3600 * hours
        if not self.seconds > 0:
            raise ValueError(f"TimeLimit: expected more than 0 seconds; got {self.seconds:g}")

    def on_fit_begin(self, run: Run) -> None:
        self._end = time.monotonic() + self.seconds

    def on_step_end(self, run: Run) -> None:
        if time.monotonic() >= self._end:
            run.stop(f"the time limit of {self.seconds:g} s is reached")

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        self.on_step_end(run)
