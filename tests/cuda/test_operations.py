"""Operations of the registry computed by the CUDA kernels: the same as the NumPy backend's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minicnn_kernels import call, use_backend
from minicnn_kernels.cuda.on_cpu import operations
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window, pool_window

X, W, BIAS = (2, 3, 7, 6), (5, 3, 3, 2), (5,)


def _cases() -> dict[str, tuple[Any, ...]]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    x, w, bias = draw(*X), draw(*W), draw(*BIAS)
    window = conv_window(X, W, stride=(2, 1), padding=1, dilation=(1, 2))
    grad_y = draw(2, 5, *window.output_size)
    pooling = pool_window("max_pool2d", X, (3, 2), (2, 1), (1, 0), (1, 2), True)
    after = Epilogue(draw(5), draw(*grad_y.shape), 0.0, 1.5)
    return {
        "conv2d.forward": (x, w, bias, window, 1),
        "conv2d.forward, and what follows": (x[:, :, ::-1], w, bias, window, 1, after),
        "conv2d.grad_input": (grad_y, w, window, 1),
        "conv2d.grad_weight": (grad_y, x, window, 1),
        "max_pool2d.forward": (x, pooling),
        "im2col": (x.transpose(0, 1, 3, 2), conv_window((2, 3, 6, 7), W, stride=1, padding=1)),
        "relu.forward": (x,),
    }


@pytest.mark.parametrize("name", _cases())
def test_the_result_is_that_of_numpy(name: str) -> None:
    operation, arguments = name.partition(",")[0], _cases()[name]
    assert operations.declines(operation, arguments) is None
    with use_backend("numpy"):
        expected = call(operation, *arguments)
    found = operations.launcher(operation)(*arguments)
    for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (found, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_every_operation_names_a_kernel_that_is_where_it_is_said_to_be() -> None:
    for kernel in operations.operations().values():
        file, _, line = operations.place(kernel).partition(":")
        assert file.endswith(".cu")
        assert int(line) > 1


def test_what_it_declines() -> None:
    x, w, _, window, _ = _cases()["conv2d.forward"]
    for operation, arguments, reason in (
        ("conv2d.forward", (x.astype(np.float64), w, None, window, 1), "float32 here, not float64"),
        ("conv2d.forward", (x, w.astype(np.float64), None, window, 1), "two types, float32 and float64"),
        ("matmul", (x, x), "no CUDA kernel"),
    ):
        assert reason in str(operations.declines(operation, arguments))
