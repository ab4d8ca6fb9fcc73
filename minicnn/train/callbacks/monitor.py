"""Which number is watched, and when it has become better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..history import is_number
from ..naming import unknown

if TYPE_CHECKING:
    from ..loop import Run


class Monitor:
    """One column of the history, its best value so far, and the epoch of that.

    Parameters
    ----------
    who : str
        The callback, for messages.
    name : str or None
        The column; None means ``val_loss``, or ``loss`` without validation data.
    mode : {"auto", "min", "max"}
        Whether better is smaller; "auto" knows it of losses and of metrics.
    min_delta : float
        How much better counts as better.
    """

    def __init__(self, who: str, name: str | None, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{who}: mode must be 'auto', 'min' or 'max'; got {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"{who}: min_delta must be at least 0; got {min_delta}")
        self.who, self.given, self.given_mode, self.min_delta = who, name, mode, min_delta
        self.best: float | None = None
        self.best_epoch = 0

    def begin(self, run: Run) -> None:
        """Find out what to watch in this training."""
        self.best, self.best_epoch = None, 0
        self.name = self.given or ("loss" if run.val is None else "val_loss")
        if self.name not in run.columns:
            hint = " (there is no validation data)" if self.name.startswith("val_") and run.val is None else ""
            raise ValueError(f"{self.who}: {unknown('column', self.name, run.columns)}{hint}")
        auto = "max" if run.columns[self.name] else "min"
        self.mode = auto if self.given_mode == "auto" else self.given_mode

    def value(self, row: dict[str, Any]) -> float:
        """The watched number of an epoch."""
        value = row[self.name]
        if not is_number(value):
            raise ValueError(
                f"{self.who}: {self.name!r} is not one number but {type(value).__name__}, and cannot be compared. "
                "Fix: a metric with average='macro'"
            )
        return value

    def improved(self, row: dict[str, Any]) -> bool:
        """Whether this epoch is better than all before; then it is the best."""
        value = self.value(row)
        if value != value:  # NaN
            return False
        sign = 1 if self.mode == "max" else -1
        if self.best is not None and not sign * (value - self.best) > self.min_delta:
            return False
        self.best, self.best_epoch = value, row["epoch"]
        return True

    def state_dict(self) -> dict[str, Any]:
        """What it knows, for a checkpoint."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
