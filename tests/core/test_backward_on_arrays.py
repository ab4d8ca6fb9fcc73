"""A backward pass that works on arrays, with NumPy's warnings off: nobody outside of it can tell."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn.core.function import Function


def test_warnings_in_a_hook_are_those_of_whoever_goes_back() -> None:
    x = minicnn.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda grad: np.array([1.0]) / np.array([0.0]) and None)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        y.sum().backward()


def test_a_function_refuses_arrays() -> None:
    class Doubled(Function):
        def forward(self, x):
            return 2 * x

    with pytest.raises(AttributeError):
        Doubled()(np.ones(3))
