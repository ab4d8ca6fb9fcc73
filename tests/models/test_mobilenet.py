"""MobileNets of all three versions against PyTorch and the tables of the papers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.models.blocks import Conv2dNormActivation, SqueezeExcitation, make_divisible

from .multiplications import multiplications
from .residual_twin import compare

t = torch.nn


def conv(inp: int, oup: int, kernel: int = 3, act: Any = t.ReLU, norm: Any = t.BatchNorm2d, **options: Any) -> Any:
    """Convolution, normalisation, activation."""
    padding = kernel // 2 * options.get("dilation", 1)
    layers = [t.Conv2d(inp, oup, kernel, padding=padding, bias=False, **options), norm(oup)]
    return t.Sequential(*layers, *([] if act is None else [act()]))


# ------------------------------------------------------------------------- version 1


class TorchSeparable(t.Module):
    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        self.depthwise, self.pointwise = conv(inp, inp, stride=stride, groups=inp), conv(inp, oup, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))


class TorchMobileNetV1(t.Module):
    """Table 1 of the paper with alpha = 1/8."""

    def __init__(self) -> None:
        super().__init__()
        widths = [4, 8, 16, 16, 32, 32, *[64] * 6, 128, 128]
        halved = {2, 4, 6, 12}
        self.features = t.Sequential(conv(3, 4, stride=2))
        for i in range(1, 14):
            self.features.append(TorchSeparable(widths[i - 1], widths[i], 2 if i in halved else 1))
        self.classifier = t.Sequential(t.Identity(), t.Linear(128, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_version_1_is_pytorchs(train: bool) -> None:
    compare(models.MobileNetV1(5, width_mult=1 / 8), TorchMobileNetV1(), (2, 3, 64, 70), train)


@pytest.mark.parametrize(
    ("alpha", "side", "millions"),
    [(1, 224, 569), (0.75, 224, 325), (0.5, 224, 149), (0.25, 224, 41), (1, 192, 418), (1, 160, 290), (1, 128, 186)],
)
def test_multiplications_of_tables_6_and_7(alpha: float, side: int, millions: float) -> None:
    found = multiplications(models.mobilenet_v1(width_mult=alpha), side)
    assert abs(found - millions) < 1  # the paper rounds down at times


# ------------------------------------------------------------------------- version 2


class TorchInverted(t.Module):
    def __init__(self, inp: int, oup: int, stride: int, ratio: int) -> None:
        super().__init__()
        hidden = inp * ratio
        layers = [] if ratio == 1 else [conv(inp, hidden, 1, t.ReLU6)]
        layers.append(conv(hidden, hidden, 3, t.ReLU6, stride=stride, groups=hidden))
        self.conv = t.Sequential(*layers, t.Conv2d(hidden, oup, 1, bias=False), t.BatchNorm2d(oup))
        self.residual = inp == oup and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class TorchMobileNetV2(t.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks = [TorchInverted(8, 8, 1, 1), TorchInverted(8, 8, 2, 6), TorchInverted(8, 8, 1, 6)]
        self.features = t.Sequential(conv(3, 8, 3, t.ReLU6, stride=2), *blocks, conv(8, 1280, 1, t.ReLU6))
        self.classifier = t.Sequential(t.Identity(), t.Linear(1280, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_version_2_is_pytorchs(train: bool) -> None:
    ours = models.MobileNetV2(5, 0.25, [(1, 16, 1, 1), (6, 24, 2, 2)], dropout=0.0)
    compare(ours, TorchMobileNetV2(), (2, 3, 18, 23), train)


def test_version_2_with_other_normalisations_and_blocks() -> None:
    groups = models.MobileNetV2(5, 0.25, [(6, 24, 1, 2)], norm_layer=partial(nn.GroupNorm, 4))
    assert sum(isinstance(m, nn.GroupNorm) for m in groups.modules()) == 5

    def block(inp: int, oup: int, stride: int, expand_ratio: float, norm_layer: Any) -> nn.Module:
        return nn.Conv2d(inp, oup, 3, stride)

    assert isinstance(models.MobileNetV2(5, 0.25, [(6, 24, 1, 2)], block=block).features[1], nn.Conv2d)


def test_wider_networks_have_a_wider_last_convolution() -> None:
    assert models.MobileNetV2(5, 1.4, [(6, 24, 1, 2)]).last_channel == 1792
    assert models.MobileNetV2(5, 0.5, [(6, 24, 1, 2)]).last_channel == 1280


# ------------------------------------------------------------------------- version 3


class HardSigmoid(t.Module):
    """Written out: PyTorch's own has 1/6 in float32 in its gradient, even of float64."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.clamp(x + 3, 0, 6) / 6


class TorchSqueeze(t.Module):
    def __init__(self, channels: int, squeezed: int, sigma: Any) -> None:
        super().__init__()
        self.fc1, self.fc2, self.sigma = t.Conv2d(channels, squeezed, 1), t.Conv2d(squeezed, channels, 1), sigma()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.sigma(self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


norm3 = partial(t.BatchNorm2d, eps=0.001, momentum=0.01)


class TorchInverted3(t.Module):
    def __init__(self, inp: int, hidden: int, oup: int, act: Any, se: int, kernel: int = 3, **options: int) -> None:
        super().__init__()
        layers = [] if inp == hidden else [conv(inp, hidden, 1, act, norm3)]
        layers.append(conv(hidden, hidden, kernel, act, norm3, groups=hidden, **options))
        layers += [TorchSqueeze(hidden, se, HardSigmoid)] if se else []
        self.block = t.Sequential(*layers, conv(hidden, oup, 1, None, norm3))
        self.residual = inp == oup and options.get("stride", 1) == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x) if self.residual else self.block(x)


