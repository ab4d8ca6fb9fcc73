"""The learning-rate range test."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim, train
from minicnn.data import DataLoader
from minicnn.train import LRFindResult

from .toys import images, net, weights


def state(model: nn.Module, optimizer: Any) -> Any:
    return weights(model), repr(optimizer.state_dict()), minicnn.get_rng_state()


def test_everything_is_as_it_was() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    data = DataLoader(images(), batch_size=8, shuffle=True, generator=minicnn.Generator().manual_seed(1))
    train.fit(model, data, optimizer=optimizer, epochs=1)
    model[1].eval()
    before, order = copy.deepcopy(state(model, optimizer)), data.state_dict()
    found = train.lr_find(model, data, optimizer, num_steps=30)
    assert state(model, optimizer) == before
    assert data.state_dict() == order
    assert [m.training for m in model] == [True, False, True, True, True, True]
    assert isinstance(found, LRFindResult)
    assert train.lr_find(model, data, optimizer, num_steps=30).losses == found.losses


def test_the_rates_and_where_it_ends() -> None:
    x = minicnn.ones(1, 1)
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    found = train.lr_find(
        model, [(x, minicnn.zeros(1, 1))], optimizer, loss=nn.MSELoss(), start_lr=1e-4, end_lr=100, num_steps=60
    )
    np.testing.assert_allclose(found.lrs, np.geomspace(1e-4, 100, 60)[: len(found.lrs)])
    w, losses = 1.0, []  # loss = w^2, and a step makes w*(1 - 2*lr) of w
    for lr in found.lrs:
        losses.append(w * w)
        w *= 1 - 2 * lr
    np.testing.assert_allclose(found.losses, losses, rtol=1e-4, atol=1e-12)
    assert len(found.lrs) < 60  # above 1 it diverges
    assert found.smoothed[0] == pytest.approx(1.0)
    assert 0.001 < found.suggestion < 0.5
    assert "suggestion=" in repr(found)


def test_groups_keep_their_ratio_and_the_data_may_be_short() -> None:
    model = net()
    groups = [{"params": list(model[0].parameters()), "lr": 0.1}, {"params": list(model[5].parameters()), "lr": 0.01}]
    optimizer = optim.SGD(groups, lr=1.0)
    seen = []
    step = optimizer.step

    def noting() -> None:
        seen.append([group["lr"] for group in optimizer.param_groups])
        step()

    optimizer.step = noting  # type: ignore[method-assign,assignment]
    train.lr_find(model, DataLoader(images(8), batch_size=4), optimizer, num_steps=10, end_lr=1e-3)
    assert len(seen) == 10
    assert all(b == pytest.approx(0.1 * a) for a, b in seen)


def test_the_figure(tmp_path: Path) -> None:
    found = LRFindResult([1e-3, 1e-2, 1e-1, 1.0], [2.0, 1.5, 0.5, 3.0], smoothing=0.0)
    assert found.suggestion == 1e-1
    figure = found.plot()
    assert figure.axes[0].get_xscale() == "log"
    figure.savefig(tmp_path / "a.png")
    assert LRFindResult([0.1, 1.0, 10.0], [1.0, 2.0, 3.0], smoothing=0.0).suggestion is None


def test_wrong_arguments() -> None:
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    data = [(minicnn.ones(1, 1), minicnn.zeros(1, 1))]
    for options, says in (
        ({"start_lr": 1.0, "end_lr": 0.1}, "0 < start_lr < end_lr"),
        ({"num_steps": 3}, "from 10 on"),
        ({"smoothing": 1.0}, "less than 1"),
    ):
        with pytest.raises(ValueError, match=says):
            train.lr_find(model, data, optimizer, loss=nn.MSELoss(), **options)
    with pytest.raises(ValueError, match="no batch"):
        train.lr_find(model, [], optimizer)
    broken = [(minicnn.full((1, 1), float("nan")), minicnn.zeros(1, 1))]
    with pytest.raises(ValueError, match="finite"):
        train.lr_find(model, broken, optimizer, loss=nn.MSELoss())
