"""ShuffleNet V2: split the channels, compute on one half, put the halves together and shuffle.

Ma, Zhang, Zheng & Sun, *ShuffleNet V2: practical guidelines for efficient CNN architecture design*, 2018. The units are
figure 3(c) and (d), the networks are table 5.

As torchvision's, which follow the paper; every number of channels is that of table 5, so that there is no width
multiplier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..ops.joining import cat
from .base import ImageNetwork
from .blocks import Layer
from .registry import register_model

__all__ = ["ShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"]


def _pointwise(inp: int, oup: int) -> list[nn.Module]:
    """A 1 x 1 convolution, normalised and activated."""
    return [nn.Conv2d(inp, oup, 1, bias=False), nn.BatchNorm2d(oup), nn.ReLU(inplace=True)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    """A 3 x 3 convolution of single channels, normalised."""
    return [
        nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


class InvertedResidual(nn.Module):
    """The unit of ShuffleNet V2.

    With stride 1, half of the channels go by untouched; with a larger stride, both branches see all channels and the
    number of channels grows. Then the channels of the branches are interleaved.

    Parameters
    ----------
    inp, oup : int
        Channels of the input and of the output; equal, and even, if the stride is 1.
    stride : {1, 2, 3}

    Raises
    ------
    ValueError
        If ``stride`` is none of these, or does not go with the channels.

    References
    ----------
    Ma et al., 2018, figure 3(c) and (d).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.shufflenet_v2 import InvertedResidual
    >>> InvertedResidual(8, 16, stride=2)(minicnn.zeros(1, 8, 6, 6)).shape
    minicnn.Size([1, 16, 3, 3])
    """

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if stride not in (1, 2, 3):
            raise ValueError(f"InvertedResidual: stride must be 1, 2 or 3; got {stride!r}")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError(
                "InvertedResidual: with stride 1 half of the channels pass unchanged, so there must be as many output "
                f"as input channels, and an even number; got {inp} and {oup}"
            )
        self.stride = stride
        branch = [*_depthwise(inp, stride), *_pointwise(inp, half)] if stride > 1 else []
        self.branch1 = nn.Sequential(*branch)
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else half, half), *_depthwise(half, stride), *_pointwise(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1) if self.stride == 1 else (x, x)
        out = cat((self.branch1(left), self.branch2(right)), dim=1)
        return nn.functional.channel_shuffle(out, 2)


class ShuffleNetV2(ImageNetwork):
    """torchvision's ShuffleNetV2: three stages of units between two convolutions.

    Parameters
    ----------
    stages_repeats : list of 3 int
        Units of the stages.
    stages_out_channels : list of 5 int
        Channels of the first convolution, of the three stages, of the last convolution.
    num_classes : int, default 1000
    inverted_residual : callable, default InvertedResidual
        Makes a unit.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If a list has another length.

    References
    ----------
    Ma et al., *ShuffleNet V2: practical guidelines for efficient CNN architecture design*, 2018, table 5.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.ShuffleNetV2([1, 1, 1], [8, 16, 32, 64, 128], num_classes=10)
    >>> model(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Layer = InvertedResidual,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3 or min(stages_repeats) < 1:
            raise ValueError(
                "ShuffleNetV2: stages_repeats must hold 3 positive ints, the units of the stages, such as [4, 8, 4]; "
                f"got {stages_repeats!r}"
            )
        if len(stages_out_channels) != 5:
            raise ValueError(
                "ShuffleNetV2: stages_out_channels must hold 5 ints, the channels of the first convolution, of the "
                f"three stages and of the last convolution, such as [24, 116, 232, 464, 1024]; "
                f"got {stages_out_channels!r}"
            )
        first, *stages, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        width = first
        for number, repeats, channels in zip((2, 3, 4), stages_repeats, stages, strict=True):
            units = [inverted_residual(width, channels, 2)]
            units += [inverted_residual(channels, channels, 1) for _ in range(repeats - 1)]
            self.add_module(f"stage{number}", nn.Sequential(*units))
            width = channels
        self.conv5 = nn.Sequential(*_pointwise(width, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))  # (N, 24, H/4, W/4)
        x = self.stage4(self.stage3(self.stage2(x)))  # (N, C, H/32, W/32)
        x = self.conv5(x)
        return self.fc(x.mean([2, 3]))


@register_model
def shufflenet_v2_x0_5(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2 0.5x as in torchvision: 1,366,792 parameters, 224 x 224 images; table 5 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV2` but the first two.
    """
    return ShuffleNetV2([4, 8, 4], [24, 48, 96, 192, 1024], **config)


@register_model
def shufflenet_v2_x1_0(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2 1x as in torchvision: 2,278,604 parameters, 224 x 224 images; table 5 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV2` but the first two.
    """
    return ShuffleNetV2([4, 8, 4], [24, 116, 232, 464, 1024], **config)


@register_model
def shufflenet_v2_x1_5(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2 1.5x as in torchvision: 3,503,624 parameters, 224 x 224 images; table 5 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV2` but the first two.
    """
    return ShuffleNetV2([4, 8, 4], [24, 176, 352, 704, 1024], **config)


@register_model
def shufflenet_v2_x2_0(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2 2x as in torchvision: 7,393,996 parameters, 224 x 224 images; table 5 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV2` but the first two.
    """
    return ShuffleNetV2([4, 8, 4], [24, 244, 488, 976, 2048], **config)
