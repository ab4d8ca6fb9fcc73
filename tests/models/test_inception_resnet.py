"""Inception-ResNet-v2: blocks, reductions and the network in PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import minicnn
from minicnn import models

from .residual_twin import compare


class Norm(nn.BatchNorm2d):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3)
        self.register_parameter("weight", None)


def conv(inside: int, outside: int, size: Any, stride: int = 1, padding: Any = 0) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, size, stride, padding, bias=False), Norm(outside), nn.ReLU())


class Mixed(nn.Module):
    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class TwinBlock(nn.Module):
    """widths: for each branch, its (channels, kernel height, kernel width) one after the other."""

    def __init__(
        self, channels: int, widths: list[list[tuple[int, int, int]]], scale: float, last: bool = False
    ) -> None:
        super().__init__()
        branches = []
        for branch in widths:
            layers, inside = [], channels
            for width, high, wide in branch:
                layers.append(conv(inside, width, (high, wide), padding=(high // 2, wide // 2)))
                inside = width
            branches.append(layers[0] if len(layers) == 1 else nn.Sequential(*layers))
        self.module = Mixed(*branches)
        self.up = nn.Conv2d(sum(branch[-1][0] for branch in widths), channels, 1)
        self.scale, self.last = scale, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x + self.scale * self.up(self.module(x))
        return y if self.last else y.relu()


def twin_a() -> TwinBlock:
    return TwinBlock(320, [[(32, 1, 1)], [(32, 1, 1), (32, 3, 3)], [(32, 1, 1), (48, 3, 3), (64, 3, 3)]], 0.17)


def twin_b() -> TwinBlock:
    return TwinBlock(1088, [[(192, 1, 1)], [(128, 1, 1), (160, 1, 7), (192, 7, 1)]], 0.1)


def twin_c(last: bool) -> TwinBlock:
    return TwinBlock(2080, [[(192, 1, 1)], [(192, 1, 1), (224, 1, 3), (256, 3, 1)]], 1.0 if last else 0.2, last)


class Twin(nn.Module):
    """One A, one B and two C."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv(3, 32, 3, 2), conv(32, 32, 3), conv(32, 64, 3, 1, 1), nn.MaxPool2d(3, 2),
            conv(64, 80, 1), conv(80, 192, 3), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.mixed_5b = Mixed(
            conv(192, 96, 1),
            nn.Sequential(conv(192, 48, 1), conv(48, 64, 5, 1, 2)),
            nn.Sequential(conv(192, 64, 1), conv(64, 96, 3, 1, 1), conv(96, 96, 3, 1, 1)),
            nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), conv(192, 64, 1)),
        )
        self.blocks_a = nn.Sequential(twin_a())
        self.reduction_a = Mixed(
            conv(320, 384, 3, 2),
            nn.Sequential(conv(320, 256, 1), conv(256, 256, 3, 1, 1), conv(256, 384, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        self.blocks_b = nn.Sequential(twin_b())
        self.reduction_b = Mixed(
            nn.Sequential(conv(1088, 256, 1), conv(256, 384, 3, 2)),
            nn.Sequential(conv(1088, 256, 1), conv(256, 288, 3, 2)),
            nn.Sequential(conv(1088, 256, 1), conv(256, 288, 3, 1, 1), conv(288, 320, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        self.blocks_c = nn.Sequential(twin_c(False), twin_c(True))
        self.conv_7b = conv(2080, 1536, 1)
        self.fc = nn.Linear(1536, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in (self.stem, self.mixed_5b, self.blocks_a, self.reduction_a, self.blocks_b, self.reduction_b):
            x = part(x)
        return self.fc(self.conv_7b(self.blocks_c(x)).mean((2, 3)))


BLOCKS = {
    "A": (models.inception_resnet.block_a, twin_a, 320),
    "B": (models.inception_resnet.block_b, twin_b, 1088),
    "C": (models.inception_resnet.block_c, lambda: twin_c(False), 2080),
    "last C": (lambda: models.inception_resnet.block_c(1.0, False), lambda: twin_c(True), 2080),
}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", BLOCKS)
def test_twin_of_the_block(name: str, train: bool) -> None:
    ours, twin, channels = BLOCKS[name]
    compare(ours(), twin(), (2, channels, 4, 5), train)


@pytest.mark.slow
@pytest.mark.parametrize("train", [True, False])
def test_twin_of_the_network(train: bool) -> None:
    ours = models.InceptionResNetV2(10, dropout=0.0, blocks=(1, 1, 2))
    compare(ours, Twin(), (2, 3, 107, 115), train)


def test_batch_norm_without_scale_starts_anew_without_scale() -> None:
    norm = models.ShiftingBatchNorm2d(3)
    minicnn.nn.init.ones_(norm.bias)
    norm.reset_parameters()
    assert {key: value.tolist() for key, value in norm.state_dict().items()} == {
        "bias": [0, 0, 0],
        "running_mean": [0, 0, 0],
        "running_var": [1, 1, 1],
        "num_batches_tracked": 0,
    }


def test_bad_blocks() -> None:
    with pytest.raises(ValueError, match=r"A, B and C.*\(10, 20, 10\).*\(1, 2\)"):
        models.InceptionResNetV2(blocks=(1, 2))
