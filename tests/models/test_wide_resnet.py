"""Wide ResNets: the same network in PyTorch, the number of parameters, and dropout."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

import minicnn
from minicnn import models

from .residual_twin import compare


class TwinBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        if inside != outside:
            self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.bn1(x).relu()
        y = self.conv2(self.bn2(self.conv1(a)).relu())
        return y + (self.shortcut(a) if hasattr(self, "shortcut") else x)


class Twin(nn.Module):
    """WRN-16-2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.layer1 = nn.Sequential(TwinBlock(16, 32, 1), TwinBlock(32, 32, 1))
        self.layer2 = nn.Sequential(TwinBlock(32, 64, 2), TwinBlock(64, 64, 1))
        self.layer3 = nn.Sequential(TwinBlock(64, 128, 2), TwinBlock(128, 128, 1))
        self.bn = nn.BatchNorm2d(128)
        self.fc = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.layer3(self.layer2(self.layer1(self.conv1(x))))).relu()
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_twin(train: bool) -> None:
    compare(models.WideResNet(16, 2), Twin(), (3, 3, 9, 12), train)


def formula(depth: int, k: int) -> int:
    """Convolutions, batch norms, and the fully connected layer, stage by stage."""
    n = (depth - 4) // 6
    widths = [16, 16 * k, 32 * k, 64 * k]
    total = 3 * 9 * 16
    for narrow, wide in pairwise(widths):
        total += 9 * narrow * wide + (2 * n - 1) * 9 * wide * wide + narrow * wide  # convolutions, with the shortcut's
        total += 2 * narrow + (2 * n - 1) * 2 * wide  # batch norms
    return total + 2 * widths[-1] + widths[-1] * 10 + 10


@pytest.mark.parametrize(("depth", "k"), [(10, 2), (16, 4), (22, 2)])
def test_parameters_follow_the_formula(depth: int, k: int) -> None:
    assert sum(p.numel() for p in models.WideResNet(depth, k).parameters()) == formula(depth, k)


def test_the_formula_gives_the_number_in_the_paper() -> None:
    assert formula(28, 10) == 36_479_194  # 36.5 M in table 4
    assert round(formula(40, 4) / 1e6, 1) == 8.9  # the same table
    assert round(formula(16, 8) / 1e6, 1) == 11.0


def test_depth_counts_all_convolutions() -> None:
    model = models.WideResNet(28, 2)
    assert sum(isinstance(m, minicnn.nn.Conv2d) for m in model.modules()) == 28


def test_dropout_works_in_training_alone() -> None:
    minicnn.manual_seed(0)
    model, x = models.WideResNet(10, 1, dropout=0.3), minicnn.randn(2, 3, 8, 8)
    assert [m.p for m in model.modules() if isinstance(m, minicnn.nn.Dropout)] == [0.3] * 3
    assert not minicnn.equal(model(x), model(x))
    model.eval()
    assert minicnn.equal(model(x), model(x))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"6n \+ 4.*10, 16, 22.*27"):
        models.WideResNet(27, 10)
    with pytest.raises(ValueError, match=r"widen_factor.*0\.5"):
        models.WideResNet(28, 0.5)
    with pytest.raises(ValueError, match=r"between 0 and 1.*1\.5"):
        models.wide_resnet28_10(dropout=1.5)
