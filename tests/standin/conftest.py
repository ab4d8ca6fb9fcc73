"""The stand-in, installed, for the tests of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cuda import needs


@pytest.fixture
def cp() -> Iterator[Any]:
    """``import cupy`` on the stand-in."""
    needs.compiler()
    try:
        from tests import standin
    except ImportError as error:
        needs.absent(f"no CuPy ({error}). Fix: pip install cupy-cuda13x")
    standin.install()
    try:
        import cupy

        yield cupy
    finally:
        standin.uninstall()
