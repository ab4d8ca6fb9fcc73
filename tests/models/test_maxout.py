"""The maxout network against PyTorch."""

from __future__ import annotations

import torch

import minicnn
from minicnn import models, nn

from .maps import sides
from .residual_twin import compare


class TorchMaxout(torch.nn.Module):
    """The largest of neighbouring channels."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, piece :: self.pieces] for piece in range(self.pieces)]).max(0)[0]


class TorchMaxoutNetwork(torch.nn.Module):
    """pylearn2's order: pooling before the maximum over pieces."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        t = torch.nn
        layers: list[t.Module] = []
        for channels, units, kernel, padding, window in (
            (3, width, 8, 4, 4),
            (width, 2 * width, 8, 3, 4),
            (2 * width, 2 * width, 5, 3, 2),
        ):
            conv = t.Conv2d(channels, 2 * units, kernel, padding=padding)
            layers += [t.Identity(), t.Sequential(conv, t.MaxPool2d(window, 2, ceil_mode=True), TorchMaxout(2))]
        self.features = t.Sequential(*layers)
        dense = t.Linear(50 * width, 5 * hidden)
        self.classifier = t.Sequential(t.Identity(), dense, TorchMaxout(5), t.Identity(), t.Linear(hidden, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


def test_as_in_pytorch() -> None:
    model = models.maxout_cifar10(dropout=0.0, input_dropout=0.0, width=3, hidden_features=6)
    compare(model, TorchMaxoutNetwork(3, 6), (2, 3, 32, 32), train=True)


def test_sizes_are_those_of_the_configuration() -> None:
    model = models.maxout_cifar10(width=1, hidden_features=1)
    assert sides(model, (3, 32, 32), nn.Conv2d) == [33, 15, 9]
    assert sides(model, (3, 32, 32), nn.MaxPool2d) == [16, 7, 5]


def test_arguments() -> None:
    model = models.maxout_cifar10(
        num_classes=4, dropout=0.3, input_dropout=0.1, width=1, hidden_features=2, in_channels=1
    )
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.1, 0.3, 0.3, 0.3, 0.3]
    assert model.eval()(minicnn.zeros(1, 1, 32, 32)).shape == (1, 4)
