"""CIFAR ResNets: the same network in PyTorch, shortcuts, and trained weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import minicnn
from minicnn import models

from ..real_data import real_data
from .residual_twin import compare


class TwinBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, shortcut: str | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.option = shortcut
        if shortcut == "B" and inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.option is None:
            return y.relu()
        if x.shape == y.shape:
            return (x + y).relu()
        if self.option == "B":
            return (self.shortcut(x) + y).relu()
        quarter = torch.zeros(y.shape[0], y.shape[1] // 4, *y.shape[2:], dtype=y.dtype)
        return (torch.cat([quarter, x[:, :, ::2, ::2], quarter], 1) + y).relu()


class Twin(nn.Module):
    """Depth 14."""

    def __init__(self, shortcut: str | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(TwinBlock(16, 16, 1, shortcut), TwinBlock(16, 16, 1, shortcut))
        self.layer2 = nn.Sequential(TwinBlock(16, 32, 2, shortcut), TwinBlock(32, 32, 1, shortcut))
        self.layer3 = nn.Sequential(TwinBlock(32, 64, 2, shortcut), TwinBlock(64, 64, 1, shortcut))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
        return self.linear(x.mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("shortcut", ["A", "B", None])
def test_twin(shortcut: str | None, train: bool) -> None:
    compare(models.CifarResNet(14, shortcut=shortcut), Twin(shortcut), (3, 3, 11, 14), train)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_parameters_follow_the_formula(n: int) -> None:
    """The first convolution, 2n convolutions in each stage, and the fully connected layer."""
    first = 3 * 16 * 9 + 2 * 16
    stages = sum(2 * n * (c * c * 9 + 2 * c) for c in (16, 32, 64)) - 16 * 32 * 9 - 32 * 64 * 9  # a narrower input each
    expected = first + stages + 64 * 10 + 10
    count = {
        option: sum(p.numel() for p in models.CifarResNet(6 * n + 2, shortcut=option).parameters())
        for option in ("A", "B", None)
    }
    assert count["A"] == count[None] == expected
    assert count["B"] == expected + 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def test_depth_counts_the_layers_from_image_to_output() -> None:
    """Shortcuts, which are beside the way, do not count."""
    model = models.resnet32()
    layers = [m for m in model.modules() if isinstance(m, (minicnn.nn.Conv2d, minicnn.nn.Linear))]
    assert len(layers) == 32


@pytest.mark.parametrize("depth", [2, 7, 21])
def test_impossible_depth(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"6n \+ 2.*8, 14, 20.*{depth}"):
        models.CifarResNet(depth)


def test_unknown_shortcut() -> None:
    with pytest.raises(ValueError, match=r"'A'.*'B'.*None.*'C'"):
        models.CifarBlock(16, 16, shortcut="C")


@pytest.mark.parametrize(("name", "file"), [("resnet20", "resnet20-12fca82f.th"), ("resnet56", "resnet56-4bfd9763.th")])
def test_trained_weights_fit(name: str, file: str) -> None:
    """Legacy PyTorch files; what they hold arrives, whatever the keys are called there."""
    path = real_data("weights") / file
    model = models.get_model(name, weights=path)
    stored = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    state = model.state_dict()
    assert {f"module.{key}" for key in state if "num_batches" not in key} == set(stored)
    for key, value in stored.items():
        np.testing.assert_array_equal(state[key.removeprefix("module.")].numpy(), value.numpy())
