"""One thread, and the same random numbers, for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import minicnn


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = minicnn.get_num_threads()
    minicnn.set_num_threads(1)
    minicnn.manual_seed(0)
    yield
    minicnn.set_num_threads(before)
