"""Wide residual networks for CIFAR: few layers of many channels.

Zagoruyko & Komodakis, *Wide residual networks*, 2016: table 1 for the network, figure 1(d) for the block. WRN-d-k has
depth d = 6n + 4 and k times the channels of the thin network:

=======  ====================  ==================  =========
stage    layers                size of the output  channels
=======  ====================  ==================  =========
conv1    1 convolution 3 x 3   32 x 32             16
layer1   n blocks              32 x 32             16k
layer2   n blocks              16 x 16             32k
layer3   n blocks              8 x 8               64k
fc       mean, fully conn.     1 x 1               10
=======  ====================  ==================  =========

The block is that of *Identity mappings* (:mod:`minicnn.models.resnet_v2`): normalisation and ReLU come before the
convolutions, and dropout may come between them (section 2.4).

What differs: the depth d of the paper counts the convolutions of the shortcuts too, one in each stage, so that
WRN-28-10 has 25 convolutions on the way from image to output, and 3 beside it. Table 1 leaves out normalisation and
ReLU for clarity; as in the authors' code, a shortcut with a convolution starts behind the block's first ReLU, and there
is one more normalisation and ReLU in front of the mean. torchvision's ``wide_resnet50_2`` is another network: the
ImageNet ResNet-50 with twice the channels in its 3 x 3 convolutions.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["WideBlock", "WideResNet", "wide_resnet28_10"]


class WideBlock(nn.Module):
    """``y = shortcut(x) + conv2(dropout(relu(bn2(conv1(a)))))`` with ``a = relu(bn1(x))``, figure 1(d).

    Where the shape changes, the shortcut is a 1 x 1 convolution of a; else it is x.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int, default 1
        Of the first convolution.
    dropout : float, default 0.0

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.WideBlock(16, 32, stride=2)(minicnn.zeros(1, 16, 8, 8)).shape
    minicnn.Size([1, 32, 4, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        changes = stride != 1 or in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu(self.bn1(x))  # (N, in_channels, H, W)
        y = self.relu(self.bn2(self.conv1(a)))  # (N, out_channels, H/stride, W/stride)
        y = self.conv2(self.dropout(y))
        return y + (x if self.shortcut is None else self.shortcut(a))


class WideResNet(ImageNetwork):
    """The wide residual network WRN-depth-widen_factor for images of 32 x 32 pixels.

    Parameters
    ----------
    depth : int
        6n + 4 for n blocks in each stage.
    widen_factor : int
        k, the number of channels divided by that of the thin network.
    dropout : float, default 0.0
        Share of features dropped inside of each block; the paper uses 0.3 for CIFAR and 0.4 for SVHN.
    num_classes : int, default 10
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If the depth is not 6n + 4, or the widening factor is not a positive integer.

    References
    ----------
    Zagoruyko & Komodakis, *Wide residual networks*, 2016.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.WideResNet(depth=10, widen_factor=1)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        depth: int,
        widen_factor: int,
        dropout: float = 0.0,
        num_classes: int = 10,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"{name}: depth must be 6n + 4, that is 10, 16, 22, 28, ...; got {depth}")
        if not isinstance(widen_factor, int) or widen_factor < 1:
            raise ValueError(f"{name}: widen_factor must be a positive integer, such as 10; got {widen_factor!r}")
        n = (depth - 4) // 6

        def stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
            first = WideBlock(in_channels, out_channels, stride, dropout)
            return nn.Sequential(first, *(WideBlock(out_channels, out_channels, 1, dropout) for _ in range(n - 1)))

        k = widen_factor
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.layer1 = stage(16, 16 * k, stride=1)
        self.layer2 = stage(16 * k, 32 * k, stride=2)
        self.layer3 = stage(32 * k, 64 * k, stride=2)
        self.bn = nn.BatchNorm2d(64 * k)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64 * k, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 16, H, W)
        x = self.layer1(x)  # (N, 16k, H, W)
        x = self.layer2(x)  # (N, 32k, H/2, W/2)
        x = self.layer3(x)  # (N, 64k, H/4, W/4)
        x = self.relu(self.bn(x))
        return self.fc(self.avgpool(x).flatten(1))


@register_model(image=(3, 32, 32))
def wide_resnet28_10(**config: Any) -> WideResNet:
    """WRN-28-10: 36,479,194 parameters, 32 x 32 images; tables 5 and 6.

    Parameters
    ----------
    **config
        Arguments of :class:`WideResNet` but ``depth`` and ``widen_factor``.
    """
    return WideResNet(28, 10, **config)
