"""Modules of branches side by side, written with torch.nn from the names of their convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import minicnn
from minicnn import nn
from minicnn.ops.joining import cat

F = torch.nn.functional
POOLS = {
    "average": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "maximum": lambda x: F.max_pool2d(x, 3, 1, 1),
    "halving": lambda x: F.max_pool2d(x, 3, 2),
}


class TorchBasicConv(torch.nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, channels: int, out: int, kernel: Any, stride: int = 1, padding: Any = 0) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, out, kernel, stride, padding, bias=False)
        self.bn = torch.nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn(self.conv(x)))


class TorchConvReLU(torch.nn.Module):
    def __init__(self, channels: int, out: int, kernel: Any, stride: int = 1, padding: Any = 0) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, out, kernel, stride, padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x))


class TorchBranches(torch.nn.Module):
    """The branches' results along the channels; what branches begin with in common is computed once.

    ``convolutions``: name -> arguments of ``conv``; ``branches``: names of convolutions and poolings, in order.
    """

    def __init__(
        self,
        convolutions: dict[str, tuple[Any, ...]],
        branches: Sequence[Sequence[str]],
        conv: type[torch.nn.Module] = TorchBasicConv,
    ) -> None:
        super().__init__()
        self.branches = branches
        for name, arguments in convolutions.items():
            owner: torch.nn.Module = self
            *path, last = name.split(".")  # such as "branch2.0"
            for part in path:
                if not hasattr(owner, part):
                    owner.add_module(part, torch.nn.Module())
                owner = getattr(owner, part)
            owner.add_module(last, conv(*arguments))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        done: dict[tuple[str, ...], torch.Tensor] = {(): x}
        for branch in self.branches:
            for length, name in enumerate(branch):
                begun = tuple(branch[:length])
                if (*begun, name) not in done:
                    layer = POOLS[name] if name in POOLS else self.get_submodule(name)
                    done[(*begun, name)] = layer(done[begun])
        return torch.cat([done[tuple(branch)] for branch in self.branches], 1)


class Joined(nn.Module):
    """A network whose outputs, of auxiliary heads too, are put side by side: one tensor to compare."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: minicnn.Tensor) -> minicnn.Tensor:
        return cat(list(self.net(x)), 1)


class TorchJoined(torch.nn.Module):
    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat(list(self.net(x)), 1)
