"""The rows of the table of layers on the device: by CUDA kernels, and by the readable ones that compute anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import precision

import minicnn
from tests.optable.case import Case, Op
from tests.optable.run import Result, _differentiable, arguments, assert_close, direction, run_torch
from tests.optable.test_optable import ROWS, check

EXAMPLES = 3
# "cupy": the launchers where there is one, in full precision; "numpy": the vectorized kernels on device arrays
BACKENDS = {"cupy": "float32", "numpy": "float64"}


def run_on(device: str, op: Op, case: Case, values: list[Any]) -> Result:
    """Forward and backward on the device."""
    tensors = [minicnn.tensor(v, device=device) if isinstance(v, np.ndarray) else v for v in values]
    leaves = [t.requires_grad_() if _differentiable(case, i) else None for i, t in enumerate(tensors)]
    result = op.resolve(minicnn)(*tensors, **case.options)
    outputs = list(result) if isinstance(result, tuple) else [result]
    assert all(y.is_cuda for y in outputs)
    y = outputs[0]
    y.backward(minicnn.tensor(direction(y.shape, y.dtype.numpy), device=device))
    return Result([host(y) for y in outputs], [None if t is None else gradient(t) for t in leaves])


def host(t: minicnn.Tensor) -> np.ndarray:
    return t.detach().cpu().numpy()


def gradient(leaf: minicnn.Tensor) -> np.ndarray:
    assert leaf.grad is None or leaf.grad.is_cuda
    return np.zeros(leaf.shape) if leaf.grad is None else host(leaf.grad)


@contextmanager
def computing(backend: str) -> Iterator[None]:
    """On that backend, without rounding to TF32."""
    with minicnn.use_backend(backend), precision.set_conv_tf32(False):
        yield


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_rows_match_pytorch(device: str, op: Op, backend: str) -> None:
    kind = BACKENDS[backend]
    tolerance = op.float64_tolerance if kind == "float64" else op.float32_tolerance

    def body(case: Case) -> None:
        with computing(backend):
            ours = run_on(device, op, case, arguments(case, kind))
        assert_close(ours, run_torch(op, case, arguments(case, kind)), tolerance)

    check(op, EXAMPLES, body)
    if op.empty:
        check(op, 1, body, batch=0)


def transposed(a: np.ndarray) -> np.ndarray:
    return np.asfortranarray(a)


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_inputs_may_lie_in_memory_in_any_order(device: str, op: Op) -> None:
    layout: Callable[[np.ndarray], np.ndarray] = transposed

    def body(case: Case) -> None:
        with computing("cupy"):
            plain = run_on(device, op, case, arguments(case, "float64"))
            strided = run_on(device, op, case, arguments(case, "float64", layout))
        assert_close(strided, plain, 1e-9)

    check(op, 1, body)
