"""The learning rate over the course of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ...optim import lr_scheduler
from ...optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR
from .base import Callback
from .monitor import Monitor

if TYPE_CHECKING:
    from ..loop import Run


class LRSchedule(Callback):
    """Let a scheduler of :mod:`minicnn.optim.lr_scheduler` set the learning rate, after a warm-up.

    Parameters
    ----------
    scheduler : LRScheduler, optional
        Of the optimiser that is trained with. None leaves the rate as it is, after the warm-up.
    every : {"epoch", "step"}, optional
        When ``scheduler.step()`` is called. Default: "step" for :class:`OneCycleLR` and :class:`CyclicLR`, which are
        defined by steps, "epoch" for all others.
    warmup : int, default 0
        In the first so many steps the rate is that of the schedule times ``t / warmup`` in step t = 1, 2, ...
    monitor : str, optional
        What a :class:`~minicnn.optim.lr_scheduler.ReduceLROnPlateau` looks at after every epoch; default
        ``val_loss``, or ``loss`` without validation data.

    References
    ----------
    Warm-up: Goyal et al.: Accurate, large minibatch SGD: training ImageNet in 1 hour, 2017, section 2.2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    >>> LRSchedule(optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=100)).every
    'step'
    """

    def __init__(
        self,
        scheduler: LRScheduler | None = None,
        every: Literal["epoch", "step"] | None = None,
        warmup: int = 0,
        monitor: str | None = None,
    ) -> None:
        if scheduler is not None and not isinstance(scheduler, LRScheduler):
            raise TypeError(
                f"LRSchedule: expected a scheduler of minicnn.optim.lr_scheduler; got a {type(scheduler).__name__}"
            )
        if every not in (None, "epoch", "step"):
            raise ValueError(f"LRSchedule: every must be 'epoch' or 'step'; got {every!r}")
        if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
            raise ValueError(f"LRSchedule: warmup must be a whole number of steps from 0 on; got {warmup!r}")
        self.every = every or ("step" if isinstance(scheduler, (OneCycleLR, CyclicLR)) else "epoch")
        if self.every == "step" and isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            raise ValueError(
                "LRSchedule: ReduceLROnPlateau looks at the result of an epoch, which a step does not have. "
                "Fix: every='epoch'"
            )
        self.scheduler, self.warmup = scheduler, warmup
        self.monitor = Monitor("LRSchedule", monitor, "auto")

    def on_fit_begin(self, run: Run) -> None:
        if self.scheduler is not None and self.scheduler.optimizer is not run.optimizer:
            raise ValueError(
                "LRSchedule: the scheduler was made for another optimiser than the one that trains. "
                f"Fix: {type(self.scheduler).__name__}(optimizer, ...) with the optimizer that fit is given"
            )
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.monitor.begin(run)

    def on_gradients(self, run: Run) -> None:
        self._rates = [group["lr"] for group in run.optimizer.param_groups]
        if run.step < self.warmup:
            for group in run.optimizer.param_groups:
                group["lr"] *= (run.step + 1) / self.warmup

    def on_step_end(self, run: Run) -> None:
        if run.step <= self.warmup:  # back to what the schedule reckons with
            for group, rate in zip(run.optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate
        if self.every == "step" and self.scheduler is not None:
            self.scheduler.step()

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(self.monitor.value(row))
        elif self.every == "epoch" and self.scheduler is not None:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return {} if self.scheduler is None else self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state)


class ReduceLROnPlateau(LRSchedule):
    """Times ``factor`` when the watched number has not improved for more than ``patience`` epochs.

    Parameters
    ----------
    monitor : str, optional
        The column to watch; default ``val_loss``, or ``loss`` without validation data.
    factor, patience, threshold, cooldown, min_lr
        As in :class:`minicnn.optim.lr_scheduler.ReduceLROnPlateau`, which does the work.
    mode : {"auto", "min", "max"}, default "auto"

    Examples
    --------
    >>> ReduceLROnPlateau("val_accuracy", factor=0.5, patience=3).options["factor"]
    0.5
    """

    def __init__(
        self,
        monitor: str | None = None,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor=monitor)
        self.monitor = Monitor("ReduceLROnPlateau", monitor, mode)
        self.options: dict[str, Any] = {
            "factor": factor, "patience": patience, "threshold": threshold, "cooldown": cooldown, "min_lr": min_lr
        }  # fmt: skip

    def on_fit_begin(self, run: Run) -> None:
        self.monitor.begin(run)
        mode = "max" if self.monitor.mode == "max" else "min"
        self.scheduler = lr_scheduler.ReduceLROnPlateau(run.optimizer, mode, **self.options)  # type: ignore[arg-type]
