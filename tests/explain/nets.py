"""A small network with everything in it that a summary has to get right, and its summary."""

from __future__ import annotations

from typing import Any

import minicnn
from minicnn import nn
from minicnn.explain import Row, Summary, summary


def of(model: nn.Module, *size: Any, **options: Any) -> Summary:
    """The summary, not printed."""
    return summary(model, *size, verbose=0, **options)


def by_path(found: Summary) -> dict[str, Row]:
    """The rows of layers."""
    return {row.path: row for row in reversed(found.rows) if row.kind != "operation"}


class Branches(nn.Module):
    """Branches, a residual sum, a shared layer, groups, a frozen layer, one that is not called, functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.shared = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8).requires_grad_(False)
        self.branches = nn.ModuleList([nn.Conv2d(8, 4, 1), nn.Conv2d(8, 8, (1, 7), padding=(0, 3), groups=2)])
        self.up = nn.ConvTranspose2d(20, 6, 3, stride=2, padding=1, output_padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.spare = nn.Linear(5, 5)
        self.scale = nn.Parameter(minicnn.ones(6))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, 10)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        y = self.norm(self.shared(self.shared(x)))
        y = (y + x).relu()
        y = minicnn.cat([y, *(branch(y) for branch in self.branches)], 1)
        y = self.pool(self.up(y)).mean((2, 3))
        return self.head(self.drop(y * self.scale))
