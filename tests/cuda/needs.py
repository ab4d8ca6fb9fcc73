"""What the tests of CUDA kernels need, and what happens where it is not there."""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Any

import pytest

STAND_IN = pytest.mark.skipif(os.environ.get("MINICNN_TEST_GPU") == "1", reason="asks the stand-in for a GPU")


def compiler() -> None:
    """g++ must be there."""
    if shutil.which("g++") is None:
        absent("no g++. Fix: apt install g++")


def nvrtc() -> Any:
    """The module cupy.cuda.nvrtc; it needs two wheels, and no GPU."""
    try:
        from cupy.cuda import nvrtc as module

        module.getVersion()
    except Exception as error:  # a wheel that is missing, or a library that it does not find
        absent(f"no NVRTC ({error}). Fix: pip install cupy-cuda13x nvidia-cuda-nvrtc")
    return module


def cupy() -> None:
    """CuPy must be there; it needs no GPU."""
    try:
        importlib.import_module("cupy")
    except ImportError as error:
        absent(f"no CuPy ({error}). Fix: pip install cupy-cuda13x")


def absent(reason: str) -> None:
    """Skip, or fail where MINICNN_REQUIRE_DATA=1 asks for everything."""
    if os.environ.get("MINICNN_REQUIRE_DATA") == "1":
        pytest.fail(f"{reason}, and MINICNN_REQUIRE_DATA=1")
    pytest.skip(reason)
