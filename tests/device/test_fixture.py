"""The fixture ``device``: a GPU is there inside, and no trace of it afterwards."""

from __future__ import annotations

import sys
from contextlib import suppress

import numpy as np
import pytest
from minicnn_kernels import available_backends, call, registry
from minicnn_kernels.cuda import blas, runtime
from minicnn_kernels.registry import backend_for

import minicnn
from minicnn.core import device as devices
from minicnn.core import random
from tests.cuda import needs

from .conftest import ON_GPU, stand_in


def test_a_gpu_is_there(device):
    assert runtime.why_unavailable() is None
    assert "cupy" in available_backends()
    x = runtime.cupy().arange(3, dtype="float32")
    assert backend_for((x,)) == "cupy"
    assert (x + 1).get().tolist() == [1, 2, 3]


def traces() -> tuple[object, ...]:
    """What the fixture changes."""
    modules = {name: id(module) for name, module in sys.modules.items() if name.startswith("cupy")}
    return modules, registry._active, blas.library, devices.in_use, dict(random._on_gpus), runtime.why_unavailable()


@pytest.mark.skipif(ON_GPU, reason="on the stand-in alone")
def test_no_trace_is_left():
    before = traces()
    for leave in (lambda: None, lambda: 1 / 0):  # also when the test failed
        with suppress(ZeroDivisionError), stand_in():
            assert sys.modules["cupy"].__version__.endswith("stand-in")
            minicnn.use_backend("cupy")
            minicnn.randn(3, device="cuda")
            assert traces() != before
            leave()
        assert traces() == before
    with pytest.raises(minicnn.core.errors.DeviceError):
        minicnn.zeros(3, device="cuda")
    np.testing.assert_array_equal(call("relu.forward", np.array([-1.0, 2.0])), [0, 2])


@pytest.mark.skipif(ON_GPU, reason="on the stand-in alone")
@pytest.mark.parametrize("required", [False, True])
def test_without_cupy(monkeypatch, required):
    """Skipped; or failed, where everything is asked for."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setenv("MINICNN_REQUIRE_DATA", "1" if required else "0")
    with pytest.raises(pytest.fail.Exception if required else pytest.skip.Exception, match="no CuPy"):
        needs.cupy()
