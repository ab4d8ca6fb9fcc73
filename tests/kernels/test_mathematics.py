"""The compiled exponential and its kin against float64, at every size of argument and at the special ones."""

from __future__ import annotations

import numpy as np
import pytest
from minicnn_kernels import call, use_backend
from minicnn_kernels.numba_cpu import mathematics
from minicnn_kernels.numba_cpu.jit import serial

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e30, -1e30, 88.7228, 88.73, -87.34, -103.97, -104.5, 1e-30]
BOUNDS = {"exp": 2.5, "expm1": 4, "tanh": 4}  # units in the last place


def elementwise(name: str):
    function = getattr(mathematics, name)

    @serial
    def loop(y, x):
        for i in range(len(x)):
            y[i] = function(x[i])

    return loop


@pytest.mark.parametrize("name", BOUNDS)
def test_accuracy_in_units_of_the_last_place(name):
    rng = np.random.default_rng(0)
    parts = np.linspace(-110, 95, 200_001), rng.standard_normal(100_000), 1e-4 * rng.standard_normal(1000), SPECIAL
    x = np.concatenate(parts).astype(np.float32)
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        elementwise(name)(y, x)
        exact = getattr(np, name)(x.astype(np.float64))
        rounded = exact.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(rounded))
    finite = np.isfinite(rounded)
    units = np.abs(y[finite].astype(np.float64) - exact[finite]) / np.spacing(np.abs(rounded[finite]))
    assert units.max() <= BOUNDS[name]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 7, 21, 1000])
@pytest.mark.parametrize("operation", ["softmax.forward", "log_softmax.forward"])
def test_softmax_of_extreme_rows(operation, d, dtype):
    rng = np.random.default_rng(0)
    x = (100 * rng.standard_normal((8, d))).astype(dtype)
    x[1, d // 2] = np.inf
    x[2, d // 2] = np.nan
    x[3, d // 2] = -np.nan
    x[4] = -np.inf
    x[5, : d // 2] = -np.inf
    x[6] = -1e30
    x[7] = np.copysign(0.0, rng.standard_normal(d))
    results = []
    for backend in ("numba", "numpy"):
        with use_backend(backend), np.errstate(all="ignore"):
            results.append(call(operation, x, 1))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(*results, rtol=tolerance, atol=tolerance)
