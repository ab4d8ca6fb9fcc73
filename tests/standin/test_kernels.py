"""Kernels on the stand-in: a GPU gets bytes, and the stand-in asks whether they fit."""

from __future__ import annotations

import numpy as np
import pytest
from minicnn_kernels.cuda.on_cpu import KernelError

from tests import standin

SCALE = """extern "C" __global__ void scale(const real* x, real* y, int n, real factor) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = factor * x[i];
}"""


@pytest.mark.parametrize(("real", "kind"), [("float", np.float32), ("double", np.float64)])
def test_modules_and_definitions(cp, real, kind):
    module = cp.RawModule(code=SCALE, options=("-std=c++17", f"-Dreal={real}"))
    x, y = cp.arange(10, dtype=kind), cp.empty(10, kind)
    with standin.counted() as counts:
        module.get_function("scale")((3,), (4,), (x, y, np.int32(10), kind(2)))
    assert counts == {"kernel launches": 1}
    assert y.get().tolist() == list(range(0, 20, 2))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (lambda x, y: (x, y, np.int32(10), 2.0), "passes as float64"),
        (lambda x, y: (x, y, 10, np.float32(2)), "passes as int64"),
        (lambda x, y: (x, y, np.int32(10), np.int32(2)), "passes as int32"),
        (lambda x, y: (x, y, np.int32(10)), "takes 4 arguments, 3 came"),
        (lambda x, y: (x, y, y, np.float32(2)), "is given an array"),
    ],
)
def test_bytes_that_do_not_fit(cp, arguments, says):
    kernel = cp.RawKernel(SCALE, "scale", ("-Dreal=float",))
    with pytest.raises(standin.StandInError, match=says):
        kernel((3,), (4,), arguments(cp.zeros(10, "f"), cp.zeros(10, "f")))


def test_arrays_that_do_not_fit(cp):
    kernel = cp.RawKernel(SCALE, "scale", ("-Dreal=float",))
    x = cp.zeros((10, 2), "f")
    for wrong in (x[:, 0], cp.zeros(10), np.zeros(10, "f")):
        with pytest.raises((TypeError, ValueError)):
            kernel((3,), (4,), (wrong, cp.zeros(10, "f"), np.int32(10), np.float32(2)))
    with pytest.raises(ValueError, match="threads"):
        kernel((1,), (4096,), (cp.zeros(10, "f"), cp.zeros(10, "f"), np.int32(10), np.float32(2)))


def test_checked_kernels(cp):
    race = 'extern "C" __global__ void race(float* y) { y[0] += threadIdx.x; }'
    cp.RawKernel(race, "race")((1,), (4,), (cp.zeros(1, "f"),))
    with standin.checked_kernels(), pytest.raises(KernelError, match="a race"):
        cp.RawKernel(race, "race")((1,), (4,), (cp.zeros(1, "f"),))


def test_elementwise_kernels(cp):
    kernel = cp.ElementwiseKernel("T x, raw T table, int32 n", "T y", "y = x + table[i % n]", "standin_add")
    x, table = cp.arange(6, dtype="f").reshape(2, 3), cp.asarray(np.float32([10, 20]))
    assert kernel(x, table, 2).get().tolist() == [[10, 21, 12], [23, 14, 25]]
    with pytest.raises(TypeError, match="mismatched"):
        kernel(x, table.astype("d"), 2)
    with pytest.raises(TypeError, match="number of arguments"):
        kernel(x)
    y = cp.zeros((3, 2), "f").T
    kernel(x, table, 2, y)
    assert y.get().tolist() == [[10, 21, 12], [23, 14, 25]]


def test_reduction_kernels(cp):
    kernel = cp.ReductionKernel("T x", "T y", "x * x", "a + b", "y = a", "0", "standin_squares")
    x = cp.arange(6, dtype="f").reshape(2, 3)
    assert kernel(x).item() == 55
    assert kernel(x, axis=1).get().tolist() == [5, 50]
    assert kernel(x, axis=0, keepdims=True).shape == (1, 3)
