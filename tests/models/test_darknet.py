"""Darknet-19 and -53 against PyTorch, and the operations that their papers count."""

from __future__ import annotations

import pytest
import torch

import minicnn
from minicnn import models, nn

from .multiplications import multiplications
from .residual_twin import compare


def torch_conv(channels: int, width: int, kernel: int, stride: int = 1) -> torch.nn.Module:
    t = torch.nn
    conv = t.Conv2d(channels, width, kernel, stride, (kernel - 1) // 2, bias=False)
    return t.Sequential(conv, t.BatchNorm2d(width), t.LeakyReLU(0.1))


class TorchResidual(torch.nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = torch_conv(channels, channels // 2, 1)
        self.conv2 = torch_conv(channels // 2, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(self.conv1(x)) + x


class TorchDarknet53(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        t = torch.nn
        stage1 = t.Sequential(torch_conv(32, 64, 3, 2), TorchResidual(64))
        stage2 = t.Sequential(torch_conv(64, 128, 3, 2), TorchResidual(128), TorchResidual(128))
        self.features = t.Sequential(torch_conv(3, 32, 3), stage1, stage2)
        self.classifier = t.Sequential(t.AdaptiveAvgPool2d(1), t.Flatten(), t.Linear(128, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x))


class TorchDarknet19(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        t = torch.nn
        self.features = t.Sequential(
            t.Sequential(torch_conv(3, 32, 3)),
            t.Sequential(t.MaxPool2d(2), torch_conv(32, 64, 3)),
            t.Sequential(t.MaxPool2d(2), torch_conv(64, 128, 3), torch_conv(128, 64, 1), torch_conv(64, 128, 3)),
            t.Sequential(t.MaxPool2d(2), torch_conv(128, 256, 3), torch_conv(256, 128, 1), torch_conv(128, 256, 3)),
            t.Sequential(t.MaxPool2d(2), torch_conv(256, 512, 3), *self.bottlenecks(512)),
            t.Sequential(t.MaxPool2d(2), torch_conv(512, 1024, 3), *self.bottlenecks(1024)),
        )
        self.classifier = t.Sequential(t.Conv2d(1024, 5, 1))

    @staticmethod
    def bottlenecks(width: int) -> list[torch.nn.Module]:
        return [
            layer for _ in range(2) for layer in (torch_conv(width, width // 2, 1), torch_conv(width // 2, width, 3))
        ]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x)).mean((2, 3))


@pytest.mark.parametrize("train", [True, False])
def test_darknet53_as_in_pytorch(train: bool) -> None:
    compare(models.darknet53(num_classes=5, blocks=(1, 2)), TorchDarknet53(), (2, 3, 18, 13), train=train)


@pytest.mark.slow
def test_darknet19_as_in_pytorch() -> None:
    compare(models.darknet19(num_classes=5), TorchDarknet19(), (2, 3, 70, 64), train=True)


@pytest.fixture(scope="module")
def networks() -> list[nn.Module]:
    return [models.darknet19(), models.darknet53()]


def test_operations_are_the_papers(networks: list[nn.Module]) -> None:
    darknet19 = 2e-3 * multiplications(networks[0], 224)  # billions, with the additions
    assert round(darknet19, 2) == 5.58
    darknet53 = 2e-3 * multiplications(networks[1], 256)
    before_pooling = 2e-9 * 1024 * 1000 * (8 * 8 - 1)  # more, if the last layer runs on 8 x 8 maps, as in Darknet-19
    assert (round(darknet53, 2), round(darknet53 + before_pooling, 2)) == (18.57, 18.70)


def test_stages_for_yolo(networks: list[nn.Module]) -> None:
    for network in networks:
        x, shapes = minicnn.zeros(0, 3, 64, 96), []
        for stage in network.eval().features:
            x = stage(x)
            shapes.append(x.shape[1:])
        assert shapes[3:] == [(256, 8, 12), (512, 4, 6), (1024, 2, 3)]


def test_arguments() -> None:
    model = models.darknet53(num_classes=4, blocks=(1,), in_channels=1)
    assert model.eval()(minicnn.zeros(1, 1, 8, 8)).shape == (1, 4)
