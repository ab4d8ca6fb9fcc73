"""Pre-activation ResNets: the blocks and the network in PyTorch, and where Keras strides."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from minicnn import models

from .residual_twin import compare

EPS = 1.001e-5


class TwinBlock(nn.Module):
    def __init__(self, inside: int, width: int, stride: int = 1, project: bool = False) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside, EPS)
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, EPS)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width, EPS)
        self.conv3 = nn.Conv2d(width, 4 * width, 1)
        self.stride = stride
        if project:
            self.shortcut = nn.Conv2d(inside, 4 * width, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.bn1(x).relu()
        y = self.conv3(self.bn3(self.conv2(self.bn2(self.conv1(a)).relu())).relu())
        return y + (self.shortcut(a) if hasattr(self, "shortcut") else x[:, :, :: self.stride, :: self.stride])


class Twin(nn.Module):
    """Two blocks in each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.layer1 = nn.Sequential(TwinBlock(64, 64, project=True), TwinBlock(256, 64, 2))
        self.layer2 = nn.Sequential(TwinBlock(256, 128, project=True), TwinBlock(512, 128, 2))
        self.layer3 = nn.Sequential(TwinBlock(512, 256, project=True), TwinBlock(1024, 256, 2))
        self.layer4 = nn.Sequential(TwinBlock(1024, 512, project=True), TwinBlock(2048, 512))
        self.bn = nn.BatchNorm2d(2048, EPS)
        self.fc = nn.Linear(2048, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.pad(self.conv1(x), (1, 1, 1, 1)), 3, 2)
        x = self.bn(self.layer4(self.layer3(self.layer2(self.layer1(x))))).relu()
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"project": True}, {"project": True, "stride": 2}], ids=str)
def test_twin_of_the_block(options: dict[str, int], train: bool) -> None:
    inside = 10 if "project" in options else 16
    compare(
        models.PreActivationBottleneck(inside, 4, **options), TwinBlock(inside, 4, **options), (3, inside, 5, 6), train
    )


@pytest.mark.slow
@pytest.mark.parametrize("train", [True, False])
def test_twin_of_the_network(train: bool) -> None:
    compare(models.ResNetV2([2, 2, 2, 2], num_classes=10), Twin(), (3, 3, 36, 48), train)


def test_the_last_block_of_a_stage_halves_the_image_and_the_first_projects() -> None:
    model = models.ResNetV2([2, 3, 2, 2], num_classes=2)
    stages = [model.layer1, model.layer2, model.layer3, model.layer4]
    assert [[block.conv2.stride[0] for block in stage] for stage in stages] == [[1, 2], [1, 1, 2], [1, 2], [1, 1]]
    assert [[block.project for block in stage] for stage in stages] == [
        [True, False],
        [True, False, False],
        [True, False],
        [True, False],
    ]


@pytest.mark.parametrize("layers", [[3, 4, 6], [1, 2, 2, 2]])
def test_bad_layers(layers: list[int]) -> None:
    with pytest.raises(ValueError, match=r"four stages.*at least 2.*\[3, 4, 6, 3\]"):
        models.ResNetV2(layers)
