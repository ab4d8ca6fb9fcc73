"""Callbacks: what happens beside the steps of a training. :class:`Callback` is the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..naming import make
from .base import BatchTransform, Callback
from .checkpoints import ModelCheckpoint
from .loggers import CSVLogger, JSONLLogger, TensorBoard
from .nonfinite import TerminateOnNaN
from .schedules import LRSchedule, ReduceLROnPlateau
from .stopping import EarlyStopping, TimeLimit
from .weights import EMA, ClipGradients

__all__ = [
    "EMA",
    "BatchTransform",
    "CSVLogger",
    "Callback",
    "ClipGradients",
    "EarlyStopping",
    "JSONLLogger",
    "LRSchedule",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
    "TimeLimit",
    "get_callback",
    "list_callbacks",
]

CALLBACKS: dict[str, type[Callback]] = {
    "batch_transform": BatchTransform,
    "clip_gradients": ClipGradients,
    "csv": CSVLogger,
    "early_stopping": EarlyStopping,
    "ema": EMA,
    "jsonl": JSONLLogger,
    "lr_schedule": LRSchedule,
    "model_checkpoint": ModelCheckpoint,
    "reduce_lr_on_plateau": ReduceLROnPlateau,
    "tensorboard": TensorBoard,
    "terminate_on_nan": TerminateOnNaN,
    "time_limit": TimeLimit,
}


def list_callbacks() -> list[str]:
    """Names that :func:`get_callback` knows.

    Examples
    --------
    >>> list_callbacks()[:4]
    ['batch_transform', 'clip_gradients', 'csv', 'early_stopping']
    """
    return sorted(CALLBACKS)


def get_callback(name: str, **options: Any) -> Callback:
    """A callback by its name, as a configuration file gives it.

    Parameters
    ----------
    name : str
        One of :func:`list_callbacks`.
    **options
        The callback's parameters.

    Raises
    ------
    ValueError
        If there is no such callback or option; the text names the nearest.

    Examples
    --------
    >>> get_callback("early_stopping", patience=3).patience
    3
    """
    return make("callback", name, CALLBACKS, options)


def make_callbacks(given: Sequence[Any] | Mapping[str, Any]) -> list[Callback]:
    """Callbacks from names, options by name, and callbacks."""
    if isinstance(given, (str, Callback)):
        given = [given]
    if isinstance(given, Mapping):
        return [get_callback(name, **(options or {})) for name, options in given.items()]
    found = [get_callback(item) if isinstance(item, str) else item for item in given]
    for callback in found:
        if not isinstance(callback, Callback):
            fix = f"{callback.__name__}()" if isinstance(callback, type) else "train.EarlyStopping(), or its name"
            raise TypeError(f"a callback is a minicnn.train.Callback or a name; got {callback!r}. Fix: {fix}")
        if found.count(callback) > 1:
            raise ValueError(f"the same {type(callback).__name__} is given twice as a callback. Fix: once")
    return found
