"""Infinities and NaN in steps that are computed in one: the gradients are PyTorch's, as step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn


@pytest.mark.parametrize("backend", ["reference", "numpy", "numba"])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("last", ["relu", "relu6"])
def test_infinities_and_nan_before_the_rectifier(backend: str, fused: bool, training: bool, last: str) -> None:
    """Nobody reaches an infinite bound, and where there is no telling the gradient passes."""

    def gradients(library: Any) -> list[np.ndarray]:
        class Net(library.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.norm = library.nn.BatchNorm2d(2)

            def forward(self, x: Any, residual: Any) -> Any:
                return getattr(library.nn.functional, last)(self.norm(x) + residual)

        net = Net().train(training)
        x = library.tensor(np.linspace(-1, 1, 12).reshape(2, 2, 1, 3).tolist(), requires_grad=True)
        # At NaN the gradient of PyTorch's relu6 depends on the number of elements.
        row = [float("inf"), float("-inf"), float("nan") if last == "relu" else 7.0]
        residual = library.tensor([[[row], [row]], [[[0.1, 0.2, 9.0]], [row[::-1]]]], requires_grad=True)
        y = net(x, residual)
        if library is minicnn:
            assert bool(y.grad_fn.passed_over) == fused
        y.backward(library.arange(12.0).reshape(2, 2, 1, 3).add(1))
        return [t.grad.numpy() for t in (x, residual, *net.parameters())]

    with minicnn.use_backend(backend), minicnn.set_fusion_enabled(fused):
        ours = gradients(minicnn)
    for mine, theirs in zip(ours, gradients(torch), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
