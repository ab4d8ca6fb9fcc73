"""ResNet, ResNeXt and wide ResNets against PyTorch; the options of the class; the initial weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn

from .multiplications import multiplications
from .residual_twin import compare

MODES = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])


def torch_conv(channels: int, width: int, kernel: int, stride: int = 1, **more: Any) -> torch.nn.Conv2d:
    padding = more.get("dilation", 1) * (kernel // 2)
    return torch.nn.Conv2d(channels, width, kernel, stride, padding, bias=False, **more)


class TorchBlock(torch.nn.Module):
    """Figure 5 of the paper: left with two 3 x 3 convolutions, right (``width``) with a 3 x 3 between two 1 x 1."""

    def __init__(
        self,
        channels: int,
        out: int,
        stride: int = 1,
        width: int | None = None,
        groups: int = 1,
        dilation: int = 1,
        project: bool = False,
    ) -> None:
        super().__init__()
        t = torch.nn
        if width is None:
            convs = [torch_conv(channels, out, 3, stride), torch_conv(out, out, 3)]
        else:
            middle = torch_conv(width, width, 3, stride, groups=groups, dilation=dilation)
            convs = [torch_conv(channels, width, 1), middle, torch_conv(width, out, 1)]
        self.depth = len(convs)
        for number, conv in enumerate(convs, start=1):
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", t.BatchNorm2d(conv.out_channels))
        self.downsample = (
            t.Sequential(torch_conv(channels, out, 1, stride), t.BatchNorm2d(out)) if project else t.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for number in range(1, self.depth + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = torch.relu(y if number < self.depth else y + self.downsample(x))
        return y


@MODES
def test_basic_block(train: bool) -> None:
    compare(models.BasicBlock(4, 4), TorchBlock(4, 4), (2, 4, 6, 5), train)


def test_basic_block_that_halves_the_size() -> None:
    shortcut = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6))
    compare(models.BasicBlock(4, 6, 2, shortcut), TorchBlock(4, 6, 2, project=True), (2, 4, 6, 5), train=True)


@MODES
def test_bottleneck(train: bool) -> None:
    compare(models.Bottleneck(16, 4), TorchBlock(16, 16, width=4), (2, 16, 6, 5), train)


def test_bottleneck_of_resnext_that_halves_the_size() -> None:
    """width = floor(8 * 16 / 64) * 4 = 8, in 4 groups."""
    shortcut = nn.Sequential(nn.Conv2d(6, 32, 1, stride=2, bias=False), nn.BatchNorm2d(32))
    ours = models.Bottleneck(6, 8, 2, shortcut, groups=4, base_width=16)
    compare(ours, TorchBlock(6, 32, 2, width=8, groups=4, project=True), (2, 6, 7, 6), train=True)


class TorchResNet(torch.nn.Module):
    """Stages of (blocks, channels, stride, width, groups, dilation of the first block, of the others)."""

    def __init__(self, stages: list[tuple[Any, ...]]) -> None:
        super().__init__()
        t = torch.nn
        self.conv1, self.bn1 = torch_conv(3, 64, 7, 2), t.BatchNorm2d(64)
        channels = 64
        for number, (blocks, out, stride, width, groups, first, others) in enumerate(stages, start=1):
            project = stride != 1 or channels != out
            layers = [TorchBlock(channels, out, stride, width, groups, first, project)]
            layers += [TorchBlock(out, out, 1, width, groups, others) for _ in range(blocks - 1)]
            setattr(self, f"layer{number}", t.Sequential(*layers))
            channels = out
        self.fc = t.Linear(channels, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


@pytest.mark.slow
@MODES
def test_a_network_of_basic_blocks(train: bool) -> None:
    stages = [(2, 64, 1, None, 1, 1, 1), *[(1, width, 2, None, 1, 1, 1) for width in (128, 256, 512)]]
    model = models.ResNet(models.BasicBlock, [2, 1, 1, 1], num_classes=5)
    compare(model, TorchResNet(stages), (2, 3, 65, 50), train)


@pytest.mark.slow
def test_a_network_of_bottlenecks_with_groups_and_dilation() -> None:
    """The third stage keeps the size; its second block has dilation 2; the fourth starts with 2 and goes on with 4."""
    model = models.ResNet(
        models.Bottleneck,
        [1, 1, 2, 2],
        num_classes=5,
        groups=4,
        width_per_group=8,
        replace_stride_with_dilation=[False, True, True],
    )
    stages = [
        (1, 256, 1, 32, 4, 1, 1),
        (1, 512, 2, 64, 4, 1, 1),
        (2, 1024, 1, 128, 4, 1, 2),
        (2, 2048, 1, 256, 4, 2, 4),
    ]
    compare(model, TorchResNet(stages), (2, 3, 40, 33), train=True)


@pytest.mark.slow
def test_the_multiply_adds_of_the_papers() -> None:
    """He et al., 2015, table 1: 1.8 and 3.8 * 10^9 (with the stride in the 1 x 1 convolution; here 4.1)."""
    assert multiplications(models.resnet18(), 224) == 1_814.073_344
    assert multiplications(models.resnet50(), 224) == 4_089.184_256


def test_zero_init_residual_starts_as_the_shortcuts_alone() -> None:
    for block, name in ((models.BasicBlock, "bn2"), (models.Bottleneck, "bn3")):
        model = models.ResNet(block, [1, 1, 1, 1], num_classes=2, zero_init_residual=True)
        for module in model.modules():
            if isinstance(module, block):
                assert not getattr(module, name).weight.detach().numpy().any()
                assert (module.bn1.weight.detach().numpy() == 1).all()


def test_the_initial_weights() -> None:
    """He et al.'s normal distribution, fan_out."""
    minicnn.manual_seed(0)
    model = models.ResNet(models.BasicBlock, [1, 1, 1, 1], num_classes=2)
    for conv in (model.conv1, model.layer3[0].conv1):
        out, _, kernel, _ = conv.weight.shape
        assert np.std(conv.weight.detach().numpy()) == pytest.approx((2 / (out * kernel**2)) ** 0.5, rel=0.03)


def test_another_normalisation() -> None:
    model = models.ResNet(
        models.BasicBlock, [1, 1, 1, 1], 2, zero_init_residual=True, norm_layer=partial(nn.GroupNorm, 8), in_channels=1
    )
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert not model.layer1[0].bn2.weight.detach().numpy().any()
    assert model(minicnn.zeros(0, 1, 32, 32)).shape == (0, 2)
    plain = models.ResNet(models.BasicBlock, [1, 1, 1, 1], 2, zero_init_residual=True, norm_layer=nn.Identity)
    assert plain(minicnn.zeros(0, 3, 32, 32)).shape == (0, 2)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: models.BasicBlock(8, 8, groups=2), "BasicBlock: groups, base_width and dilation must be 1, 64 and 1"),
        (lambda: models.BasicBlock(8, 8, dilation=2), "got 1, 64 and 2. Fix: Bottleneck"),
        (lambda: models.ResNet(models.BasicBlock, [2, 2, 2]), "layers must be four numbers of blocks"),
        (lambda: models.resnet18(replace_stride_with_dilation=[True]), "must be three bools"),
    ],
    ids=["groups", "dilation", "layers", "replace_stride_with_dilation"],
)
def test_mistakes(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
