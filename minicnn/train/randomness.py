"""All random numbers that a training may draw, taken down and put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.random import get_rng_state, set_rng_state


def random_state() -> dict[str, Any]:
    """The state of minicnn's generator, and of Python's and NumPy's global ones, which datasets may use."""
    return {"minicnn": get_rng_state(), "python": random.getstate(), "numpy": np.random.get_state(legacy=False)}


def set_random_state(state: dict[str, Any]) -> None:
    """Go on from a :func:`random_state`."""
    set_rng_state(state["minicnn"])
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