class TorchMobileNetV3(t.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = t.Sequential(
            conv(3, 8, 3, t.Hardswish, norm3, stride=2),
            TorchInverted3(8, 8, 8, t.ReLU, se=8),
            TorchInverted3(8, 48, 16, t.Hardswish, se=16, kernel=5, stride=2),
            TorchInverted3(16, 32, 16, t.ReLU, se=0),
            TorchInverted3(16, 32, 24, t.Hardswish, se=8, kernel=5, dilation=2),
            conv(24, 144, 1, t.Hardswish, norm3),
        )
        self.classifier = t.Sequential(t.Linear(144, 20), t.Hardswish(), t.Identity(), t.Linear(20, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_version_3_is_pytorchs(train: bool) -> None:
    line = partial(models.InvertedResidualConfig, width_mult=0.5)
    table = [
        line(16, 3, 16, 16, True, "RE", 1, 1),
        line(16, 5, 96, 32, True, "HS", 2, 1),
        line(32, 3, 64, 32, False, "RE", 1, 1),
        line(32, 5, 64, 48, True, "HS", 2, 2),
    ]
    compare(models.MobileNetV3(table, 20, 5, dropout=0.0), TorchMobileNetV3(), (2, 3, 20, 26), train)


def test_reduced_tail_and_dilation() -> None:
    x = minicnn.zeros(0, 3, 64, 64)
    for build, width in ((models.mobilenet_v3_large, 960), (models.mobilenet_v3_small, 576)):
        assert build().features(x).shape == (0, width, 2, 2)
        assert build(reduced_tail=True).features(x).shape == (0, width // 2, 2, 2)
        assert build(dilated=True).features(x).shape == (0, width, 4, 4)


# ---------------------------------------------------------------------------- blocks


def test_squeeze_and_excitation_is_pytorchs() -> None:
    ours = SqueezeExcitation(12, 4)
    compare(ours, TorchSqueeze(12, 4, t.Sigmoid), (2, 12, 5, 4), train=True)


@pytest.mark.parametrize(
    ("value", "divisor", "minimum", "expected"),
    [(24, 8, None, 24), (27.9, 8, None, 32), (11.2, 8, None, 16), (8.8, 8, None, 8), (1, 8, None, 8), (1, 8, 16, 16)],
)
def test_make_divisible(value: float, divisor: int, minimum: int | None, expected: int) -> None:
    assert make_divisible(value, divisor, minimum) == expected


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 2), ((1, 7), 1), (3, (2, 3))])
def test_padding_keeps_the_size(kernel: Any, dilation: Any) -> None:
    block = Conv2dNormActivation(2, 4, kernel, dilation=dilation, norm_layer=None, activation_layer=None)
    assert block(minicnn.zeros(1, 2, 9, 11)).shape == (1, 4, 9, 11)
    assert block[0].bias is not None
    assert len(block) == 1


def test_activations_that_know_no_inplace() -> None:
    assert repr(Conv2dNormActivation(2, 4, activation_layer=nn.Sigmoid, inplace=None)[2]) == "Sigmoid()"


@pytest.mark.parametrize(
    "build", [models.mobilenet_v1, models.mobilenet_v2, models.mobilenet_v3_large, models.mobilenet_v3_small]
)
def test_beginnings(build: Any) -> None:
    minicnn.manual_seed(0)
    model = build(num_classes=50)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight.shape[0] * int(np.prod(module.kernel_size))
            if module.weight.numel() > 1000:
                assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.15)
        elif isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.1)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            assert not module.bias.any()


LINE = partial(models.InvertedResidualConfig, 16, 3, 16, 16, False)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: models.mobilenet_v1(width_mult=0), ValueError, "width_mult multiplies .* positive number.* got 0"),
        (lambda: models.mobilenet_v1(width_mult=0.01), ValueError, "leaves the first convolution.*at least 1/32"),
        (lambda: models.mobilenet_v2(width_mult=-1), ValueError, "positive number.* got -1"),
        (lambda: models.mobilenet_v2(width_mult="1"), ValueError, "positive number.* got '1'"),
        (lambda: models.MobileNetV2(5, 1.0, []), ValueError, r"inverted_residual_setting.* got \[\]"),
        (lambda: models.MobileNetV2(5, 1.0, [(6, 24, 1)]), ValueError, "expansion, channels, blocks, stride"),
        (lambda: models.MobileNetV2(5, 1.0, [(6, 24, 1, 3)]), ValueError, "stride must be 1 or 2; got 3"),
        (lambda: models.MobileNetV3([], 20), ValueError, "at least one line; got an empty list"),
        (lambda: models.MobileNetV3([(16, 3)], 20), TypeError, "a list of models.InvertedResidualConfig"),
        (lambda: LINE("relu", 1, 1, 1.0), ValueError, "'RE' .ReLU. or 'HS' .hard swish.; got 'relu'"),
        (lambda: LINE("RE", 3, 1, 1.0), ValueError, "stride must be 1 or 2; got 3"),
        (lambda: models.mobilenet_v3_small(width_mult=0), ValueError, "positive number.* got 0"),
    ],
)
def test_mistakes(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()
