"""MobileNetV2: residual blocks that are narrow at their ends and wide in the middle.

Sandler, Howard, Zhu, Zhmoginov & Chen, *MobileNetV2: inverted residuals and linear bottlenecks*, 2018. The blocks are
table 1 and figure 4(d), the network is table 2.

As torchvision's ``mobilenet_v2``, which differs from the paper only in details: the first block (t = 1) has no
expanding convolution (as in the authors' code; table 1 would give it one), and the last 1 x 1 convolution is a fully
connected layer, after dropout.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .blocks import Conv2dNormActivation, Layer, check_width, initialise, make_divisible
from .registry import register_model

__all__ = ["MobileNetV2", "mobilenet_v2"]

# Table 2. t: expansion; c: output channels; n: blocks; s: stride of the first of them
TABLE_2 = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


class InvertedResidual(nn.Module):
    """Expand by a 1 x 1 convolution, filter each channel, project back without activation; add the input if it fits.

    Parameters
    ----------
    inp, oup : int
        Channels of the input and of the output.
    stride : {1, 2}
    expand_ratio : float
        ``t``: the middle has ``t * inp`` channels.
    norm_layer : callable, optional
        Default BatchNorm2d.

    References
    ----------
    Sandler et al., 2018, table 1 and figure 4(d).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.mobilenet_v2 import InvertedResidual
    >>> InvertedResidual(8, 16, stride=2, expand_ratio=6)(minicnn.zeros(1, 8, 6, 6)).shape
    minicnn.Size([1, 16, 3, 3])
    """

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: float, norm_layer: Layer | None = None) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual: stride must be 1 or 2; got {stride!r}")
        norm = norm_layer or nn.BatchNorm2d
        hidden = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, 1, norm_layer=norm, activation_layer=nn.ReLU6))
        layers += [
            Conv2dNormActivation(
                hidden, hidden, stride=stride, groups=hidden, norm_layer=norm, activation_layer=nn.ReLU6
            ),
            nn.Conv2d(hidden, oup, 1, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(ImageNetwork):
    """torchvision's MobileNetV2: 17 inverted residual blocks between two convolutions.

    Parameters
    ----------
    num_classes : int, default 1000
    width_mult : float, default 1.0
        Multiplies the number of channels of every layer (the last convolution never has fewer than 1280).
    inverted_residual_setting : list of (t, c, n, s), optional
        Expansion, output channels, blocks, stride of the first block; default table 2 of the paper.
    round_nearest : int, default 8
        Numbers of channels are rounded to multiples of this.
    block : callable, optional
        Makes a block; default :class:`~minicnn.models.mobilenet_v2.InvertedResidual`.
    norm_layer : callable, optional
        Makes a normalisation; default BatchNorm2d.
    dropout : float, default 0.2
        Share of features dropped before the classifier.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``inverted_residual_setting`` is not a list of fours, or ``width_mult`` not positive.

    References
    ----------
    Sandler et al., *MobileNetV2: inverted residuals and linear bottlenecks*, 2018, table 2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.MobileNetV2(10, width_mult=0.35)
    >>> model(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        check_width("MobileNetV2: width_mult", width_mult)
        setting = TABLE_2 if inverted_residual_setting is None else inverted_residual_setting
        if not setting or any(len(row) != 4 for row in setting):
            raise ValueError(
                "MobileNetV2: inverted_residual_setting must be a non-empty list of (expansion, channels, blocks, "
                f"stride), such as [(1, 16, 1, 1), (6, 24, 2, 2)]; got {inverted_residual_setting!r}"
            )
        make_block = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        width = make_divisible(32 * width_mult, round_nearest)
        layers: list[nn.Module] = [conv(in_channels, width, stride=2)]
        for t, c, n, s in setting:
            channels = make_divisible(c * width_mult, round_nearest)
            for i in range(n):
                layers.append(make_block(width, channels, s if i == 0 else 1, expand_ratio=t, norm_layer=norm))
                width = channels
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        layers.append(conv(width, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1280, H/32, W/32)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1))  # (N, 1280, 1, 1)
        return self.classifier(x.flatten(1))


@register_model
def mobilenet_v2(**config: Any) -> MobileNetV2:
    """MobileNetV2 as in torchvision: 3,504,872 parameters, 224 x 224 images; table 2 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`MobileNetV2`.
    """
    return MobileNetV2(**config)
