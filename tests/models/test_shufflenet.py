"""ShuffleNets of both versions against PyTorch and the tables of the papers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.models.shufflenet_v1 import ShuffleUnit
from minicnn.models.shufflenet_v2 import InvertedResidual

from .multiplications import multiplications
from .residual_twin import compare

t = torch.nn


def shuffle(x: torch.Tensor, groups: int) -> torch.Tensor:
    """Channel i of group g to place i * groups + g."""
    per_group = x.shape[1] // groups
    return x[:, [g * per_group + i for i in range(per_group) for g in range(groups)]]


def conv(inp: int, oup: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True) -> list[t.Module]:
    layers = [t.Conv2d(inp, oup, kernel, stride, kernel // 2, groups=groups, bias=False), t.BatchNorm2d(oup)]
    return [*layers, t.ReLU()] if relu else layers


# ------------------------------------------------------------------------- version 1


class TorchUnit(t.Module):
    def __init__(self, inp: int, oup: int, stride: int, groups: int, first: int) -> None:
        super().__init__()
        middle = oup // 4
        self.groups, self.stride = groups, stride
        self.compress = t.Sequential(*conv(inp, middle, 1, groups=first))
        self.depthwise = t.Sequential(*conv(middle, middle, 3, stride, middle, relu=False))
        self.expand = t.Sequential(*conv(middle, oup if stride == 1 else oup - inp, 1, 1, groups, relu=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.expand(self.depthwise(shuffle(self.compress(x), self.groups)))
        if self.stride == 1:
            return torch.relu(x + y)
        return torch.relu(torch.cat((torch.nn.functional.avg_pool2d(x, 3, 2, 1), y), 1))


class TorchShuffleNetV1(t.Module):
    """Table 1 of the paper for 3 groups, a tenth as wide."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = t.Sequential(*conv(3, 3, 3, 2))
        c = 3
        for number, (units, oup) in enumerate(((4, 24), (8, 48), (4, 96)), start=2):
            first = TorchUnit(c, oup, 2, 3, first=1 if number == 2 else 3)
            rest = [TorchUnit(oup, oup, 1, 3, 3) for _ in range(units - 1)]
            self.add_module(f"stage{number}", t.Sequential(first, *rest))
            c = oup
        self.classifier = t.Sequential(t.Identity(), t.Linear(96, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.max_pool2d(self.conv1(x), 3, 2, 1)
        return self.classifier(self.stage4(self.stage3(self.stage2(x))).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_version_1_is_pytorchs(train: bool) -> None:
    compare(models.ShuffleNetV1(5, groups=3, scale=0.1), TorchShuffleNetV1(), (2, 3, 64, 70), train)


@pytest.mark.parametrize(("groups", "millions"), [(1, 143), (2, 140), (3, 137), (4, 133), (8, 137)])
def test_multiplications_of_table_1(groups: int, millions: int) -> None:
    model = models.ShuffleNetV1(groups=groups)
    assert round(multiplications(model, 224, nn.Conv2d)) in (millions, millions - 1)  # the paper rounds 142.5 up


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(("scale", "millions"), [(0.5, 38), (0.25, 13)])
def test_every_scale_can_be_split_into_groups(groups: int, scale: float, millions: int) -> None:
    found = multiplications(models.ShuffleNetV1(groups=groups, scale=scale), 224, nn.Conv2d)
    assert abs(found - millions) < 4  # table 2 of the paper; how it rounds channels is not said


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_only_the_first_pointwise_convolution_is_not_grouped(groups: int) -> None:
    model = models.ShuffleNetV1(groups=groups, scale=0.25)
    units = [m for m in model.modules() if isinstance(m, ShuffleUnit)]
    found = [(unit.compress[0].groups, unit.expand[0].groups) for unit in units]
    assert found == [(1, groups), *[(groups, groups)] * 15]
    assert model.stage4[-1].expand[1].num_features % groups == 0


def test_no_unit_mixes_groups_but_the_shuffle_does() -> None:
    x = minicnn.zeros(1, 24, 1, 1)
    x[0, :8] = 1.0  # the first of three groups
    unit = ShuffleUnit(24, 24, 1, groups=3).eval()
    before = unit.compress[0](x)[0, :, 0, 0].tolist()
    after = unit.shuffle(unit.compress[0](x))[0, :, 0, 0].tolist()
    assert [value != 0 for value in before] == [True, True, False, False, False, False]
    assert [value != 0 for value in after] == [True, False, False, True, False, False]


# ------------------------------------------------------------------------- version 2


class TorchUnitV2(t.Module):
    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        half = oup // 2
        self.stride = stride
        if stride > 1:
            self.branch1 = t.Sequential(*conv(inp, inp, 3, stride, inp, relu=False), *conv(inp, half, 1))
        self.branch2 = t.Sequential(
            *conv(inp if stride > 1 else half, half, 1),
            *conv(half, half, 3, stride, half, relu=False),
            *conv(half, half, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride == 1:
            half = x.shape[1] // 2
            return shuffle(torch.cat((x[:, :half], self.branch2(x[:, half:])), 1), 2)
        return shuffle(torch.cat((self.branch1(x), self.branch2(x)), 1), 2)


class TorchShuffleNetV2(t.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = t.Sequential(*conv(3, 6, 3, 2))
        self.stage2 = t.Sequential(TorchUnitV2(6, 8, 2), TorchUnitV2(8, 8, 1))
        self.stage3 = t.Sequential(TorchUnitV2(8, 12, 2))
        self.stage4 = t.Sequential(TorchUnitV2(12, 16, 2), TorchUnitV2(16, 16, 1), TorchUnitV2(16, 16, 1))
        self.conv5 = t.Sequential(*conv(16, 20, 1))
        self.fc = t.Linear(20, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.max_pool2d(self.conv1(x), 3, 2, 1)
        return self.fc(self.conv5(self.stage4(self.stage3(self.stage2(x)))).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_version_2_is_pytorchs(train: bool) -> None:
    ours = models.ShuffleNetV2([2, 1, 3], [6, 8, 12, 16, 20], num_classes=5)
    compare(ours, TorchShuffleNetV2(), (2, 3, 64, 70), train)


def test_version_2_with_other_units() -> None:
    def unit(inp: int, oup: int, stride: int) -> nn.Module:
        return nn.Conv2d(inp, oup, 3, stride, padding=1)

    model = models.ShuffleNetV2([2, 1, 1], [6, 8, 12, 16, 20], 5, unit)
    assert isinstance(model.stage2[1], nn.Conv2d)


@pytest.mark.parametrize(
    ("build", "millions"),
    [
        (models.shufflenet_v2_x0_5, 41),
        (models.shufflenet_v2_x1_0, 146),
        (models.shufflenet_v2_x1_5, 299),
        (models.shufflenet_v2_x2_0, 591),
    ],
)
def test_multiplications_of_table_5(build: Any, millions: int) -> None:
    assert multiplications(build(), 224) == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: models.ShuffleNetV1(groups=5), "groups must be one of 1, 2, 3, 4, 8; got 5"),
        (lambda: models.ShuffleNetV1(scale=-0.5), "scale multiplies .* positive number.* got -0.5"),
        (lambda: ShuffleUnit(8, 16, 1, 2), "with stride 1 there must be as many output as input channels"),
        (lambda: ShuffleUnit(16, 16, 2, 2), "with stride 2 more; got stride 2, 16 input and 16 output"),
        (lambda: ShuffleUnit(16, 32, 3, 2), "got stride 3"),
        (lambda: models.ShuffleNetV2([4, 8], [24, 116, 232, 464, 1024]), "stages_repeats must hold 3 positive ints"),
        (lambda: models.ShuffleNetV2([4, 0, 4], [24, 116, 232, 464, 1024]), "stages_repeats must hold 3 positive"),
        (lambda: models.ShuffleNetV2([4, 8, 4], [24, 116, 232]), "stages_out_channels must hold 5 ints"),
        (lambda: InvertedResidual(8, 8, 4), "stride must be 1, 2 or 3; got 4"),
        (lambda: InvertedResidual(8, 16, 1), "as many output as input channels, and an even number; got 8 and 16"),
    ],
)
def test_mistakes(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
