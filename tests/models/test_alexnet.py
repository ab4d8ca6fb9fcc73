"""AlexNet against PyTorch; the paper's response normalisation, sizes and initial weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn

from .maps import sides
from .residual_twin import compare


def torch_classifier(hidden: int, first: bool) -> torch.nn.Sequential:
    """With dropout (here Identity) before the hidden layers, or behind them."""
    dense = [torch.nn.Linear(9216, hidden), torch.nn.ReLU()], [torch.nn.Linear(hidden, hidden), torch.nn.ReLU()]
    dropout = [torch.nn.Identity()]
    order = [*dropout, *dense[0], *dropout, *dense[1]] if first else [*dense[0], *dropout, *dense[1], *dropout]
    return torch.nn.Sequential(*order, torch.nn.Linear(hidden, 3))


class TorchPaperNorm(torch.nn.Module):
    """Section 3.3: b_i = a_i / (2 + 1e-4 * sum of a_j^2, j = i - 2 .. i + 2)^0.75."""

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        squares = torch.nn.functional.pad(a**2, (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, i : i + a.shape[1]] for i in range(5))
        return a / (2 + 1e-4 * total) ** 0.75


class TorchAlexNet(torch.nn.Module):
    def __init__(self, features: list[torch.nn.Module], dropout_first: bool) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(*features)
        self.classifier = torch_classifier(8, dropout_first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.adaptive_avg_pool2d(self.features(x), (6, 6))
        return self.classifier(torch.flatten(x, 1))


def one_gpu() -> TorchAlexNet:
    t = torch.nn
    widths = [(64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3)]
    later = [[t.Conv2d(a, b, k, padding=k // 2), t.ReLU()] for a, b, k in widths]
    first = [t.Conv2d(3, 64, 11, 4, 2), t.ReLU(), t.MaxPool2d(3, 2)]
    return TorchAlexNet(
        [*first, *later[0], t.MaxPool2d(3, 2), *later[1], *later[2], *later[3], t.MaxPool2d(3, 2)], True
    )


def paper(groups: int) -> TorchAlexNet:
    t = torch.nn
    widths = [(96, 256, 5, groups), (256, 384, 3, 1), (384, 384, 3, groups), (384, 256, 3, groups)]
    later = [[t.Conv2d(a, b, k, padding=k // 2, groups=g), t.ReLU()] for a, b, k, g in widths]
    first = [t.Conv2d(3, 96, 11, 4), t.ReLU(), TorchPaperNorm(), t.MaxPool2d(3, 2)]
    second = [*later[0], TorchPaperNorm(), t.MaxPool2d(3, 2)]
    return TorchAlexNet([*first, *second, *later[1], *later[2], *later[3], t.MaxPool2d(3, 2)], False)


@pytest.mark.slow
def test_alexnet_as_in_pytorch() -> None:
    model = models.alexnet(num_classes=3, dropout=0.0)
    model.classifier[1], model.classifier[4], model.classifier[6] = nn.Linear(9216, 8), nn.Linear(8, 8), nn.Linear(8, 3)
    compare(model, one_gpu(), (2, 3, 70, 63), train=True)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_papers_alexnet_as_in_pytorch(groups: int) -> None:
    model = models.alexnet_2012(num_classes=3, dropout=0.0, groups=groups, hidden_features=8)
    compare(model, paper(groups), (2, 3, 67, 80), train=True)


def test_response_normalisation_is_the_papers_and_not_pytorchs() -> None:
    norm = next(m for m in models.alexnet_2012(hidden_features=1).modules() if isinstance(m, nn.LocalResponseNorm))
    a = np.random.default_rng(0).normal(0, 100, (2, 7, 3, 3))  # large, so that the sum counts
    ours = norm(minicnn.tensor(a)).numpy()
    np.testing.assert_allclose(ours, TorchPaperNorm()(torch.tensor(a)).numpy(), rtol=1e-12)
    theirs = torch.nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)(torch.tensor(a)).numpy()
    assert np.abs(ours - theirs).max() > 1


def test_sizes_are_the_papers() -> None:
    model = models.alexnet_2012(hidden_features=1)
    assert sides(model, (3, 227, 227), nn.Conv2d, nn.MaxPool2d) == [55, 27, 27, 13, 13, 13, 13, 6]


def test_initial_weights_are_the_papers() -> None:
    minicnn.manual_seed(0)
    model = models.alexnet_2012(hidden_features=32)
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        assert abs(float(layer.weight.mean())) < 5e-4
        assert abs(float(layer.weight.std()) - 0.01) < 5e-4
    biases = [set(layer.bias.detach().numpy().tolist()) for layer in layers]
    assert biases == [{0.0}, {1.0}, {0.0}, {1.0}, {1.0}, {1.0}, {1.0}, {0.0}]


@pytest.mark.parametrize("build", [models.alexnet_2012, models.alexnet_one_tower])
def test_arguments(build: Any) -> None:
    model = build(num_classes=4, dropout=0.3, hidden_features=2, in_channels=1)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.3, 0.3]
    assert model.eval()(minicnn.zeros(1, 1, 67, 67)).shape == (1, 4)


def test_one_tower_has_no_groups() -> None:
    for build, groups in ((models.alexnet_one_tower, [1] * 5), (models.alexnet_2012, [1, 2, 1, 2, 2])):
        model = build(hidden_features=1)
        assert [m.groups for m in model.modules() if isinstance(m, nn.Conv2d)] == groups


def test_too_small_an_image() -> None:
    with pytest.raises(ValueError, match="67 x 67"):
        models.alexnet_2012(hidden_features=1)(minicnn.zeros(1, 3, 66, 66))
