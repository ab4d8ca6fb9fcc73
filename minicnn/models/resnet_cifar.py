"""Residual networks for CIFAR-10, and the plain networks that they were compared with.

He, Zhang, Ren & Sun, *Deep residual learning for image recognition*, 2015: section 4.2 for these networks, figure 2
for the block, figure 6 and table 6 for the results. A network of depth 6n + 2:

=======  ====================  ==================  =========
stage    layers                size of the output  channels
=======  ====================  ==================  =========
conv1    1 convolution 3 x 3   32 x 32             16
layer1   n blocks              32 x 32             16
layer2   n blocks              16 x 16             32
layer3   n blocks              8 x 8               64
linear   mean, fully conn.     1 x 1               10
=======  ====================  ==================  =========

A block has two 3 x 3 convolutions; the first of a stage halves height and width (stride 2).

Where the two sides of an addition differ in shape, section 3.3 offers three shortcuts. The paper uses A here: *"we use
identity shortcuts in all cases (i.e., option A), so our residual models have exactly the same depth, width, and number
of parameters as the plain counterparts"*. Many implementations have B in its place, which is torchvision's only one and
adds 2,752 parameters: the 272,474 that are often given for ResNet-20 are those of B, A has 269,722.

What the paper leaves open: on which side option A adds its zero channels. Here half of them come before and half
behind, as in the networks whose trained weights are passed around (Idelbayev, ``pytorch_resnet_cifar10``); the names
of the parameters are theirs too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..nn import functional as F
from .base import ImageNetwork
from .registry import register_model

__all__ = [
    "CifarBlock",
    "CifarResNet",
    "PaddingShortcut",
    "plain20",
    "plain56",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "resnet110",
    "resnet1202",
]


class PaddingShortcut(nn.Module):
    """Option A: every ``stride``-th pixel, and channels of zeros before and behind. It has no parameters.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> y = models.PaddingShortcut(1, 3, stride=2)(minicnn.ones(1, 1, 4, 4))
    >>> y.shape, y.sum((0, 2, 3)).tolist()
    (minicnn.Size([1, 3, 2, 2]), [0.0, 4.0, 0.0])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        missing = out_channels - in_channels
        self.before, self.behind, self.stride = missing // 2, missing - missing // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]  # (N, in_channels, H/stride, W/stride)
        return F.pad(x, (0, 0, 0, 0, self.before, self.behind))

    def extra_repr(self) -> str:
        return f"before={self.before}, behind={self.behind}, stride={self.stride}"


class CifarBlock(nn.Module):
    """``y = relu(f(x) + shortcut(x))`` with ``f = bn2(conv2(relu(bn1(conv1(x)))))``, figure 2 of the paper.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int, default 1
        Of the first convolution.
    shortcut : {"A", "B", None}, default "A"
        Where shapes differ: A adds channels of zeros, B is a projection (1 x 1 convolution). None: there is no
        shortcut anywhere, ``y = relu(f(x))``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.CifarBlock(16, 32, stride=2)(minicnn.zeros(1, 16, 8, 8)).shape
    minicnn.Size([1, 32, 4, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, shortcut: str | None = "A") -> None:
        super().__init__()
        if shortcut not in ("A", "B", None):
            raise ValueError(
                f"shortcut must be 'A' (zero channels), 'B' (projection) or None (a plain network); got {shortcut!r}"
            )
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module | None
        if shortcut is None:
            self.shortcut = None
        elif stride == 1 and in_channels == out_channels:
            self.shortcut = nn.Identity()
        elif shortcut == "A":
            self.shortcut = PaddingShortcut(in_channels, out_channels, stride)
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def residual(self, x: Tensor) -> Tensor:
        """The function f that the shortcut passes by."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(y))

    def forward(self, x: Tensor) -> Tensor:
        y = self.residual(x)  # (N, out_channels, H/stride, W/stride)
        return self.relu(y if self.shortcut is None else y + self.shortcut(x))


class CifarResNet(ImageNetwork):
    """The residual network of depth 6n + 2 for images of 32 x 32 pixels.

    Parameters
    ----------
    depth : int
        Convolutions and fully connected layers from the image to the output: 6n + 2 for n blocks in each stage.
    num_classes : int, default 10
    shortcut : {"A", "B", None}, default "A"
        See :class:`CifarBlock`; None is the plain network.
    in_channels : int, default 3
    block : callable, default CifarBlock
        ``block(in_channels, out_channels, stride, shortcut)`` makes one block.

    Raises
    ------
    ValueError
        If the depth is not 6n + 2.

    References
    ----------
    He et al., *Deep residual learning for image recognition*, 2015, section 4.2. Initialisation: He et al., *Delving
    deep into rectifiers*, 2015.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.CifarResNet(depth=8)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 10,
        shortcut: str | None = "A",
        *,
        in_channels: int = 3,
        block: Callable[[int, int, int, str | None], nn.Module] = CifarBlock,
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"{type(self).__name__}: depth must be 6n + 2, that is 8, 14, 20, ...; got {depth}")
        n = (depth - 2) // 6

        def stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
            first = block(in_channels, out_channels, stride, shortcut)
            return nn.Sequential(first, *(block(out_channels, out_channels, 1, shortcut) for _ in range(n - 1)))

        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(16, 16, stride=1)
        self.layer2 = stage(16, 32, stride=2)
        self.layer3 = stage(32, 64, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 16, H, W)
        x = self.layer1(x)  # (N, 16, H, W)
        x = self.layer2(x)  # (N, 32, H/2, W/2)
        x = self.layer3(x)  # (N, 64, H/4, W/4)
        return self.linear(self.avgpool(x).flatten(1))


@register_model(image=(3, 32, 32))
def plain20(**config: Any) -> CifarResNet:
    """ResNet-20 without shortcuts: 269,722 parameters, 32 x 32 images; figure 6 (left)."""
    return CifarResNet(20, shortcut=None, **config)


@register_model(image=(3, 32, 32))
def plain56(**config: Any) -> CifarResNet:
    """ResNet-56 without shortcuts: 853,018 parameters, 32 x 32 images; worse than plain20 in figure 6 (left)."""
    return CifarResNet(56, shortcut=None, **config)


@register_model(image=(3, 32, 32))
def resnet20(**config: Any) -> CifarResNet:
    """ResNet-20: 269,722 parameters, 32 x 32 images; 8.75 % errors in table 6."""
    return CifarResNet(20, **config)


@register_model(image=(3, 32, 32))
def resnet32(**config: Any) -> CifarResNet:
    """ResNet-32: 464,154 parameters, 32 x 32 images; 7.51 % errors in table 6."""
    return CifarResNet(32, **config)


@register_model(image=(3, 32, 32))
def resnet44(**config: Any) -> CifarResNet:
    """ResNet-44: 658,586 parameters, 32 x 32 images; 7.17 % errors in table 6."""
    return CifarResNet(44, **config)


@register_model(image=(3, 32, 32))
def resnet56(**config: Any) -> CifarResNet:
    """ResNet-56: 853,018 parameters, 32 x 32 images; 6.97 % errors in table 6."""
    return CifarResNet(56, **config)


@register_model(image=(3, 32, 32))
def resnet110(**config: Any) -> CifarResNet:
    """ResNet-110: 1,727,962 parameters, 32 x 32 images; 6.43 % errors in table 6."""
    return CifarResNet(110, **config)


@register_model(image=(3, 32, 32))
def resnet1202(**config: Any) -> CifarResNet:
    """ResNet-1202: 19,421,274 parameters, 32 x 32 images; 7.93 % errors in table 6, more than ResNet-110 has."""
    return CifarResNet(1202, **config)
