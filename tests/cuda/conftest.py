"""What the tests of the CUDA executor share."""

from __future__ import annotations

import pytest

from tests.device.conftest import device  # noqa: F401 - the fixture

from . import needs


@pytest.fixture(scope="session")
def gxx() -> None:
    """g++, for kernels that run on the CPU."""
    needs.compiler()
