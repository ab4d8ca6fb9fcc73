"""Initial values: bounds, moments and fans, and the defaults of layers drawn as PyTorch draws them."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn
from minicnn.nn import init

WEIGHT = (64, 32, 3, 3)  # fan_in 288, fan_out 576


def values(name: str, *args: Any, shape: tuple[int, ...] = WEIGHT, **kwargs: Any) -> np.ndarray:
    minicnn.manual_seed(1)
    t = getattr(init, name)(minicnn.empty(*shape), *args, **kwargs)
    return t.numpy().astype(np.float64)


@pytest.mark.parametrize(
    ("name", "args", "bound"),
    [
        ("uniform_", (-0.5, 0.5), 0.5),
        ("xavier_uniform_", (), math.sqrt(6 / (288 + 576))),
        ("xavier_uniform_", (2.0,), 2 * math.sqrt(6 / (288 + 576))),
        ("kaiming_uniform_", (), math.sqrt(2) * math.sqrt(3 / 288)),
        ("kaiming_uniform_", (math.sqrt(5),), 1 / math.sqrt(288)),
        ("kaiming_uniform_", (0, "fan_out", "relu"), math.sqrt(2) * math.sqrt(3 / 576)),
        ("kaiming_uniform_", (0, "fan_in", "tanh"), 5 / 3 * math.sqrt(3 / 288)),
    ],
)
def test_uniform_distributions(name: str, args: tuple[Any, ...], bound: float) -> None:
    v = values(name, *args)
    assert -bound <= v.min() < -0.99 * bound
    assert 0.99 * bound < v.max() <= bound
    assert abs(v.mean()) < 0.02 * bound
    assert v.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("name", "args", "mean", "std"),
    [
        ("normal_", (3.0, 0.5), 3.0, 0.5),
        ("xavier_normal_", (), 0, math.sqrt(2 / (288 + 576))),
        ("kaiming_normal_", (), 0, math.sqrt(2 / 288)),
        ("kaiming_normal_", (0.2,), 0, math.sqrt(2 / 1.04 / 288)),
        ("kaiming_normal_", (0, "fan_out", "relu"), 0, math.sqrt(2 / 576)),
    ],
)
def test_normal_distributions(name: str, args: tuple[Any, ...], mean: float, std: float) -> None:
    v = values(name, *args)
    assert v.mean() == pytest.approx(mean, abs=0.02 * std)
    assert v.std() == pytest.approx(std, rel=0.02)
    assert ((v - mean) ** 4).mean() / std**4 == pytest.approx(3, rel=0.1)  # the normal distribution's kurtosis


def test_truncated_normal() -> None:
    v = values("trunc_normal_", 0.1, 1.0, -0.5, 2.0)
    assert v.min() >= -0.5
    assert v.max() <= 2
    minus, plus = -0.6, 1.9  # the bounds, standardised
    density = [math.exp(-z * z / 2) / math.sqrt(2 * math.pi) for z in (minus, plus)]
    mass = 0.5 * (math.erf(plus / math.sqrt(2)) - math.erf(minus / math.sqrt(2)))
    assert v.mean() == pytest.approx(0.1 + (density[0] - density[1]) / mass, abs=0.02)
    with pytest.warns(UserWarning, match="more than 2 std"):
        far = values("trunc_normal_", 10.0, 1.0, -1.0, 1.0, shape=(4,))
    assert abs(far).max() <= 1
    with pytest.raises(ValueError, match="smaller than b"):
        values("trunc_normal_", 0.0, 1.0, 2.0, 1.0)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (8, 2, 3, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    m = values("orthogonal_", 2.0, shape=shape).reshape(shape[0], -1)
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 4, 3, 3), (6, 2, 3, 5), (4, 8, 3), (2, 2, 1, 1, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_as_torch(shape: tuple[int, ...], groups: int) -> None:
    expected = torch.nn.init.dirac_(torch.empty(*shape), groups).numpy()
    np.testing.assert_array_equal(values("dirac_", groups, shape=shape), expected)


def test_constants_and_sparse() -> None:
    np.testing.assert_array_equal(values("eye_", shape=(2, 3)), np.eye(2, 3))
    assert (values("constant_", 0.3) == np.float32(0.3)).all()
    assert (values("ones_") == 1).all()
    assert (values("zeros_") == 0).all()
    sparse = values("sparse_", 0.25, 0.5, shape=(8, 100))
    assert ((sparse == 0).sum(0) == 2).all()
    assert sparse[sparse != 0].std() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("name", init.__all__)
def test_signature(name: str) -> None:
    ours = inspect.signature(getattr(init, name)).parameters
    theirs = inspect.signature(getattr(torch.nn.init, name)).parameters
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


@pytest.mark.parametrize(
    ("nonlinearity", "param"),
    [("linear", None), ("conv2d", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("selu", None),
     ("leaky_relu", None), ("leaky_relu", 0.2)],
)  # fmt: skip
def test_gain_as_torch(nonlinearity: str, param: float | None) -> None:
    assert init.calculate_gain(nonlinearity, param) == torch.nn.init.calculate_gain(nonlinearity, param)


def test_the_generator_decides() -> None:
    a = init.normal_(minicnn.empty(5), generator=minicnn.Generator().manual_seed(4))
    minicnn.manual_seed(9)
    b = init.normal_(minicnn.empty(5), generator=minicnn.Generator().manual_seed(4))
    assert minicnn.equal(a, b)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda: nn.Conv2d(16, 64, 5), 16 * 25),
        (lambda: nn.Conv2d(16, 64, 5, groups=4), 4 * 25),
        (lambda: nn.ConvTranspose2d(64, 16, 5), 16 * 25),
        (lambda: nn.Linear(100, 500), 100),
    ],
    ids=["conv", "grouped", "transposed", "linear"],
)
def test_defaults_of_layers_follow_the_fan(layer: Any, fan_in: int) -> None:
    minicnn.manual_seed(0)
    made = [layer() for _ in range(10)]
    bound = 1 / math.sqrt(fan_in)
    for name in ("weight", "bias"):
        v = np.concatenate([getattr(m, name).detach().numpy().ravel() for m in made]).astype(np.float64)
        assert abs(v).max() <= bound * (1 + 1e-6)
        assert abs(v).max() > 0.95 * bound
        assert v.std() == pytest.approx(bound / math.sqrt(3), rel=0.08)


def test_defaults_are_distributed_as_those_of_torch() -> None:
    torch.manual_seed(0)
    minicnn.manual_seed(0)
    for name, args in (("Conv2d", (8, 16, 3)), ("Linear", (50, 60)), ("ConvTranspose2d", (8, 16, 3))):
        ours = getattr(nn, name)(*args).weight.detach().numpy().ravel()
        theirs = getattr(torch.nn, name)(*args).weight.detach().numpy().ravel()
        np.testing.assert_allclose(
            np.quantile(ours, np.linspace(0, 1, 11)),
            np.quantile(theirs, np.linspace(0, 1, 11)),
            atol=0.1 * theirs.max(),
        )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: init.xavier_uniform_(minicnn.empty(3)), "at least 2 dimensions"),
        (lambda: init.eye_(minicnn.empty(3)), "expected a matrix"),
        (lambda: init.sparse_(minicnn.empty(3), 0.1), "expected a matrix"),
        (lambda: init.dirac_(minicnn.empty(3, 3)), "3, 4 or 5 dimensions"),
        (lambda: init.dirac_(minicnn.empty(3, 3, 1), 2), "divisible by groups=2"),
        (lambda: init.orthogonal_(minicnn.empty(3)), "at least 2 dimensions"),
        (lambda: init.kaiming_normal_(minicnn.empty(3, 3), mode="fan"), "'fan_in' or 'fan_out'"),
        (lambda: init.calculate_gain("gelu"), "no gain is known for 'gelu'"),
        (lambda: init.calculate_gain("leaky_relu", True), "must be a number"),
    ],
)
def test_mistakes(call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
