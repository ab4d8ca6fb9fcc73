"""The vectors of a batch norm, one number per channel, as compiled code reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minicnn_kernels.errors import ShapeError
from minicnn_kernels.registry import call, use_backend

X = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def numba_backend() -> Any:
    with use_backend("numba"):
        yield


@pytest.mark.parametrize("kind", ["<f8", ">f4", "f2", "g"])
def test_vectors_of_another_type(kind: str) -> None:
    mean, var, weight, bias = (np.array(v, kind) for v in ([0.5, 1, 2], [1, 4, 0.25], [1, 2, 3], [0, 1, -1]))
    y = call("batch_norm.normalize", X, mean, var, weight, bias, 0.0)
    column = (slice(None), None, None)
    scale = np.float64(weight) / np.sqrt(np.float64(var))
    np.testing.assert_allclose(y, (X - np.float64(mean)[column]) * scale[column] + np.float64(bias)[column], rtol=1e-5)
    grad_x, *_ = call("batch_norm.grad", X, X, mean, var, weight, 0.0, False)
    exact = [np.float64(v) for v in (mean, var, weight)]
    truth, *_ = call("batch_norm.grad", np.float64(X), np.float64(X), *exact, 0.0, False)
    np.testing.assert_allclose(grad_x, truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("which", range(4))
def test_vectors_of_another_length(which: int) -> None:
    vectors = [np.ones(3, np.float32) for _ in range(4)]
    vectors[which] = np.ones(2, np.float32)
    with pytest.raises(ShapeError, match=r"expected one number per channel, \(3,\); got \(2,\)"):
        call("batch_norm.normalize", X, *vectors, 1e-5)
