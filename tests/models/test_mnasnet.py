"""MNASNet against PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn

from .residual_twin import compare

t = torch.nn
norm = partial(t.BatchNorm2d, momentum=0.0003)


class TorchBlock(t.Module):
    def __init__(self, inp: int, oup: int, kernel: int, stride: int, ratio: int) -> None:
        super().__init__()
        c = inp * ratio
        self.residual = inp == oup and stride == 1
        self.layers = t.Sequential(
            *(t.Conv2d(inp, c, 1, bias=False), norm(c), t.ReLU()),
            *(t.Conv2d(c, c, kernel, stride, kernel // 2, groups=c, bias=False), norm(c), t.ReLU()),
            *(t.Conv2d(c, oup, 1, bias=False), norm(oup)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class TorchMNASNet(t.Module):
    """The table of B1 a quarter as wide, rounded to multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[Any] = [t.Conv2d(3, 8, 3, 2, 1, bias=False), norm(8), t.ReLU()]
        layers += [t.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), norm(8), t.ReLU()]
        layers += [t.Conv2d(8, 8, 1, bias=False), norm(8)]
        table = [
            (8, 3, 2, 3, 3),
            (16, 5, 2, 3, 3),
            (24, 5, 2, 6, 3),
            (24, 3, 1, 6, 2),
            (48, 5, 2, 6, 4),
            (80, 3, 1, 6, 1),
        ]
        c = 8
        for oup, kernel, stride, ratio, blocks in table:
            stack = [TorchBlock(c, oup, kernel, stride, ratio)]
            layers.append(t.Sequential(*stack, *(TorchBlock(oup, oup, kernel, 1, ratio) for _ in range(blocks - 1))))
            c = oup
        self.layers = t.Sequential(*layers, t.Conv2d(80, 1280, 1, bias=False), norm(1280), t.ReLU())
        self.classifier = t.Sequential(t.Identity(), t.Linear(1280, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.layers(x).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_mnasnet_is_pytorchs(train: bool) -> None:
    compare(models.MNASNet(0.25, 5, dropout=0.0), TorchMNASNet(), (2, 3, 64, 70), train)


def test_beginnings() -> None:
    minicnn.manual_seed(0)
    model = models.mnasnet1_0(num_classes=100)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 1000:
            fan_out = module.weight.shape[0] * int(np.prod(module.kernel_size))
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.15)
    weight, bias = model.classifier[1].weight, model.classifier[1].bias
    assert weight.abs().max().item() == pytest.approx((3 / 100) ** 0.5, rel=0.01)
    assert weight.std().item() == pytest.approx((1 / 100) ** 0.5, rel=0.02)
    assert not bias.any()


def test_dropout() -> None:
    assert models.mnasnet0_5(dropout=0.4).classifier[0].p == 0.4


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan"), "1"])
def test_mistakes(alpha: Any) -> None:
    with pytest.raises(ValueError, match=r"MNASNet: alpha multiplies .* positive number"):
        models.MNASNet(alpha)
