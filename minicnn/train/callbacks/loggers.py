"""Writing down the course of a training: CSV, JSON lines, TensorBoard."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..history import is_number
from .base import Callback

if TYPE_CHECKING:
    from ..loop import Run


class CSVLogger(Callback):
    """Write the history as a CSV file after every epoch, one line per epoch.

    The file is replaced all at once, and after resuming has the earlier epochs too.

    Parameters
    ----------
    path : str or path-like
        Its folder is made if need be.

    Examples
    --------
    >>> CSVLogger("runs/1/log.csv").path.name
    'log.csv'
    """

    only_writes = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_fit_begin(self, run: Run) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        run.history.to_csv(self.path)


class JSONLLogger(Callback):
    """Append one JSON object per line: after every epoch its row, and every so many steps the step.

    A line has ``"kind"``, ``"epoch"`` or ``"step"``, and the numbers (null for NaN and infinity). After
    resuming, lines of this training that are newer than the checkpoint are taken away first; the lines
    of another one, where ``path`` is its log, stay before the new ones. A training that begins anew
    replaces the file.

    Parameters
    ----------
    path : str or path-like
        Its folder is made if need be.
    every_steps : int, optional
        Write ``{"kind": "step", "step": ..., "epoch": ..., "lr": ..., "loss": ...}`` every so many steps.

    Examples
    --------
    >>> JSONLLogger("runs/1/log.jsonl", every_steps=100).every_steps
    100
    """

    only_writes = True

    def __init__(self, path: str | os.PathLike[str], every_steps: int | None = None) -> None:
        check_every("JSONLLogger", every_steps)
        self.path, self.every_steps = Path(path), every_steps

    def on_fit_begin(self, run: Run) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._anew = not run.resuming  # the log before stays until there is a line: another callback may yet refuse
        self._stand_after(b"" if self._anew else self._there())

    def on_step_end(self, run: Run) -> None:
        if self.every_steps and run.step % self.every_steps == 0:
            loss = run.history.step_losses[-1]
            self._write({"kind": "step", "step": run.step, "epoch": run.epoch, "lr": run.lr, "loss": loss})

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        self._write({"kind": "epoch", **row})

    def _write(self, line: dict[str, Any]) -> None:
        known = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in line.items()}
        self._append(json.dumps(known).encode() + b"\n")

    def _append(self, text: bytes) -> None:
        with self.path.open("wb" if self._anew else "ab") as file:
            file.write(text)
        self._anew = False
        self._size += len(text)
        self._digest.update(text)

    def _stand_after(self, text: bytes) -> None:
        """The file is known to hold this."""
        self._size, self._digest = len(text), hashlib.sha256(text)

    def _there(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def state_dict(self) -> dict[str, Any]:
        return {"path": os.path.realpath(self.path), "size": self._size, "sha256": self._digest.hexdigest()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        there, size = self._there(), state["size"]
        begins_alike = hashlib.sha256(there[:size]).hexdigest() == state["sha256"]
        if begins_alike and (size or state["path"] == os.path.realpath(self.path)):  # the log of this training
            if len(there) > size:
                os.truncate(self.path, size)
            self._stand_after(there[:size])
        elif there and not there.endswith(b"\n"):  # of one that was killed while it wrote
            self._append(b"\n")


class TensorBoard(Callback):
    """Write scalars for TensorBoard: training and validation of every epoch, the learning rate, and the loss of steps.

    It needs the extra ``tensorboard`` (the packages tensorboardX, which writes, and tensorboard, which
    shows: ``tensorboard --logdir runs``).

    Parameters
    ----------
    folder : str or path-like
        Where the event files go.
    every_steps : int, optional
        Write the loss and the learning rate of every so many steps too.

    Raises
    ------
    ImportError
        If tensorboardX is not installed.

    Examples
    --------
    >>> TensorBoard("runs/1").folder.name
    '1'
    """

    only_writes = True

    def __init__(self, folder: str | os.PathLike[str], every_steps: int | None = None) -> None:
        check_every("TensorBoard", every_steps)
        self.folder, self.every_steps = Path(folder), every_steps
        self._writer: Any = None

    def on_fit_begin(self, run: Run) -> None:
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise ImportError(
                "TensorBoard needs the package tensorboardX. Fix: pip install 'minicnn[tensorboard]', or "
                "train.CSVLogger or train.JSONLLogger, which need nothing"
            ) from None
        self._purge: int | None = None
        self._next_step = 1

    def _scalar(self, tag: str, value: float, step: int) -> None:
        if self._writer is None:  # opened when it is known from which step on older events are void
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(os.fspath(self.folder), purge_step=self._purge)
        self._writer.add_scalar(tag, value, step)

    def on_step_end(self, run: Run) -> None:
        self._next_step = run.step + 1
        if self.every_steps and run.step % self.every_steps == 0:
            self._scalar("step/loss", run.history.step_losses[-1], run.step)
            self._scalar("step/lr", run.lr, run.step)

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if is_number(value) and name not in ("epoch", "step"):
                part = "validation" if name.startswith("val_") else "training"
                self._scalar(f"{part}/{name.removeprefix('val_')}", value, run.step)
        self._writer.flush()

    def close(self, run: Run) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def state_dict(self) -> dict[str, Any]:
        return {"next_step": self._next_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._purge = self._next_step = state["next_step"]


def check_every(who: str, every_steps: Any) -> None:
    """Raise unless it is None or a whole number from 1 on."""
    if every_steps is not None and (
        isinstance(every_steps, bool) or not isinstance(every_steps, int) or every_steps < 1
    ):
        raise ValueError(f"{who}: every_steps must be a whole number from 1 on; got {every_steps!r}")
