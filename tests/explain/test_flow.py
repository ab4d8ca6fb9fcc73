"""Gradient flow and activation statistics against PyTorch's hooks and NumPy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn, optim
from minicnn.explain import (
    ActivationRow,
    ActivationStats,
    FlowRow,
    GradientFlow,
    activation_stats,
    gradient_flow,
)


def layers(library: Any) -> list[Any]:
    n = library.nn
    return [
        n.Conv2d(2, 4, 3), n.BatchNorm2d(4), n.ReLU(inplace=True), n.Dropout(0.0), n.MaxPool2d(2),
        n.Flatten(), n.Linear(36, 6), n.Tanh(), n.Linear(6, 3),
    ]  # fmt: skip


def pair() -> tuple[Any, Any, Any, Any]:
    """The same network here and in PyTorch, with a batch of both kinds."""
    minicnn.manual_seed(0)
    ours = nn.Sequential(*layers(minicnn)).double()
    theirs = torch.nn.Sequential(*layers(torch)).double()
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()})
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 2, 8, 8)), rng.integers(0, 3, 5)
    return ours, theirs, x, y


def rms(t: Any) -> float:
    return float(t.detach().square().mean().sqrt())


def test_norms_and_updates_are_those_of_pytorch() -> None:
    ours, theirs, x, y = pair()
    optimizer = optim.SGD(ours.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    reference = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    flow = gradient_flow(ours, (minicnn.tensor(x), minicnn.tensor(y)), optimizer=optimizer)

    outputs, gradients = [], {}
    for number, layer in enumerate(theirs):

        def hook(layer: Any, args: Any, out: Any, number: int = number) -> None:
            outputs.append(rms(out))
            if out.requires_grad:
                out.register_hook(lambda g: gradients.update({number: rms(g)}))

        layer.register_forward_hook(hook)
    before = copy.deepcopy(list(theirs.parameters()))
    loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
    loss.backward()
    reference.step()

    assert isinstance(flow, GradientFlow)
    assert all(isinstance(row, FlowRow) for row in flow.rows)
    assert flow.loss == pytest.approx(loss.item(), rel=1e-9)
    np.testing.assert_allclose(flow.outputs, outputs, rtol=1e-9)
    np.testing.assert_allclose(flow.gradients, [gradients[i] for i in range(9)], rtol=1e-9)
    for row, (weight, old) in zip(flow.learning, list(zip(theirs.parameters(), before, strict=True))[::2], strict=True):
        assert row.weight == pytest.approx(old.norm().item(), rel=1e-9)
        assert row.weight_gradient == pytest.approx(weight.grad.norm().item(), rel=1e-9)
        assert row.update == pytest.approx(((weight - old).norm() / old.norm()).item(), rel=1e-9)
    assert [row.path for row in flow.learning] == ["0", "1", "6", "8"]
    assert flow.ratio == pytest.approx(gradients[0] / gradients[8])


def test_the_model_its_gradients_and_the_optimiser_are_left_as_they_were() -> None:
    model, _, x, y = pair()
    model.eval()
    optimizer = optim.Adam(model.parameters())
    model(minicnn.tensor(x)).sum().backward()
    optimizer.step()
    state, adam = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())
    grads = [p.grad.numpy().copy() for p in model.parameters()]
    given = minicnn.tensor(x)
    gradient_flow(model, (given, minicnn.tensor(y)), optimizer=optimizer)
    activation_stats(model, given)
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key].numpy())
    for p, g in zip(model.parameters(), grads, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g)
    now = optimizer.state_dict()
    assert all(now["state"][0][k].tolist() == v.tolist() for k, v in adam["state"][0].items())
    np.testing.assert_array_equal(given.numpy(), x)
    assert not model.training
    assert not any(m._forward_hooks for m in model.modules())


def test_a_gradient_that_vanishes_is_told() -> None:
    model = nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Sigmoid())], nn.Linear(8, 2))
    flow = gradient_flow(model, (minicnn.randn(4, 8), minicnn.tensor([0, 1, 0, 1])), lr=0.1)
    assert flow.ratio < 1e-3
    assert "it vanishes." in str(flow)
    assert "Update/weight" in str(flow)


def test_frozen_and_unused_layers_have_no_numbers_of_weights() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    flow = gradient_flow(model, (minicnn.randn(3, 4), minicnn.tensor([0, 1, 0])), lr=0.1)
    assert [row.weight is None for row in flow.rows] == [True, False]
    assert flow.rows[0].gradient > 0
    assert np.isnan(flow.updates[0])


def test_a_shared_layer_has_a_row_for_each_call() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 4), relu, nn.Identity(), nn.Linear(4, 4), relu)
    flow = gradient_flow(model, minicnn.randn(3, 4), lambda y: y.square().mean())
    assert [(row.path, row.call) for row in flow.rows] == [("0", 1), ("1", 1), ("3", 1), ("1", 2)]
    assert "1 (call 2)" in str(flow)


def test_the_figure_draws_the_numbers() -> None:
    model, _, x, y = pair()
    flow = gradient_flow(model, (minicnn.tensor(x), minicnn.tensor(y)), lr=0.1)
    figure = flow.figure()
    assert len(figure.axes) == 3
    for ax, values in zip(figure.axes, (flow.outputs, flow.gradients, flow.updates), strict=True):
        np.testing.assert_array_equal(ax.lines[-1].get_ydata(), values[np.isfinite(values)])
        assert ax.get_yscale() == "log"
    assert [t.get_text() for t in figure.axes[-1].get_xticklabels()][:2] == ["0 Conv2d", "1 BatchNorm2d"]
    assert len(gradient_flow(model, (minicnn.tensor(x), minicnn.tensor(y))).figure().axes) == 2
    assert flow._repr_html_().count("<img") == 1


def test_statistics_are_those_of_numpy() -> None:
    model, theirs, x, _ = pair()
    stats = activation_stats(model, minicnn.tensor(x), mode="train")
    assert isinstance(stats, ActivationStats)
    assert all(isinstance(row, ActivationRow) for row in stats.rows)
    t = torch.from_numpy(x)
    for row, layer in zip(stats.rows, theirs, strict=True):
        t = layer(t)
        y = t.detach().numpy().copy()
        assert row.shape == y.shape
        assert row.mean == pytest.approx(y.mean(), abs=1e-12)
        assert row.std == pytest.approx(y.std(), rel=1e-9)
        np.testing.assert_allclose(
            row.percentiles, np.percentile(y, (0, 1, 25, 50, 75, 99, 100)), rtol=1e-9, atol=1e-12
        )
        if row.type == "Tanh":
            assert row.saturated == pytest.approx(np.mean(np.abs(y) > 0.98))
    relu, pool = stats.rows[2], stats.rows[4]
    assert relu.dead == 0
    assert pool.dead is None
    assert 0.3 < relu.zeros < 0.7
    figure = stats.figure()
    heights = [bar.get_height() for bar in figure.axes[1].containers[0]]
    np.testing.assert_allclose(heights, [100 * row.zeros for row in stats.rows])


def test_dead_units_are_counted() -> None:
    conv = nn.Conv2d(1, 3, 1)
    conv.weight.data, conv.bias.data = minicnn.ones(3, 1, 1, 1), minicnn.tensor([-10.0, 0.0, -10.0])
    stats = activation_stats(nn.Sequential(conv, nn.ReLU()), minicnn.rand(2, 1, 4, 4))
    assert stats.rows[1].dead == 2
    assert stats.dead == 2
    assert stats.rows[1].zeros == pytest.approx(2 / 3, abs=0.05)
    assert "2 of 3" in str(stats)
    bars = stats.figure().axes[1].containers[1]
    assert bars[1].get_height() == pytest.approx(200 / 3)


def test_an_image_alone_is_a_batch_of_one() -> None:
    ours, _, x, y = pair()
    image, label = minicnn.tensor(x[0]), int(y[0])
    stats, of_batch = activation_stats(ours, image), activation_stats(ours, image.unsqueeze(0))
    assert (stats.images, stats.rows[2].units) == (1, 4)
    assert stats.rows == of_batch.rows
    expected = gradient_flow(ours, (image.unsqueeze(0), minicnn.tensor([label])), mode="eval")
    for one in (label, minicnn.tensor(label)):
        assert gradient_flow(ours, (image, one), mode="eval").rows == expected.rows
