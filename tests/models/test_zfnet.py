"""ZFNet against PyTorch, and the sizes of figure 3."""

from __future__ import annotations

import torch

import minicnn
from minicnn import models, nn

from .maps import sides
from .residual_twin import compare
from .test_alexnet import TorchAlexNet, TorchPaperNorm


def torch_zfnet() -> TorchAlexNet:
    t = torch.nn
    later = [[t.Conv2d(a, b, 3, padding=1), t.ReLU()] for a, b in ((256, 384), (384, 384), (384, 256))]
    first = [t.Conv2d(3, 96, 7, 2, 1), t.ReLU(), t.MaxPool2d(3, 2, ceil_mode=True), TorchPaperNorm()]
    second = [t.Conv2d(96, 256, 5, 2), t.ReLU(), t.MaxPool2d(3, 2, ceil_mode=True), TorchPaperNorm()]
    pool = t.MaxPool2d(3, 2, ceil_mode=True)
    return TorchAlexNet([*first, *second, *later[0], *later[1], *later[2], pool], dropout_first=False)


def test_as_in_pytorch() -> None:
    compare(models.zfnet(num_classes=3, dropout=0.0, hidden_features=8), torch_zfnet(), (2, 3, 50, 64), train=True)


def test_sizes_are_those_of_figure_3() -> None:
    model = models.zfnet(hidden_features=1)
    assert sides(model, (3, 224, 224), nn.Conv2d, nn.MaxPool2d) == [110, 55, 26, 13, 13, 13, 13, 6]


def test_arguments() -> None:
    model = models.zfnet(num_classes=4, dropout=0.3, hidden_features=2, in_channels=1)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.3, 0.3]
    assert model.eval()(minicnn.zeros(1, 1, 64, 64)).shape == (1, 4)
