"""All random numbers that a training may draw, taken down and put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.random import get_rng_state, set_rng_state, set_states_of_gpus, states_of_gpus


def random_state() -> dict[str, Any]:
    """The state of minicnn's generators, and of Python's and NumPy's global ones, which datasets may use."""
    own = {"minicnn": get_rng_state(), "gpus": states_of_gpus()}
    return {**own, "python": random.getstate(), "numpy": np.random.get_state(legacy=False)}


def set_random_state(state: dict[str, Any]) -> None:
    """Go on from a :func:`random_state`."""
    set_rng_state(state["minicnn"])
    set_states_of_gpus(state.get("gpus", {}))
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])


@contextmanager
def kept_randomness() -> Iterator[None]:
    """What happens in the block leaves no trace in the random numbers that come after it."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)
