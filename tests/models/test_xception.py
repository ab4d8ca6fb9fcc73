"""Xception against PyTorch, with TensorFlow's padding written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import minicnn
from minicnn import models, nn

from .maps import sides
from .residual_twin import compare


def norm(width: int) -> torch.nn.Module:
    return torch.nn.BatchNorm2d(width, eps=0.001, momentum=0.01)


def separable(channels: int, width: int) -> torch.nn.Module:
    t = torch.nn
    depthwise = t.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return t.Sequential(depthwise, t.Conv2d(channels, width, 1, bias=False))


class SamePool(torch.nn.Module):
    """TensorFlow's rule: pad max(3 + 2*(ceil(n/2) - 1) - n, 0) in all, the smaller half in front."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pads = []
        for n in (x.shape[3], x.shape[2]):
            total = max(3 + 2 * (-(-n // 2) - 1) - n, 0)
            pads += [total // 2, total - total // 2]
        return torch.nn.functional.max_pool2d(torch.nn.functional.pad(x, pads, value=-1e30), 3, 2)


class TorchBlock(torch.nn.Module):
    def __init__(self, channels: int, widths: tuple[int, ...], halve: bool = False, relu_first: bool = True) -> None:
        super().__init__()
        t = torch.nn
        layers: list[t.Module] = []
        last = channels
        for width in widths:
            layers += [t.ReLU(), separable(last, width), norm(width)]
            last = width
        if not relu_first:
            del layers[0]
        if halve:
            layers.append(SamePool())
            self.shortcut: t.Module = t.Sequential(t.Conv2d(channels, last, 1, 2, bias=False), norm(last))
        else:
            self.shortcut = t.Identity()
        self.layers = t.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) + self.shortcut(x)


class TorchXception(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        t = torch.nn
        self.entry_flow = t.Sequential(
            *(t.Conv2d(3, 32, 3, 2, bias=False), norm(32), t.ReLU()),
            *(t.Conv2d(32, 64, 3, bias=False), norm(64), t.ReLU()),
            TorchBlock(64, (128, 128), halve=True, relu_first=False),
            TorchBlock(128, (256, 256), halve=True),
            TorchBlock(256, (728, 728), halve=True),
        )
        self.middle_flow = t.Sequential(TorchBlock(728, (728, 728, 728)))
        self.exit_flow = t.Sequential(
            TorchBlock(728, (728, 1024), halve=True),
            *(separable(1024, 1536), norm(1536), t.ReLU(), separable(1536, 2048), norm(2048), t.ReLU()),
        )
        self.fc = t.Linear(2048, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.exit_flow(self.middle_flow(self.entry_flow(x))).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("size", [(8, 8), (9, 6)], ids=str)
@pytest.mark.parametrize(
    ("widths", "options"),
    [((6, 6, 6), {}), ((6, 10), {"halve": True}), ((8, 8), {"halve": True, "relu_first": False})],
    ids=str,
)
def test_blocks_as_in_pytorch(
    widths: tuple[int, ...], options: dict[str, bool], size: tuple[int, int], train: bool
) -> None:
    compare(models.XceptionBlock(6, widths, **options), TorchBlock(6, widths, **options), (3, 6, *size), train=train)


@pytest.mark.slow
def test_the_network_as_in_pytorch() -> None:
    model = models.xception(num_classes=5, dropout=0.0, middle_blocks=1)
    compare(model, TorchXception(), (2, 3, 40, 33), train=True)


def test_sizes_are_those_of_figure_5() -> None:
    found = sides(models.xception(num_classes=1), (3, 299, 299), nn.Conv2d)
    assert list(dict.fromkeys(found)) == [149, 147, 74, 37, 19, 10]
    assert len(found) == 2 + 2 * 34 + 4  # 36 convolutions, 34 of them in two halves, and 4 shortcuts


def test_a_shortcut_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"in_channels=6 and widths=\(6, 8\). Fix: end widths with 6, or halve=True"):
        models.XceptionBlock(6, (6, 8))
    with pytest.raises(ValueError, match=r"widths=\(\)"):
        models.XceptionBlock(6, ())


def test_arguments() -> None:
    model: Any = models.xception(num_classes=4, dropout=0.3, middle_blocks=0, in_channels=1)
    assert model.dropout.p == 0.3
    assert model.eval()(minicnn.zeros(1, 1, 32, 32)).shape == (1, 4)
