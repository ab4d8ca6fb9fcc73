"""A memory pool without anything idle, for tests that count its blocks."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from minicnn_kernels.memory import empty_cache

MIB = 2**20


@pytest.fixture(autouse=True)
def fresh_pool():
    """Nothing idle from other tests, before and after."""
    gc.collect()
    empty_cache()
    yield
    gc.collect()
    empty_cache()


def address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]
