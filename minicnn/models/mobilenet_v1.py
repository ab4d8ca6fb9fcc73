"""MobileNet: convolutions factored into one of single channels and one of single pixels.

Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto & Adam, *MobileNets: efficient convolutional neural networks
for mobile vision applications*, 2017. The layer is figure 3 (right), the network is table 1, the width multiplier alpha
is section 3.3; the resolution multiplier of section 3.4 is the size of the image.

The code follows the paper, but for the stride of the last convolution of single channels: table 1 has 2 with an input
and an output of 7 x 7, which only stride 1 gives. Keras's ``MobileNet`` is the same network with ReLU6 in place of
ReLU, dropout 0.001 before the classifier, other constants in batch normalisation, and strides that pad below and right
only.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .blocks import Conv2dNormActivation, check_width, initialise
from .registry import register_model

__all__ = ["MobileNetV1", "mobilenet_v1", "mobilenet_v1_0_5", "mobilenet_v1_0_25", "mobilenet_v1_0_75"]

# Table 1: output channels and stride of each factored convolution
TABLE_1 = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
]


class DepthwiseSeparable(nn.Sequential):
    """A convolution in two steps: 3 x 3 on each channel alone, then 1 x 1 across the channels.

    Of ``9 * inp * oup`` multiplications per pixel remain ``9 * inp + inp * oup``: the share ``1/oup + 1/9``.

    Parameters
    ----------
    inp, oup : int
        Channels of the input and of the output.
    stride : int, default 1

    References
    ----------
    Howard et al., 2017, equation 5 and figure 3 (right).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.mobilenet_v1 import DepthwiseSeparable
    >>> DepthwiseSeparable(8, 16, stride=2)(minicnn.zeros(1, 8, 6, 6)).shape
    minicnn.Size([1, 16, 3, 3])
    """

    def __init__(self, inp: int, oup: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = Conv2dNormActivation(inp, inp, 3, stride, groups=inp)
        self.pointwise = Conv2dNormActivation(inp, oup, 1)


class MobileNetV1(ImageNetwork):
    """MobileNet: a convolution and 13 factored ones.

    Parameters
    ----------
    num_classes : int, default 1000
    width_mult : float, default 1.0
        Alpha: multiplies the number of channels of every layer (rounded down).
    dropout : float, default 0.0
        Share of features dropped before the classifier.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``width_mult`` is not positive, or leaves a layer without channels.

    References
    ----------
    Howard et al., *MobileNets: efficient convolutional neural networks for mobile vision applications*, 2017, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.MobileNetV1(10, width_mult=0.25)(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.0, *, in_channels: int = 3
    ) -> None:
        super().__init__()
        check_width("MobileNetV1: width_mult", width_mult)
        width = int(32 * width_mult)
        if width < 1:
            raise ValueError(
                f"MobileNetV1: width_mult={width_mult!r} leaves the first convolution, of 32 channels, without any. "
                "Fix: at least 1/32"
            )
        self.features = nn.Sequential(Conv2dNormActivation(in_channels, width, 3, stride=2))
        for channels, stride in TABLE_1:
            out = int(channels * width_mult)
            self.features.append(DepthwiseSeparable(width, out, stride))
            width = out
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1024 * width_mult, H/32, W/32)
        return self.classifier(self.avgpool(x).flatten(1))


@register_model
def mobilenet_v1(width_mult: float = 1.0, **config: Any) -> MobileNetV1:
    """MobileNet: 4,231,976 parameters, 224 x 224 images; table 1 of the paper (4.2 M in its table 6).

    Parameters
    ----------
    width_mult : float, default 1.0
        Alpha: multiplies the number of channels of every layer.
    **config
        Other arguments of :class:`MobileNetV1`.
    """
    return MobileNetV1(width_mult=width_mult, **config)


@register_model
def mobilenet_v1_0_75(**config: Any) -> MobileNetV1:
    """MobileNet with alpha = 0.75: 2,585,560 parameters, 224 x 224 images; table 6 of the paper (2.6 M).

    Parameters
    ----------
    **config
        Arguments of :class:`MobileNetV1` but ``width_mult``.
    """
    return MobileNetV1(width_mult=0.75, **config)


@register_model
def mobilenet_v1_0_5(**config: Any) -> MobileNetV1:
    """MobileNet with alpha = 0.5: 1,331,592 parameters, 224 x 224 images; table 6 of the paper (1.3 M).

    Parameters
    ----------
    **config
        Arguments of :class:`MobileNetV1` but ``width_mult``.
    """
    return MobileNetV1(width_mult=0.5, **config)


@register_model
def mobilenet_v1_0_25(**config: Any) -> MobileNetV1:
    """MobileNet with alpha = 0.25: 470,072 parameters, 224 x 224 images; table 6 of the paper (0.5 M).

    Parameters
    ----------
    **config
        Arguments of :class:`MobileNetV1` but ``width_mult``.
    """
    return MobileNetV1(width_mult=0.25, **config)
