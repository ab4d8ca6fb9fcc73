"""Network in network against PyTorch."""

from __future__ import annotations

import pytest
import torch

import minicnn
from minicnn import models, nn

from .maps import sides
from .residual_twin import compare


def torch_mlpconv(
    channels: int, widths: tuple[int, int, int], kernel: int, stride: int, padding: int
) -> torch.nn.Module:
    t = torch.nn
    a, b, c = widths
    first = t.Conv2d(channels, a, kernel, stride, padding)
    return t.Sequential(first, t.ReLU(), t.Conv2d(a, b, 1), t.ReLU(), t.Conv2d(b, c, 1), t.ReLU())


class TorchNIN(torch.nn.Module):
    def __init__(self, *layers: torch.nn.Module) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x).mean((2, 3))


def pool() -> torch.nn.Module:
    return torch.nn.MaxPool2d(3, 2, ceil_mode=True)


def test_cifar10_as_in_pytorch() -> None:
    twin = TorchNIN(
        torch_mlpconv(3, (192, 160, 96), 5, 1, 2),
        pool(),
        torch.nn.Identity(),
        torch_mlpconv(96, (192, 192, 192), 5, 1, 2),
        pool(),
        torch.nn.Identity(),
        torch_mlpconv(192, (192, 192, 10), 3, 1, 1),
    )
    compare(models.nin_cifar10(dropout=0.0), twin, (2, 3, 13, 10), train=True)


@pytest.mark.slow
def test_imagenet_as_in_pytorch() -> None:
    twin = TorchNIN(
        torch_mlpconv(3, (96, 96, 96), 11, 4, 0),
        pool(),
        torch_mlpconv(96, (256, 256, 256), 5, 1, 2),
        pool(),
        torch_mlpconv(256, (384, 384, 384), 3, 1, 1),
        pool(),
        torch.nn.Identity(),
        torch_mlpconv(384, (1024, 1024, 7), 3, 1, 1),
    )
    compare(models.nin(num_classes=7, dropout=0.0), twin, (2, 3, 90, 70), train=True)


def test_sizes_are_those_of_the_authors() -> None:
    assert sides(models.nin(), (3, 224, 224), nn.MaxPool2d) == [27, 13, 6]
    assert sides(models.nin_cifar10(), (3, 32, 32), nn.MaxPool2d) == [16, 8]


def test_arguments() -> None:
    model = models.nin_cifar10(num_classes=4, dropout=0.3, in_channels=1)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.3, 0.3]
    assert model.eval()(minicnn.zeros(1, 1, 8, 8)).shape == (1, 4)
    assert [m.p for m in models.nin(dropout=0.3).modules() if isinstance(m, nn.Dropout)] == [0.3]
