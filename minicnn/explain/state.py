"""Looking at a model without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from minicnn_kernels.arrays import on_host

from ..core.random import default_generator, set_states_of_gpus, states_of_gpus
from ..nn import Module

MODES = ("eval", "train", "same")


def checked_mode(mode: str, who: str) -> None:
    """Raise the error that names the modes, if it is none of them."""
    if mode not in MODES:
        raise ValueError(f"{who}: mode must be one of {', '.join(map(repr, MODES))}; got {mode!r}")


@contextmanager
def left_as_found(model: Module, mode: str) -> Iterator[None]:
    """Run the model in a mode, and put back its training flags, its buffers and the random numbers' state."""
    training = {module: module.training for module in model.modules()}
    buffers = {module: dict(module._buffers) for module in training}
    tensors = [b for found in buffers.values() for b in found.values() if b is not None]
    values = [(b, b._array.copy(), b._versions.count) for b in tensors]
    numbers, on_gpus = default_generator.get_state(), states_of_gpus()
    try:
        if mode != "same":
            model.train(mode == "train")
        yield
    finally:
        default_generator.set_state(numbers)
        set_states_of_gpus(on_gpus)
        for module, flag in training.items():
            module.training = flag
        for module, found in buffers.items():
            module._buffers.clear()
            module._buffers.update(found)
        for buffer, value, version in values:
            _write_back(buffer, value)
            buffer._versions.count = version


def _write_back(buffer: Any, value: Any) -> None:
    before, now = (np.ascontiguousarray(on_host(array)).tobytes() for array in (value, buffer._array))
    same = value.shape == buffer._array.shape and before == now
    if not same:
        buffer._to_change()[...] = value
