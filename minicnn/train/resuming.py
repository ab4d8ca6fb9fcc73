"""Going on from a checkpoint: what is in it, and whether it belongs to this training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io import CheckpointError, load
from ..nn.module import Module
from .batches import count_batches, count_samples
from .callbacks import Callback, ModelCheckpoint
from .errors import ResumeError

if TYPE_CHECKING:
    from .loop import Run

FORMAT = "minicnn.train"
VERSION = 1


def state_of(run: Run) -> dict[str, Any]:
    """The whole state of a training, between two steps."""
    callbacks = names_of(run.callbacks)
    states = {name: state for name, callback in callbacks.items() if (state := callback.state_dict())}
    return {
        "format": FORMAT,
        "version": VERSION,
        "training": identity_of(run),
        "model": run.model.state_dict(),
        "trainable": [name for name, parameter in run.model.named_parameters() if parameter.requires_grad],
        "loss": run.loss.state_dict() if isinstance(run.loss, Module) else {},
        "optimizer": run.optimizer.state_dict(),
        "position": run.position(),
        "history": run.history.state_dict(),
        "callbacks": states,
        "needed callbacks": [name for name in states if not callbacks[name].only_writes],
    }


def identity_of(run: Run) -> dict[str, Any]:
    """What must be the same for a training to be the same training."""
    return {
        "the optimiser": type(run.optimizer).__name__,
        "parameters of the optimiser": [len(group["params"]) for group in run.optimizer.param_groups],
        "the loss": getattr(run.loss, "__name__", type(run.loss).__name__),
        "samples of the training data": count_samples(run.train),
        "batches of the training data": count_batches(run.train),
        "samples of the validation data": None if run.val is None else count_samples(run.val),
        "accumulate": run.accumulate,
        "the metrics": [metric.name for metric in run.metrics],
    }


def names_of(callbacks: list[Callback]) -> dict[str, Callback]:
    """Callbacks by class name; the second of a kind has a number."""
    found: dict[str, Callback] = {}
    for callback in callbacks:
        name, number = type(callback).__name__, 2
        while name in found:
            name, number = f"{type(callback).__name__} {number}", number + 1
        found[name] = callback
    return found


def find_checkpoint(resume: Any, callbacks: list[Callback]) -> Path | None:
    """The file that ``resume`` means: True is the last of the ModelCheckpoint, if there is one yet."""
    if resume is None or resume is False:
        return None
    if resume is True:
        last = [callback.last for callback in callbacks if isinstance(callback, ModelCheckpoint)]
        if not last:
            raise ValueError(
                "fit: resume=True goes on from the last checkpoint, and no callback writes any. "
                "Fix: callbacks=[train.ModelCheckpoint('runs/1')], or resume='the/file.mcnn'"
            )
        return last[0] if last[0].exists() else None
    if not isinstance(resume, (str, os.PathLike)):
        raise TypeError(f"fit: resume must be True, or the path of a checkpoint; got {resume!r}")
    path = Path(resume)
    path = path / "last.mcnn" if path.is_dir() else path
    if not path.exists():
        raise FileNotFoundError(
            f"fit: there is no checkpoint {path} to resume from. Fix: resume=True begins anew if there is none yet"
        )
    return path


def restore(run: Run, path: Path) -> None:
    """Let the training stand where the checkpoint was written."""
    state = load(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: it is not the checkpoint of a training, such as last.mcnn, but other values (weights?). "
            "Fix: model.load_state_dict(minicnn.load(path)) starts a new training with weights"
        )
    if state["version"] != VERSION:
        raise CheckpointError(
            f"{path}: it is of version {state['version']}, this minicnn reads version {VERSION}; "
            "use the minicnn that wrote it, or a newer one"
        )
    _check_model(run, state["model"], path)
    _check_identity(run, state["training"], path)
    callbacks = names_of(run.callbacks)
    missing = [name for name in state["needed callbacks"] if name not in callbacks]
    if missing:
        raise ResumeError(
            f"{path}: the training that is resumed had the callback {missing[0]}, this one has "
            f"{', '.join(callbacks) or 'none'}. Fix: give the same callbacks"
        )
    for name, callback in callbacks.items():
        if name not in state["callbacks"] and not callback.only_writes and callback.state_dict():
            raise ResumeError(
                f"{path}: the training that is resumed had no callback {name}, so what {name} would know by now is "
                "missing. Fix: give the same callbacks; or train anew, from model.load_state_dict(minicnn.load(path))"
            )
    run.model.load_state_dict(state["model"])
    for name, parameter in run.model.named_parameters():
        parameter.requires_grad_(name in state["trainable"])
    if isinstance(run.loss, Module):
        run.loss.load_state_dict(state["loss"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.history.load_state_dict(state["history"])
    run.go_on_from(state["position"])
    for name, callback in callbacks.items():
        if name in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][name])


def _check_model(run: Run, saved: dict[str, Any], path: Path) -> None:
    own = {name: tuple(value.shape) for name, value in run.model.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in saved.items()}
    if own == theirs:
        return
    name = next(name for name in [*own, *theirs] if own.get(name) != theirs.get(name))
    here, there = (shapes.get(name, "not there") for shapes in (own, theirs))
    raise ResumeError(
        f"{path}: the checkpoint is of another network than this {type(run.model).__name__}: {name} is {there} in the "
        f"checkpoint, {here} in the model. Fix: build the model as it was built, or train anew in another folder"
    )


def _check_identity(run: Run, saved: dict[str, Any], path: Path) -> None:
    for name, here in identity_of(run).items():
        there = saved.get(name)
        if here != there:
            raise ResumeError(
                f"{path}: the checkpoint is of another training: {name}: {there} there, {here} here. A resumed "
                "training does what the uninterrupted one would have done, so both must be alike. "
                "Fix: the same arguments; or train anew, from model.load_state_dict(minicnn.load(path))"
            )
