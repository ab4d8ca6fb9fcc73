"""The NumPy kernels: small networks should not wait for numba."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import minicnn


@pytest.fixture(scope="module", autouse=True)
def numpy_kernels() -> Iterator[None]:
    with minicnn.use_backend("numpy"):
        yield
