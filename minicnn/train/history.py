"""What a training did: one row per epoch, and the loss of every step."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.atomic import atomic_write
from ..core.figure import new_figure
from .naming import unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History:
    """The course of a training; :func:`fit` returns it.

    Attributes
    ----------
    rows : list of dict
        One per epoch: ``epoch`` (from 1 on), ``step`` (optimiser steps so far), ``lr``, ``loss`` and the metrics
        while training, and with validation data ``val_loss`` and the metrics on them. Plain numbers (lists
        for metrics of several), the same for the same seed, whether the run was interrupted or not.
    step_losses : list of float
        The training loss of every optimiser step.
    seconds : list of float
        How long each epoch took; the one thing that another run has differently.
    stopped : str or None
        Why the training ended before its last epoch.

    Examples
    --------
    >>> history = History()
    >>> history.rows += [{"epoch": 1, "loss": 2.3}, {"epoch": 2, "loss": 1.9}]
    >>> history["loss"]
    [2.3, 1.9]
    >>> history.best("loss")
    {'epoch': 2, 'loss': 1.9}
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.step_losses: list[float] = []
        self.seconds: list[float] = []
        self.stopped: str | None = None

    def __len__(self) -> int:
        """Number of finished epochs."""
        return len(self.rows)

    def __getitem__(self, name: str) -> list[Any]:
        """One column, such as ``history["val_loss"]``."""
        if name not in self.columns():
            raise KeyError(unknown("column", name, self.columns()))
        return [row.get(name) for row in self.rows]

    def __repr__(self) -> str:
        if not self.rows:
            return "History(no epoch finished)"
        shown = ", ".join(f"{name}={value:.4g}" for name, value in self.rows[-1].items() if is_number(value))
        return f"History({shown})"

    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def best(self, monitor: str, mode: str | None = None) -> dict[str, Any]:
        """The row in which a column is best.

        Parameters
        ----------
        monitor : str
        mode : {"min", "max"}, optional
            What is better; default "min" for a loss, "max" for anything else.
        """
        mode = mode or ("min" if monitor.endswith("loss") else "max")
        if mode not in ("min", "max"):
            raise ValueError(f"History.best: mode must be 'min' or 'max'; got {mode!r}")
        values = [value if value == value else None for value in self[monitor]]  # NaN is never the best
        known = [(value, row) for value, row in zip(values, self.rows, strict=True) if value is not None]
        if not known:
            raise ValueError(f"History.best: no epoch has a number for {monitor!r}")
        return (min if mode == "min" else max)(known, key=lambda pair: pair[0])[1]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows, one line per epoch, under a line of names. Lists become JSON.

        Parameters
        ----------
        path : str or path-like
            Replaced all at once.
        """
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns(), lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow(
                {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}
            )
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())

    def plot(self) -> Figure:
        """Draw the losses, and below them each metric, over the epochs.

        Returns
        -------
        matplotlib.figure.Figure
            ``figure.savefig("curves.png")`` writes it; a notebook shows it.
        """
        names = [n for n in self.columns() if is_number(self.rows[-1].get(n)) and n not in ("epoch", "step", "lr")]
        panels = list(dict.fromkeys(name.removeprefix("val_") for name in names)) or ["loss"]
        figure = new_figure(7, 1 + 2.2 * len(panels))
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        steps, epochs = [row["step"] for row in self.rows], [row["epoch"] for row in self.rows]
        for panel, ax in zip(panels, axes, strict=True):
            if panel == "loss" and self.step_losses:
                at = np.arange(1, len(self.step_losses) + 1)
                when = np.interp(at, [0, *steps], [0, *epochs]) if steps else at
                ax.plot(when, self.step_losses, linewidth=0.5, alpha=0.5, label="each step")
            for name, label in ((panel, "training"), (f"val_{panel}", "validation")):
                if name in names:
                    ax.plot(epochs, self[name], "o-", markersize=3, label=label)
            ax.set_ylabel(panel)
            ax.grid(alpha=0.3)
            ax.legend()
        axes[-1].set_xlabel("epoch")
        return figure

    def state_dict(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {"rows": self.rows, "step_losses": np.array(self.step_losses, np.float64), "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.rows, self.seconds = state["rows"], state["seconds"]
        self.step_losses = state["step_losses"].tolist()


def is_number(value: Any) -> bool:
    """Whether a value of a row can be drawn and compared."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
