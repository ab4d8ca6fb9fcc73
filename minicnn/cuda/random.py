"""The random numbers of the GPUs."""

from __future__ import annotations

from typing import Any

from ..core import random
from .devices import device_count, gpu, is_available


def _generator(device: Any) -> random.Generator:
    return random.generator_of(gpu(device))


def manual_seed(seed: int) -> None:
    """Seed the random numbers of the current GPU; without one nothing happens.

    (``minicnn.manual_seed`` seeds all devices.)
    """
    if is_available():
        _generator(None).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the random numbers of all GPUs; without one nothing happens."""
    random.seed_gpus(seed)


def seed() -> None:
    """Seed the random numbers of the current GPU with a number that the operating system draws."""
    if is_available():
        _generator(None).seed()


def seed_all() -> None:
    """Seed the random numbers of all GPUs with a number that the operating system draws."""
    random.seed_gpus(random.Generator().seed())


def initial_seed() -> int:
    """The seed that the current GPU's random numbers started from."""
    return _generator(None).initial_seed()


def get_rng_state(device: Any = "cuda") -> dict[str, Any]:
    """State of the random numbers of a GPU (a dictionary of numbers, where PyTorch returns a byte tensor)."""
    return _generator(device).get_state()


def get_rng_state_all() -> list[dict[str, Any]]:
    """The states of all GPUs."""
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state(new_state: dict[str, Any], device: Any = "cuda") -> None:
    """Continue a GPU's random numbers from a state that :func:`get_rng_state` returned."""
    _generator(device).set_state(new_state)


def set_rng_state_all(new_states: list[dict[str, Any]]) -> None:
    """Continue those of all GPUs from states that :func:`get_rng_state_all` returned."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)
