"""Where tests find the real datasets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared"
GIVEN = os.environ.get("MINICNN_DATA")  # as the test run was started; a test may hide the variable


def real_data(name: str) -> Path:
    """The folder of a real dataset: below $MINICNN_DATA, or in shared/data beside the repository.

    Skips the test if there is none, unless MINICNN_REQUIRE_DATA=1 asks to fail.
    """
    places = [Path(place) for place in (GIVEN, BESIDE / "data") if place]
    for place in places:
        if (place / name).is_dir():
            return place / name
    return _missing(f"no real {name} data in {', '.join(map(str, places))}")


def real_tool(name: str) -> Path:
    """A script of shared/tools beside the repository, by the same rule."""
    path = BESIDE / "tools" / name
    return path if path.is_file() else _missing(f"no tool {path}")


def _missing(reason: str) -> Path:
    if os.environ.get("MINICNN_REQUIRE_DATA") == "1":
        pytest.fail(f"{reason}, and MINICNN_REQUIRE_DATA=1")
    pytest.skip(reason)
