"""The fixture ``device``: a GPU is there inside, and no trace of it afterwards."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from minicnn_kernels import available_backends, call
from minicnn_kernels.cuda import runtime
from minicnn_kernels.registry import backend_for

from .conftest import ON_GPU


def test_a_gpu_is_there(device):
    assert runtime.why_unavailable() is None
    assert "cupy" in available_backends()
    x = runtime.cupy().arange(3, dtype="float32")
    assert backend_for((x,)) == "cupy"
    assert (x + 1).get().tolist() == [1, 2, 3]


@pytest.mark.skipif(ON_GPU, reason="on the stand-in alone")
def test_no_trace_is_left(request):
    before = {name: module for name, module in sys.modules.items() if name.startswith("cupy")}
    reason = runtime.why_unavailable()
    request.getfixturevalue("device")
    assert sys.modules["cupy"].__version__.endswith("stand-in")
    from tests import standin

    runtime.why_unavailable()
    assert before.items() <= {**standin.spec._taken_out[-1]}.items()
    assert reason != runtime.why_unavailable()


@pytest.mark.skipif(ON_GPU, reason="on the stand-in alone")
def test_afterwards():
    assert "stand-in" not in getattr(sys.modules.get("cupy"), "__version__", "")
    assert runtime.why_unavailable() is not None
    np.testing.assert_array_equal(call("relu.forward", np.array([-1.0, 2.0])), [0, 2])
