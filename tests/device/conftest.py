"""The fixture ``device``: "cuda", on a GPU or on the stand-in for CuPy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cuda import needs

ON_GPU = os.environ.get("MINICNN_TEST_GPU") == "1"
CACHING = "minicnn_kernels.cuda", "minicnn.cuda", "minicnn.core", "minicnn.random"


def forget() -> None:
    """Clear what the project has remembered of a device: every `functools.cache` of its modules."""
    for name, module in list(sys.modules.items()):
        if name.startswith(CACHING) and not name.startswith("minicnn_kernels.cuda.on_cpu"):
            for value in list(vars(module).values()):
                if (
                    getattr(value, "__module__", None) == name
                    and hasattr(value, "cache_clear")
                    and not isinstance(value, type)
                ):
                    value.cache_clear()


def start_afresh() -> None:
    """No GPU has been in use: no tensor, no generator, no copy under way."""
    from minicnn.core import capture, random, transfer
    from minicnn.core import device as devices

    devices.in_use = False
    random._on_gpus.clear()
    transfer._under_way.clear()
    capture.recording = None


@contextmanager
def stand_in() -> Iterator[None]:
    """The stand-in for CuPy and cuBLAS, with nothing in its memory; afterwards no trace of it is left."""
    from minicnn_kernels import registry
    from minicnn_kernels.cuda import blas

    from tests import standin
    from tests.standin.cublas import Library

    active, library = registry._active, blas.library
    standin.install()
    start_afresh()
    forget()
    blas.library = Library
    try:
        yield
    finally:
        forget()
        start_afresh()
        registry._active, blas.library = active, library
        standin.uninstall()


@pytest.fixture
def device() -> Iterator[str]:
    """A GPU to compute on. Without one, or without MINICNN_TEST_GPU=1: the stand-in of tests/standin.

    Afterwards no trace of it is left: sys.modules and the project's caches are as before.
    """
    if ON_GPU:
        yield "cuda"
        return
    needs.compiler()
    needs.cupy()
    with stand_in():
        yield "cuda"
