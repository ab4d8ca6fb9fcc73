"""What the tests of the CUDA executor share."""

from __future__ import annotations

import pytest

from . import needs


@pytest.fixture(scope="session")
def gxx() -> None:
    """g++, for kernels that run on the CPU."""
    needs.compiler()
