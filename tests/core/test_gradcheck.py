"""gradcheck accepts right gradients, names the worst element of wrong ones, and knows kinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn.autograd import gradcheck, gradgradcheck
from minicnn.core.function import Function
from minicnn.core.gradcheck import GradcheckError
from minicnn.nn import functional as F


def _leaf(*values: float) -> minicnn.Tensor:
    return minicnn.tensor(values, dtype=minicnn.float64, requires_grad=True)


class Wrong(Function):
    """x**2 whose gradient is spoilt by the function it is given."""

    def __init__(self, spoil: Any) -> None:
        self.spoil = spoil

    def forward(self, x: Any) -> Any:
        self.save(x)
        return x * x

    def backward(self, grad_y: Any) -> Any:
        (x,) = self.saved
        return self.spoil(grad_y * 2 * x)


def test_right_gradients_pass() -> None:
    x, y = _leaf(0.3, -1.2, 2.0), _leaf(1.0, 0.5, -0.7)
    assert gradcheck(lambda x, y: (x * y.exp(), (x / (y * y + 1)).sum()), (x, y))
    assert gradgradcheck(lambda x, y: x * y.exp() + x**3, (x, y))


def test_the_worst_element_is_named() -> None:
    def spoil(grad: np.ndarray) -> np.ndarray:
        grad[1, 2] += 0.5
        grad[0, 0] += 0.01
        return grad

    x = minicnn.ones(2, 3, dtype=minicnn.float64, requires_grad=True)
    with pytest.raises(
        GradcheckError, match=r"gradient of input 0: 2 of 6 elements disagree; the worst is at index \(1, 2\)"
    ):
        gradcheck(lambda x: Wrong(spoil)(x), x)
    assert not gradcheck(lambda x: Wrong(spoil)(x), x, raise_exception=False)


def test_a_constant_factor_is_told() -> None:
    with pytest.raises(GradcheckError, match="backward / finite differences = 2"):
        gradcheck(lambda x: Wrong(lambda g: 2 * g)(x), _leaf(1.0, 2.0))


def test_a_kink_is_no_error_but_a_wrong_value_beside_one_is() -> None:
    assert gradcheck(F.relu, _leaf(0.0, 1.0, -1.0))
    assert gradcheck(lambda x: x.abs(), _leaf(0.0, 2.0))
    assert gradcheck(lambda x: F.max_pool2d(x.reshape(1, 1, 2, 2), 2), _leaf(1.0, 1.0, 0.5, 0.2))

    class Steep(Function):
        def forward(self, x: Any) -> Any:
            return np.maximum(x, 0)

        def backward(self, grad_y: Any) -> Any:
            return 7 * grad_y

    with pytest.raises(GradcheckError, match=r"index \(0,\)"):
        gradcheck(lambda x: Steep()(x), _leaf(0.0))


def test_curvature_is_not_taken_for_a_kink() -> None:
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: Wrong(lambda g: g + 0.01)(x * 1000), _leaf(0.0, 0.001))


def test_a_gradient_that_changes_is_reported() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(GradcheckError, match="not deterministic"):
        gradcheck(lambda x: Wrong(lambda g: g + rng.standard_normal(g.shape) * 1e-9)(x), _leaf(1.0))


def test_mistakes() -> None:
    with pytest.raises(TypeError, match=r"float64.*x.double\(\)"):
        gradcheck(lambda x: x, minicnn.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradcheck(lambda x: x, minicnn.ones(2))


def test_inputs_are_not_changed() -> None:
    x = _leaf(1.0, 2.0)
    gradcheck(lambda x: x * x, x)
    assert x.tolist() == [1.0, 2.0]
    assert x.grad is None
