"""NASNet-A: cells and network in PyTorch, and halving as TensorFlow does it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import minicnn
from minicnn import models

from .residual_twin import compare


def same(n: int, k: int) -> tuple[int, int]:
    """TensorFlow's documented widths of padding='same' for stride 2: (before, behind)."""
    total = max((math.ceil(n / 2) - 1) * 2 + k - n, 0)
    return total // 2, total - total // 2


def pad_same(x: torch.Tensor, k: int, value: float = 0.0) -> torch.Tensor:
    return F.pad(x, (*same(x.shape[3], k), *same(x.shape[2], k)), value=value)


def mean_of_pixels(x: torch.Tensor, k: int = 3, stride: int = 1) -> torch.Tensor:
    """Average pooling that counts the pixels inside of the image."""
    one = torch.ones_like(x)
    x, one = (pad_same(x, k), pad_same(one, k)) if stride == 2 else (F.pad(x, (1,) * 4), F.pad(one, (1,) * 4))
    return F.avg_pool2d(x, k, stride) / F.avg_pool2d(one, k, stride)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, 1e-3)


class Sep(nn.Module):
    def __init__(self, inside: int, outside: int, k: int, stride: int = 1) -> None:
        super().__init__()
        self.k, self.stride = k, stride
        self.depthwise1 = nn.Conv2d(inside, inside, k, stride, groups=inside, bias=False)
        self.pointwise1 = nn.Conv2d(inside, outside, 1, bias=False)
        self.norm1 = norm(outside)
        self.depthwise2 = nn.Conv2d(outside, outside, k, padding="same", groups=outside, bias=False)
        self.pointwise2 = nn.Conv2d(outside, outside, 1, bias=False)
        self.norm2 = norm(outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = pad_same(x.relu(), self.k) if self.stride == 2 else F.pad(x.relu(), (self.k // 2,) * 4)
        x = self.norm1(self.pointwise1(self.depthwise1(x)))
        return self.norm2(self.pointwise2(self.depthwise2(x.relu())))


class Halve(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(inside, outside // 2, 1, bias=False)
        self.odd = nn.Conv2d(inside, outside // 2, 1, bias=False)
        self.norm = norm(outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.relu()
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        pair = [self.even(F.avg_pool2d(x, 1, 2)), self.odd(F.avg_pool2d(shifted, 1, 2))]
        return self.norm(torch.cat(pair, 1))


def pointwise(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inside, outside, 1, bias=False), norm(outside))


class TwinCell(nn.Module):
    def __init__(self, channels: int, earlier: int | None, f: int, halve: bool = False, stride: int = 1) -> None:
        super().__init__()
        self.squeeze = pointwise(channels, f)
        p = f
        if earlier is None:
            self.adjust, p = nn.Identity(), channels
        else:
            self.adjust = Halve(earlier, f) if halve else pointwise(earlier, f)
        if stride == 1:
            self.sep1h, self.sep1p, self.sep2a, self.sep2b = Sep(f, f, 5), Sep(p, f, 3), Sep(p, f, 5), Sep(p, f, 3)
        else:
            self.sep1h, self.sep1p, self.sep2, self.sep3 = (
                Sep(f, f, 5, 2),
                Sep(p, f, 7, 2),
                Sep(p, f, 7, 2),
                Sep(p, f, 5, 2),
            )
        self.sep5 = Sep(f, f, 3)
        self.stride = stride

    def forward(self, x: torch.Tensor, earlier: torch.Tensor) -> torch.Tensor:
        h, p = self.squeeze(x), self.adjust(earlier)
        y1 = self.sep1h(h) + self.sep1p(p)
        if self.stride == 1:
            y2 = self.sep2a(p) + self.sep2b(p)
            y3 = mean_of_pixels(h) + p
            y4 = mean_of_pixels(p) + mean_of_pixels(p)
            return torch.cat([p, y1, y2, y3, y4, self.sep5(h) + h], 1)
        largest = F.max_pool2d(pad_same(h, 3, -math.inf), 3, 2)
        y2 = largest + self.sep2(p)
        y3 = mean_of_pixels(h, 3, 2) + self.sep3(p)
        y4 = mean_of_pixels(y1) + y2
        return torch.cat([y2, y3, y4, self.sep5(y1) + largest], 1)


class Both(nn.Module):
    """A cell on two parts of one input, h_i and h_(i-1); the first may be made smaller."""

    def __init__(self, cell: nn.Module, channels: int, halve: bool) -> None:
        super().__init__()
        self.cell, self.channels, self.halve = cell, channels, halve

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, earlier = x[:, : self.channels], x[:, self.channels :]
        if self.halve:
            x = F.avg_pool2d(x, 3, 2, 1)
        return self.cell(x, earlier)


class OurBoth(minicnn.nn.Module):
    def __init__(self, cell: minicnn.nn.Module, channels: int, halve: bool) -> None:
        super().__init__()
        self.cell, self.channels, self.halve = cell, channels, halve

    def forward(self, x: minicnn.Tensor) -> minicnn.Tensor:
        x, earlier = x[:, : self.channels], x[:, self.channels :]
        if self.halve:
            x = minicnn.nn.functional.avg_pool2d(x, 3, 2, 1)
        return self.cell(x, earlier)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("halve", [True, False])
@pytest.mark.parametrize(("kind", "stride"), [("NormalCell", 1), ("ReductionCell", 2)])
def test_twin_of_the_cell(kind: str, stride: int, halve: bool, train: bool) -> None:
    ours = OurBoth(getattr(models, kind)(3, 5, 4, halve=halve), 3, halve)
    twin = Both(TwinCell(3, 5, 4, halve, stride), 3, halve)
    compare(ours, twin, (3, 8, 9, 12) if halve else (3, 8, 5, 6), train)


class Twin(nn.Module):
    """NASNet-A (2 @ 96) with 6 stem filters: F = 4."""

    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, bias=False), norm(6))
        self.stem1 = TwinCell(6, None, 1, stride=2)
        self.stem2 = TwinCell(4, 6, 2, True, 2)
        self.cells1 = nn.ModuleList([TwinCell(8, 4, 4, True), TwinCell(24, 8, 4)])
        self.reduce1 = TwinCell(24, 24, 8, stride=2)
        self.cells2 = nn.ModuleList([TwinCell(32, 24, 8, True), TwinCell(48, 32, 8)])
        self.reduce2 = TwinCell(48, 48, 16, stride=2)
        self.cells3 = nn.ModuleList([TwinCell(64, 48, 16, True), TwinCell(96, 64, 16)])
        self.fc = nn.Linear(96, 10)
        self.skip = skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = [self.stem(x)]  # the outputs of all cells
        h.append(self.stem1(h[-1], h[-1]))
        for cell in (self.stem2, *self.cells1):
            h.append(cell(h[-1], h[-2]))
        for reduce, cells in ((self.reduce1, self.cells2), (self.reduce2, self.cells3)):
            reduced = reduce(h[-1], h[-2])
            h += [reduced, cells[0](reduced, h[-2] if self.skip else h[-1])]
            h.append(cells[1](h[-1], reduced))
        return self.fc(h[-1].relu().mean((2, 3)))


@pytest.mark.parametrize(("skip", "train"), [(False, True), (True, False)])
def test_twin_of_the_network(skip: bool, train: bool) -> None:
    ours = models.NASNet(10, 96, 2, 6, skip, dropout=0.0)
    compare(ours, Twin(skip), (3, 3, 75, 70), train)


@pytest.mark.parametrize("k", [3, 5, 7])
def test_halving_pads_as_tensorflow_does(k: int) -> None:
    for n in range(1, 12):
        x = np.arange(float(n * (n + 1))).reshape(1, 1, n, n + 1)
        ours = models.nasnet.HalvingPad(k)(minicnn.tensor(x))
        np.testing.assert_array_equal(ours.numpy(), pad_same(torch.tensor(x), k).numpy())


@pytest.mark.parametrize("n", range(1, 9))
def test_pooling_halves_as_tensorflow_does(n: int) -> None:
    x = np.random.default_rng(0).standard_normal((1, 2, n, 9 - n))
    t = torch.tensor(x)
    largest, mean = models.nasnet.HalvingMaxPool()(minicnn.tensor(x)), models.nasnet.HalvingAvgPool()(minicnn.tensor(x))
    np.testing.assert_array_equal(largest.numpy(), F.max_pool2d(pad_same(t, 3, -math.inf), 3, 2).numpy())
    np.testing.assert_allclose(mean.numpy(), mean_of_pixels(t, 3, 2).numpy(), rtol=1e-12)


def test_sizes_and_channels_of_the_mobile_network() -> None:
    """The table of the module, for one normal cell in each stage; from P = 1056, F = 44."""
    model = models.nasnet_a_mobile(num_blocks=1, num_classes=5).eval()
    shapes = []
    for name in ("stem", "stem1", "stem2", "cells1.0", "reduce1", "cells2.0", "reduce2", "cells3.0"):
        model.get_submodule(name).register_forward_hook(lambda module, args, y: shapes.append(tuple(y.shape[1:])))
    with minicnn.no_grad():
        model(minicnn.zeros(1, 3, 224, 224))
    assert shapes == [
        (32, 111, 111), (44, 56, 56), (88, 28, 28), (264, 28, 28),
        (352, 14, 14), (528, 14, 14), (704, 7, 7), (1056, 7, 7),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "says"),
    [({"penultimate_filters": 1000}, "multiple of 96.*1056.*1000"), ({"num_blocks": 0}, "num_blocks.*at least 1.*0")],
)
def test_bad_arguments(config: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        models.NASNet(**config)
