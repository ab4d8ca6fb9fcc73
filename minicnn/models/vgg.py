"""VGG: depth from nothing but 3 x 3 convolutions.

Simonyan & Zisserman, *Very deep convolutional networks for large-scale image recognition*, 2014. Columns A, B, D and
E of table 1 are here vgg11, vgg13, vgg16 and vgg19: the number counts the layers with weights. Two 3 x 3 convolutions
see as much of the image as one of 5 x 5, three as much as one of 7 x 7, with fewer weights and more ReLUs between.

What differs from the paper, as in torchvision:

- The ``_bn`` variants normalise after every convolution; batch normalisation is younger than the paper.
- The convolutions start from He et al.'s normal distribution, the fully connected layers from one of standard deviation
  0.01. The paper drew all from a normal distribution of variance 0.01, which trains column A; the deeper columns then
  started from the trained layers of A (section 3.1).
- Average pooling to 7 x 7 before the classifier lets other image sizes in; with 224 x 224 images it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

# Table 1, column by column: the filters of each 3 x 3 convolution; "M" is max pooling, 2 x 2 with stride 2.
A = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
B = (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
D = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
E = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M")


def make_layers(cfg: Sequence[int | str], batch_norm: bool = False, *, in_channels: int = 3) -> nn.Sequential:
    """The convolutional part of a VGG.

    Parameters
    ----------
    cfg : sequence of int or "M"
        The filters of each 3 x 3 convolution (padding 1, so it keeps the size), and where max pooling halves the size.
    batch_norm : bool, default False
        Normalise between each convolution and its ReLU.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If an entry is a string other than "M".

    Examples
    --------
    >>> from minicnn.models.vgg import make_layers
    >>> make_layers([8, "M"])
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (1): ReLU(inplace=True)
      (2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    )
    """
    layers: list[nn.Module] = []
    for filters in cfg:
        if isinstance(filters, str):
            if filters != "M":
                raise ValueError(f"make_layers: expected numbers of filters, and 'M' for max pooling; got {filters!r}")
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(in_channels, filters, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(filters))
        layers.append(nn.ReLU(inplace=True))
        in_channels = filters
    return nn.Sequential(*layers)


class VGG(ImageNetwork):
    """VGG: a stack of 3 x 3 convolutions, then three fully connected layers.

    Parameters
    ----------
    features : Module
        The convolutional part, with 512 channels at its end; :func:`make_layers` makes one.
    num_classes : int, default 1000
    init_weights : bool, default True
        Convolutions from He et al.'s normal distribution (fan_out), fully connected layers with
        standard deviation 0.01, biases 0; otherwise each layer's own default.
    dropout : float, default 0.5
        Share of features dropped after each of the first two fully connected layers.

    References
    ----------
    Simonyan & Zisserman, *Very deep convolutional networks for large-scale image recognition*, 2014, table 1.

    Examples
    --------
    >>> from minicnn import nn
    >>> from minicnn.models.vgg import make_layers
    >>> column_a = make_layers([64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"])
    >>> sum(isinstance(layer, nn.Conv2d) for layer in column_a)
    8
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._initialise()

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 512, H/32, W/32)
        x = self.avgpool(x)  # (N, 512, 7, 7)
        return self.classifier(x.flatten(1))  # (N, num_classes)


def _vgg(cfg: Sequence[int | str], batch_norm: bool, in_channels: int, config: dict[str, Any]) -> VGG:
    return VGG(make_layers(cfg, batch_norm, in_channels=in_channels), **config)


@register_model
def vgg11(*, in_channels: int = 3, **config: Any) -> VGG:
    """VGG with 11 layers, column A of table 1: 132,863,336 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(A, False, in_channels, config)


@register_model
def vgg11_bn(*, in_channels: int = 3, **config: Any) -> VGG:
    """:func:`vgg11` with batch normalisation: 132,868,840 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(A, True, in_channels, config)


@register_model
def vgg13(*, in_channels: int = 3, **config: Any) -> VGG:
    """VGG with 13 layers, column B of table 1: 133,047,848 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(B, False, in_channels, config)


@register_model
def vgg13_bn(*, in_channels: int = 3, **config: Any) -> VGG:
    """:func:`vgg13` with batch normalisation: 133,053,736 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(B, True, in_channels, config)


@register_model
def vgg16(*, in_channels: int = 3, **config: Any) -> VGG:
    """VGG with 16 layers, column D of table 1: 138,357,544 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(D, False, in_channels, config)


@register_model
def vgg16_bn(*, in_channels: int = 3, **config: Any) -> VGG:
    """:func:`vgg16` with batch normalisation: 138,365,992 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(D, True, in_channels, config)


@register_model
def vgg19(*, in_channels: int = 3, **config: Any) -> VGG:
    """VGG with 19 layers, column E of table 1: 143,667,240 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(E, False, in_channels, config)


@register_model
def vgg19_bn(*, in_channels: int = 3, **config: Any) -> VGG:
    """:func:`vgg19` with batch normalisation: 143,678,248 parameters, 224 x 224 images.

    Parameters
    ----------
    in_channels : int, default 3
    **config
        Arguments of :class:`VGG` after the first.
    """
    return _vgg(E, True, in_channels, config)
