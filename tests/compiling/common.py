"""A small model, compiled, and its results beside its own."""

from __future__ import annotations

from typing import Any

import numpy as np

import minicnn
from minicnn import nn
from minicnn.compiling.planning import Plan


class Block(nn.Module):
    """Everything that is joined: convolution, norm, sum, ReLU, and a linear layer."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, 5)
        for norm in (self.bn1, self.bn2):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Any) -> Any:
        y = self.relu(self.bn1(self.conv1(x)))
        z = self.bn2(self.conv2(y))
        z += y
        return self.fc(self.relu(z).mean((2, 3)))


def images(*shape: int) -> Any:
    return minicnn.randn(*(shape or (2, 3, 8, 8)))


def same(model: nn.Module, compiled: nn.Module, *inputs: Any) -> None:
    """Bit by bit, and by a program."""
    with minicnn.no_grad():
        expected, got = model(*inputs), compiled(*inputs)
    np.testing.assert_array_equal(got.numpy(), expected.numpy())
    assert programs(compiled)


def programs(compiled: Any) -> list[Any]:
    return [found[0] for found in compiled._programs.values() if found != "eager"]


def pair() -> tuple[nn.Module, Any]:
    model = Block().eval()
    return model, minicnn.compile(model, fullgraph=True)


def plan_of(compiled: Any) -> Plan:
    plan = programs(compiled)[0]._plan
    assert plan is not None
    return plan


class Residual(nn.Module):
    """Residual blocks, the second with fewer pixels and more weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.down, self.deep = nn.Conv2d(4, 30, 3, stride=2), nn.Conv2d(30, 30, 1)

    def forward(self, x: Any) -> Any:
        x = self.layers[0](x)
        for layer in self.layers[1:]:
            x = minicnn.relu(layer(x) + x)
        y = self.down(x)
        return minicnn.relu(self.deep(y) + y)
