from __future__ import annotations

from collections.abc import Iterator

import pytest

import minicnn


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    state = minicnn.get_rng_state()
    minicnn.manual_seed(0)
    yield
    minicnn.set_rng_state(state)
