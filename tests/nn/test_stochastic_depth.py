"""Stochastic depth: who is dropped, by how much the others grow, and that the mean stays."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.nn import functional as F


def test_a_row_is_dropped_whole_or_scaled_up() -> None:
    minicnn.manual_seed(0)
    x = minicnn.rand(2000, 2, 3, 3) + 1
    ratio = (F.stochastic_depth(x, 0.2, "row") / x).numpy().reshape(2000, -1)
    assert (ratio.max(1) - ratio.min(1)).max() < 1e-6  # one factor for each sample
    assert np.unique(ratio.round(5)).tolist() == pytest.approx([0, 1.25])
    assert (ratio[:, 0] == 0).mean() == pytest.approx(0.2, abs=0.03)
    assert ratio.mean() == pytest.approx(1, abs=0.04)


def test_a_batch_shares_one_draw() -> None:
    minicnn.manual_seed(0)
    x = minicnn.ones(4, 3)
    sums = [F.stochastic_depth(x, 0.5, "batch").sum().item() for _ in range(400)]
    assert set(sums) == {0.0, 24.0}
    assert np.mean(sums) == pytest.approx(12, abs=2)


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_gradient_passes_by_the_same_factors(mode: str) -> None:
    minicnn.manual_seed(1)
    x = minicnn.ones(50, 2, 2, 2, dtype="float64", requires_grad=True)
    y = F.stochastic_depth(x, 0.5, mode)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert y.dtype == minicnn.float64


def test_follows_the_seed() -> None:
    x = minicnn.ones(100, 1)
    minicnn.manual_seed(3)
    a, b = (F.stochastic_depth(x, 0.5, "row") for _ in range(2))
    minicnn.manual_seed(3)
    assert minicnn.equal(a, F.stochastic_depth(x, 0.5, "row"))
    assert not minicnn.equal(a, b)


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_certain_and_impossible_drops(mode: str) -> None:
    x = minicnn.ones(5, 2)
    assert F.stochastic_depth(x, 1.0, mode).abs().sum().item() == 0
    assert F.stochastic_depth(x, 0.0, mode) is x
    assert F.stochastic_depth(minicnn.zeros(0, 3, 4, 4), 0.5, mode).shape == (0, 3, 4, 4)


def test_module_is_the_identity_in_evaluation_and_keeps_no_state() -> None:
    drop = nn.StochasticDepth(0.9, "row")
    x = minicnn.ones(64, 2)
    assert not minicnn.equal(drop(x), x)
    assert drop.eval()(x) is x
    assert not drop.state_dict()


def test_print_and_signature_are_those_of_torchvision() -> None:
    assert repr(nn.StochasticDepth(p=0.2, mode="row")) == "StochasticDepth(p=0.2, mode=row)"
    empty = inspect.Parameter.empty
    of = {
        f: [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
        for f in (F.stochastic_depth, nn.StochasticDepth)
    }
    assert of[nn.StochasticDepth] == [("p", empty), ("mode", empty)]
    assert of[F.stochastic_depth] == [("input", empty), ("p", empty), ("mode", empty), ("training", True)]


@pytest.mark.parametrize(
    ("p", "mode", "says"),
    [(1.5, "row", "between 0 and 1"), (-0.1, "batch", "between 0 and 1"), (0.5, "all", "'batch'.*'row'.*'all'")],
)
def test_bad_arguments(p: float, mode: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        nn.StochasticDepth(p, mode)
    with pytest.raises(ValueError, match=says):
        F.stochastic_depth(minicnn.ones(2), p, mode, training=False)


def test_a_single_number_is_no_batch() -> None:
    with pytest.raises(ValueError, match=r"\(N, \.\.\.\)"):
        F.stochastic_depth(minicnn.tensor(1.0), 0.5, "row")
