"""Darknet-19 and Darknet-53: the networks below YOLO.

Redmon & Farhadi, *YOLO9000: better, faster, stronger*, 2016, table 6 (Darknet-19: 3 x 3 convolutions with
1 x 1 bottlenecks in between, 5.58 billion operations at 224 x 224) and *YOLOv3: an incremental improvement*, 2018,
tables 1 and 2 (Darknet-53: residual blocks and strided convolutions in place of pooling, 18.7 billion operations at
256 x 256). Every convolution has no bias, batch normalisation and a leaky ReLU of slope 0.1.

``features`` holds the stages one by one, halving the image from one to the next: YOLOv2 takes the last and
``features[4]`` (its passthrough), YOLOv3 the last three.

What differs: in table 1 of YOLOv3, and here, average pooling comes before the layer of the classes. Then Darknet-53
has 18.57 billion operations (additions and multiplications); the paper's 18.7 are those of the layer before
the pooling, as in Darknet-19, which gives the same scores. In batch normalisation the authors' framework adds 1e-6 to
the standard deviation where nn adds 1e-5 to the variance, and its running statistics take 0.01 of each batch where
nn's take 0.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["Darknet19", "Darknet53", "DarknetConv", "DarknetResidual", "darknet19", "darknet53"]

# YOLO9000, table 6: the filters of each stage; 3 x 3 and 1 x 1 take turns.
TABLE_6 = (
    (32,),
    (64,),
    (128, 64, 128),
    (256, 128, 256),
    (512, 256, 512, 256, 512),
    (1024, 512, 1024, 512, 1024),
)


class DarknetConv(nn.Sequential):
    """Convolution without bias that keeps or halves the image, batch normalisation, leaky ReLU of slope 0.1.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int
        Odd.
    stride : int, default 1

    References
    ----------
    Redmon & Farhadi, *YOLO9000: better, faster, stronger*, 2016, section 3.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.DarknetConv(3, 8, kernel_size=3, stride=2)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 8, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.1, inplace=True),
        )


class DarknetResidual(nn.Module):
    """``x + conv3x3(conv1x1(x))``, where the 1 x 1 convolution halves the channels.

    Parameters
    ----------
    channels : int

    References
    ----------
    Redmon & Farhadi, *YOLOv3: an incremental improvement*, 2018, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.DarknetResidual(8)(minicnn.zeros(1, 8, 16, 16)).shape
    minicnn.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = DarknetConv(channels, channels // 2, kernel_size=1)
        self.conv2 = DarknetConv(channels // 2, channels, kernel_size=3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x))


class Darknet19(ImageNetwork):
    """Darknet-19: 19 convolutions, five max-poolings, global average pooling of the classes' scores.

    Parameters
    ----------
    num_classes : int, default 1000
    in_channels : int, default 3

    References
    ----------
    Redmon & Farhadi, *YOLO9000: better, faster, stronger*, 2016, table 6.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.Darknet19(num_classes=10).eval()
    >>> model(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = in_channels
        for filters in TABLE_6:
            stage = nn.Sequential(*([nn.MaxPool2d(2)] if len(self.features) else []))
            for place, width in enumerate(filters):
                stage.append(DarknetConv(channels, width, kernel_size=1 if place % 2 else 3))
                channels = width
            self.features.append(stage)
        self.classifier = nn.Sequential(
            nn.Conv2d(channels, num_classes, kernel_size=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1024, H/32, W/32)
        return self.classifier(x)


class Darknet53(ImageNetwork):
    """Darknet-53: 52 convolutions in 23 residual blocks and between them, and one fully connected layer.

    Parameters
    ----------
    num_classes : int, default 1000
    blocks : sequence of int, default (1, 2, 8, 8, 4)
        Residual blocks of each stage. Each stage halves the image and doubles the channels, from 32 on.
    in_channels : int, default 3

    References
    ----------
    Redmon & Farhadi, *YOLOv3: an incremental improvement*, 2018, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.Darknet53(num_classes=10, blocks=(1, 2, 1)).eval()
    >>> model.features(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 256, 4, 4])
    """

    def __init__(
        self, num_classes: int = 1000, blocks: Sequence[int] = (1, 2, 8, 8, 4), *, in_channels: int = 3
    ) -> None:
        super().__init__()
        channels = 32
        self.features = nn.Sequential(DarknetConv(in_channels, channels, kernel_size=3))
        for count in blocks:
            halve = DarknetConv(channels, 2 * channels, kernel_size=3, stride=2)
            channels *= 2
            self.features.append(nn.Sequential(halve, *(DarknetResidual(channels) for _ in range(count))))
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1024, H/32, W/32)
        return self.classifier(x)


@register_model
def darknet19(**config: Any) -> Darknet19:
    """Darknet-19, YOLO9000, 2016, table 6: 20,842,376 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`Darknet19`.
    """
    return Darknet19(**config)


@register_model(image=(3, 256, 256))
def darknet53(**config: Any) -> Darknet53:
    """Darknet-53, YOLOv3, 2018, table 1: 41,609,928 parameters, 256 x 256 images.

    Parameters
    ----------
    **config
        Arguments of :class:`Darknet53`.
    """
    return Darknet53(**config)
