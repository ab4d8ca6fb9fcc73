"""The fixture ``device``: "cuda", on a GPU or on the stand-in for CuPy."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator

import pytest

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


def cublas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the project load the stand-in for cuBLAS."""
    from tests.standin.cublas import Library

    if importlib.util.find_spec("minicnn_kernels.cuda.blas") is not None:
        monkeypatch.setattr("minicnn_kernels.cuda.blas.library", Library)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A GPU to compute on. Without one, or without MINICNN_TEST_GPU=1: the stand-in of tests/standin.

    Afterwards no trace of it is left: sys.modules and the project's caches are as before.
    """
    if ON_GPU:
        yield "cuda"
        return
    from minicnn_kernels import registry

    from tests.cuda import needs

    needs.compiler()
    try:
        from tests import standin
    except ImportError as error:
        needs.absent(f"no CuPy ({error}). Fix: pip install cupy-cuda13x")
    active = registry._active
    standin.install()
    start_afresh()
    cublas(monkeypatch)
    forget()
    try:
        yield "cuda"
    finally:
        forget()
        start_afresh()
        registry._active = active
        standin.uninstall()
