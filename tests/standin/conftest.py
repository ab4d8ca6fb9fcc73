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
    needs.cupy()
    from tests import standin

    standin.install()
    try:
        import cupy

        yield cupy
    finally:
        standin.uninstall()
