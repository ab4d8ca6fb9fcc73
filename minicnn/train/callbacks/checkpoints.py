"""Writing checkpoints: the last state, to go on from; the best model, to use; and some of the last epochs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.atomic import atomic_write
from ...io import save
from .base import Callback
from .monitor import Monitor

if TYPE_CHECKING:
    from ..loop import Run

LAST, BEST = "last.mcnn", "best.mcnn"


class ModelCheckpoint(Callback):
    """Write ``last.mcnn`` after every epoch, and ``best.mcnn`` whenever the watched number improves.

    ``last.mcnn`` is the whole state of the training: ``fit(..., resume=True)`` goes on from it, bit for
    bit. ``best.mcnn`` has the model alone (its averaged weights, with :class:`EMA`), for
    ``model.load_state_dict(minicnn.load("best.mcnn"))``. Every file is replaced all at once: at any moment, killed
    or with a full disk, there is the whole old one or the whole new one.

    Parameters
    ----------
    folder : str or path-like
        Where the files go; made if need be.
    monitor : str, optional
        The column whose best value makes the best model; default ``val_loss``, or ``loss`` without validation.
    mode : {"auto", "min", "max"}, default "auto"
    every_steps : int, optional
        Write ``last.mcnn`` also after every so many optimiser steps, in the middle of an epoch.
    keep : int, default 0
        Keep the checkpoints of the last so many epochs too, as ``epoch-0007.mcnn``.
    save_best : bool, default True
    overwrite : bool, default False
        Start anew in a folder that holds the checkpoint of another training.
    info : mapping, optional
        What else both files shall have, as ``"info"``: how to build the model, the names of the classes.

    Raises
    ------
    FileExistsError
        When a training that does not resume from this folder would replace the checkpoint of another.
    OSError
        If a file cannot be written; the one before it is whole.

    Examples
    --------
    >>> import tempfile
    >>> checkpoint = ModelCheckpoint(tempfile.mkdtemp(), monitor="val_accuracy", every_steps=500)
    >>> checkpoint.last.name
    'last.mcnn'
    """

    order = 10
    only_writes = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = None,
        mode: str = "auto",
        every_steps: int | None = None,
        keep: int = 0,
        save_best: bool = True,
        overwrite: bool = False,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value, least in (("every_steps", every_steps, 1), ("keep", keep, 0)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ValueError(f"ModelCheckpoint: {name} must be a whole number from {least} on; got {value!r}")
        self.folder = Path(folder)
        self.last, self.best = self.folder / LAST, self.folder / BEST
        self.every_steps, self.keep, self.save_best, self.overwrite = every_steps, keep, save_best, overwrite
        self.info = {} if info is None else {"info": dict(info)}
        self.monitor = Monitor("ModelCheckpoint", monitor, mode)

    def on_fit_begin(self, run: Run) -> None:
        self.monitor.begin(run)
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"ModelCheckpoint: {self.folder} is a file; give the name of a folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        goes_on = run.checkpoint is not None and run.checkpoint.resolve().parent == self.folder.resolve()
        if self.last.exists() and not goes_on and not self.overwrite:
            raise FileExistsError(
                f"ModelCheckpoint: {self.last} is the checkpoint of an earlier training. Fix: fit(..., resume=True) "
                "goes on with it; another folder, or overwrite=True, starts anew"
            )
        for left_over in self.folder.glob(".*.mcnn.*.tmp"):  # by a process that was killed while it wrote
            left_over.unlink(missing_ok=True)
        self._saved: int | None = None

    def on_step_end(self, run: Run) -> None:
        if self.every_steps and run.step % self.every_steps == 0:
            self._save_last(run)

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        if self.monitor.improved(row) and self.save_best:
            with run.evaluating():
                _write({"model": run.model.state_dict(), "row": row, **self.info}, self.best)
        self._save_last(run)
        if self.keep:
            _link(self.last, self.folder / f"epoch-{run.epoch:04d}.mcnn")
            for old in sorted(self.folder.glob("epoch-*.mcnn"))[: -self.keep]:
                old.unlink()

    def on_fit_end(self, run: Run) -> None:
        if run.batch and self._saved != run.step:  # stopped in the middle of an epoch
            self._save_last(run)

    def _save_last(self, run: Run) -> None:
        _write({**run.state_dict(), **self.info}, self.last)
        self._saved = run.step

    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state)


def _write(state: dict[str, Any], path: Path) -> None:
    try:
        save(state, path)
    except OSError as error:
        before = "the file before it is whole" if path.exists() else "there was none before it"
        error.add_note(f"while writing the checkpoint {path}; {before}")
        raise


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, which keeps it when the first name is given to a newer one."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        with atomic_write(target) as file, source.open("rb") as content:
            shutil.copyfileobj(content, file)
