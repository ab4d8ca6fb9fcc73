"""What holds for every model: its size, one training step, sane beginnings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import models, nn, optim

from . import golden
from .page import PAGE, line
from .statistics import initial_statistics
from .table import ROWS
from .test_torchvision_facts import FACTS

LARGE = 2.5e6  # parameters of a model whose tests are slow


def rows() -> list[Any]:
    return [
        pytest.param(row, id=name, marks=[pytest.mark.slow] if row.parameters > LARGE else [])
        for name, row in ROWS.items()
    ]


def test_the_table_has_every_model() -> None:
    assert set(models.list_models()) - {"one_layer"} == set(ROWS)  # that one is the example of register_model


def test_what_torchvision_has_is_counted_as_there() -> None:
    """Their parameters and entries are counted one by one in test_torchvision_facts."""
    for name, facts in FACTS.items():
        assert (ROWS[name].parameters, ROWS[name].entries) == (facts["parameters"], len(facts["state_dict"])), name
        assert ROWS[name].build.image == ROWS[name].image


@pytest.mark.parametrize("row", [row for row in rows() if row.id not in FACTS])
def test_parameters_and_entries(row: Any) -> None:
    model = row.build()
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    statistics = sum(b.numel() for name, b in model.named_buffers() if "running" in name)
    assert (parameters, len(model.state_dict())) == (row.parameters, row.entries)
    if row.with_statistics is not None:
        assert parameters + statistics == row.with_statistics
    assert next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)) == row.image[0]
    assert row.build.image == row.image


@pytest.mark.parametrize("row", rows())
def test_sane_beginnings_and_one_training_step(row: Any) -> None:
    minicnn.manual_seed(0)
    model = row.build(**row.config)
    found = initial_statistics(model, row.small)
    assert found.smallest > 1e-3, found
    assert found.largest < 1e2, found

    optimizer = optim.SGD(model.parameters(), lr=0.01)
    images = minicnn.randn(2, *row.small)
    outputs = list(golden.parts(model(images)))
    loss = sum(nn.functional.cross_entropy(output, minicnn.tensor([0, 1])) for output in outputs)
    loss.backward()
    assert np.isfinite(loss.item())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert np.isfinite(parameter.grad.numpy()).all(), name
    optimizer.step()
    model.eval()
    with minicnn.no_grad():
        first, second = model(images), model(images)
        alone = model(images[:1])
    assert first.shape == (2, row.config["num_classes"])
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    scale = max(1.0, float(first.abs().max()))
    np.testing.assert_allclose(alone.numpy(), first[:1].numpy(), rtol=1e-3, atol=1e-3 * scale)


def test_the_page_of_models_is_up_to_date() -> None:
    lines = PAGE.read_text().splitlines()
    for name, row in ROWS.items():
        size = " x ".join(map(str, row.image))
        assert any(text.startswith(f"| `{name}` | {size} | {row.parameters:,} | ") for text in lines), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "googlenet", "mobilenet_v2", "resnet20", "nasnet_a_mobile", "lenet5"])
def test_the_page_states_what_a_summary_counts(name: str) -> None:
    assert line(ROWS[name]) in PAGE.read_text().splitlines()
