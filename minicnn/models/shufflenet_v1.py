"""ShuffleNet: 1 x 1 convolutions in groups, and a shuffle of the channels so that the groups exchange what they know.

Zhang, Zhou, Lin & Sun, *ShuffleNet: an extremely efficient convolutional neural network for mobile devices*, 2018. The
unit is figure 2(b) and (c), the network is table 1, the scale factor is section 3.3.

The code follows the paper: the bottleneck has a quarter of the unit's output channels (also where the shortcut is
concatenated), and the first 1 x 1 convolution of stage 2 is not grouped. A scaled network rounds its channels so that
they can be split into groups, for which the paper gives no rule. Some implementations quarter only the channels that
the branch adds; their networks are a little smaller.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..ops.joining import cat
from .base import ImageNetwork
from .blocks import check_width, initialise, make_divisible
from .registry import register_model

__all__ = [
    "ShuffleNetV1",
    "shufflenet_v1_g1",
    "shufflenet_v1_g2",
    "shufflenet_v1_g3",
    "shufflenet_v1_g4",
    "shufflenet_v1_g8",
]

CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # table 1: of stage 2 by groups; each later stage has twice as many
UNITS = (4, 8, 4)  # of stages 2, 3 and 4


class ShuffleUnit(nn.Module):
    """The unit of ShuffleNet: grouped 1 x 1, shuffle, 3 x 3 on each channel alone, grouped 1 x 1, and a shortcut.

    With stride 1 the input is added; with stride 2 its 3 x 3 average pooling is concatenated, which supplies ``inp`` of
    the ``oup`` channels.

    Parameters
    ----------
    inp, oup : int
        Channels of the input and of the output; equal if the stride is 1.
    stride : {1, 2}
    groups : int
        Of the 1 x 1 convolutions.
    first_groups : int, optional
        Of the first of them, if different.

    References
    ----------
    Zhang et al., 2018, figure 2(b) and (c).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.shufflenet_v1 import ShuffleUnit
    >>> ShuffleUnit(8, 24, stride=2, groups=2)(minicnn.zeros(1, 8, 6, 6)).shape
    minicnn.Size([1, 24, 3, 3])
    """

    def __init__(self, inp: int, oup: int, stride: int, groups: int, first_groups: int | None = None) -> None:
        super().__init__()
        if stride not in (1, 2) or (inp != oup if stride == 1 else inp >= oup):
            raise ValueError(
                "ShuffleUnit: with stride 1 there must be as many output as input channels, with stride 2 more; "
                f"got stride {stride}, {inp} input and {oup} output channels"
            )
        self.stride = stride
        middle = oup // 4
        added = oup if stride == 1 else oup - inp
        self.compress = nn.Sequential(
            nn.Conv2d(inp, middle, 1, groups=groups if first_groups is None else first_groups, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
        )
        self.shuffle = nn.ChannelShuffle(groups)
        self.depthwise = nn.Sequential(
            nn.Conv2d(middle, middle, 3, stride, padding=1, groups=middle, bias=False), nn.BatchNorm2d(middle)
        )
        self.expand = nn.Sequential(nn.Conv2d(middle, added, 1, groups=groups, bias=False), nn.BatchNorm2d(added))
        self.shortcut = nn.Identity() if stride == 1 else nn.AvgPool2d(3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.shuffle(self.compress(x))  # (N, oup/4, H, W)
        y = self.expand(self.depthwise(y))
        shortcut = self.shortcut(x)
        return self.relu(y + shortcut if self.stride == 1 else cat((shortcut, y), 1))


class ShuffleNetV1(ImageNetwork):
    """ShuffleNet: three stages of 4, 8 and 4 units behind a convolution and a max pooling.

    Parameters
    ----------
    num_classes : int, default 1000
    groups : {3, 1, 2, 4, 8}
        Of the 1 x 1 convolutions; more groups go with more channels at about the same cost.
    scale : float, default 1.0
        Multiplies the number of channels of every layer ("ShuffleNet s x").
    dropout : float, default 0.0
        Share of features dropped before the classifier.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``groups`` is none of these, or ``scale`` not positive.

    References
    ----------
    Zhang et al., *ShuffleNet: an extremely efficient convolutional neural network for mobile devices*, 2018, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.ShuffleNetV1(10, groups=2, scale=0.25)(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        groups: int = 3,
        scale: float = 1.0,
        dropout: float = 0.0,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if groups not in CHANNELS:
            raise ValueError(f"ShuffleNetV1: groups must be one of {', '.join(map(str, CHANNELS))}; got {groups!r}")
        check_width("ShuffleNetV1: scale", scale)
        width = make_divisible(24 * scale, groups)
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for number, units in enumerate(UNITS, start=2):
            channels = make_divisible(CHANNELS[groups] * scale, 4 * groups) * 2 ** (number - 2)
            first = ShuffleUnit(width, channels, 2, groups, first_groups=1 if number == 2 else groups)
            rest = [ShuffleUnit(channels, channels, 1, groups) for _ in range(units - 1)]
            self.add_module(f"stage{number}", nn.Sequential(first, *rest))
            width = channels
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))  # (N, 24, H/4, W/4)
        x = self.stage4(self.stage3(self.stage2(x)))  # (N, C, H/32, W/32)
        return self.classifier(self.avgpool(x).flatten(1))


@register_model
def shufflenet_v1_g1(**config: Any) -> ShuffleNetV1:
    """ShuffleNet 1x without groups: 1,531,936 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV1` but ``groups``.
    """
    return ShuffleNetV1(groups=1, **config)


@register_model
def shufflenet_v1_g2(**config: Any) -> ShuffleNetV1:
    """ShuffleNet 1x with 2 groups: 1,733,848 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV1` but ``groups``.
    """
    return ShuffleNetV1(groups=2, **config)


@register_model
def shufflenet_v1_g3(**config: Any) -> ShuffleNetV1:
    """ShuffleNet 1x with 3 groups: 1,865,728 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV1` but ``groups``.
    """
    return ShuffleNetV1(groups=3, **config)


@register_model
def shufflenet_v1_g4(**config: Any) -> ShuffleNetV1:
    """ShuffleNet 1x with 4 groups: 1,968,344 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV1` but ``groups``.
    """
    return ShuffleNetV1(groups=4, **config)


@register_model
def shufflenet_v1_g8(**config: Any) -> ShuffleNetV1:
    """ShuffleNet 1x with 8 groups: 2,434,768 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`ShuffleNetV1` but ``groups``.
    """
    return ShuffleNetV1(groups=8, **config)
