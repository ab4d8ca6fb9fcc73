"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters.

Iandola et al., *SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5MB model size*, 2016. Figure 1
shows the Fire module, figure 2 (left) the network without bypasses, table 1 its sizes. ``squeezenet1_0`` is the
paper's; ``squeezenet1_1`` is the authors' later variant with 2.4 times less computation at the same accuracy: 3 x 3
instead of 7 x 7 filters at the start, and pooling earlier.

What differs from the paper, as in torchvision:

- The convolutions start from He et al.'s uniform distribution; the paper does not say.
- The first convolution has no padding. Table 1 has 111 x 111 outputs from a 224 x 224 image, which is not
  (224 - 7) / 2 + 1 = 109.5 rounded either way; with 227 x 227 images, which the authors' files use, it is 111.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..ops.joining import cat
from .base import ImageNetwork
from .registry import register_model

__all__ = ["Fire", "SqueezeNet", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """Fire module: 1 x 1 filters squeeze the channels, 1 x 1 and 3 x 3 filters side by side expand them again.

    ::

                     +-> expand 1x1 -> ReLU -+
        squeeze 1x1 -> ReLU                  cat
                     +-> expand 3x3 -> ReLU -+

    Parameters
    ----------
    inplanes : int
        Channels of the input.
    squeeze_planes : int
        s_1x1: fewer than the others together, to keep the 3 x 3 filters cheap.
    expand1x1_planes : int
        e_1x1
    expand3x3_planes : int
        e_3x3; the output has ``expand1x1_planes + expand3x3_planes`` channels.

    References
    ----------
    Iandola et al., *SqueezeNet*, 2016, section 3.2 and figure 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.Fire(96, 16, 64, 64)(minicnn.zeros(1, 96, 5, 5)).shape
    minicnn.Size([1, 128, 5, 5])
    """

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))  # (N, squeeze_planes, H, W)
        left = self.expand1x1_activation(self.expand1x1(x))  # (N, expand1x1_planes, H, W)
        right = self.expand3x3_activation(self.expand3x3(x))  # (N, expand3x3_planes, H, W)
        return cat([left, right], 1)


def _features_1_0(in_channels: int) -> nn.Sequential:
    """Table 1 of the paper, up to fire9; the sizes are those of a 227 x 227 image."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 96, kernel_size=7, stride=2),  # (N, 96, 111, 111)
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 96, 55, 55)
        Fire(96, 16, 64, 64),  # fire2
        Fire(128, 16, 64, 64),
        Fire(128, 32, 128, 128),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 256, 27, 27)
        Fire(256, 32, 128, 128),  # fire5
        Fire(256, 48, 192, 192),
        Fire(384, 48, 192, 192),
        Fire(384, 64, 256, 256),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 512, 13, 13)
        Fire(512, 64, 256, 256),  # fire9
    )


def _features_1_1(in_channels: int) -> nn.Sequential:
    """The same Fire modules at smaller sizes; those of a 227 x 227 image."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 64, kernel_size=3, stride=2),  # (N, 64, 113, 113)
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 64, 56, 56)
        Fire(64, 16, 64, 64),  # fire2
        Fire(128, 16, 64, 64),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 128, 28, 28)
        Fire(128, 32, 128, 128),  # fire4
        Fire(256, 32, 128, 128),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 256, 14, 14)
        Fire(256, 48, 192, 192),  # fire6
        Fire(384, 48, 192, 192),
        Fire(384, 64, 256, 256),
        Fire(512, 64, 256, 256),
    )


_FEATURES = {"1_0": _features_1_0, "1_1": _features_1_1}


class SqueezeNet(ImageNetwork):
    """SqueezeNet: Fire modules, then one 1 x 1 filter per class and the average over the image.

    Parameters
    ----------
    version : {"1_0", "1_1"}, default "1_0"
        The paper's network, or the later one with 2.4 times less computation.
    num_classes : int, default 1000
    dropout : float, default 0.5
        Share of features dropped after the last Fire module.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If there is no such version.

    References
    ----------
    Iandola et al., *SqueezeNet*, 2016, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.SqueezeNet("1_1", num_classes=10)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5, *, in_channels: int = 3
    ) -> None:
        super().__init__()
        if version not in _FEATURES:
            raise ValueError(f"SqueezeNet: version must be '1_0' or '1_1'; got {version!r}")
        self.num_classes = num_classes
        self.features = _FEATURES[version](in_channels)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.bias)
                if layer is last:
                    nn.init.normal_(layer.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 512, H/16, W/16)
        x = self.classifier(x)  # (N, num_classes, 1, 1)
        return x.flatten(1)


@register_model
def squeezenet1_0(**config: Any) -> SqueezeNet:
    """SqueezeNet 1.0, table 1 of the paper: 1,248,424 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`SqueezeNet` after ``version``.
    """
    return SqueezeNet("1_0", **config)


@register_model
def squeezenet1_1(**config: Any) -> SqueezeNet:
    """SqueezeNet 1.1, with 2.4 times less computation than 1.0: 1,235,496 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`SqueezeNet` after ``version``.
    """
    return SqueezeNet("1_1", **config)
