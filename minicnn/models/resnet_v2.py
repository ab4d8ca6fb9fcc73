"""ResNets with full pre-activation: normalisation and ReLU before each convolution, and nothing after the addition.

He, Zhang, Ren & Sun, *Identity mappings in deep residual networks*, 2016: figure 1(b) and figure 4(e) for the order,
equations 1 to 5 for why: as ``x_L = x_l + F_l(x_l) + ... + F_(L-1)(x_(L-1))``, every block's output and every block's
gradient reach any other block unchanged. The numbers of blocks and channels are those of *Deep residual learning for
image recognition*, table 1:

=======================  =========  ========  =========  ==========  ==========
stage                    output     channels  50 layers  101 layers  152 layers
=======================  =========  ========  =========  ==========  ==========
conv1 (7 x 7, stride 2)  112 x 112  64        ..         ..          ..
pool (3 x 3, stride 2)   56 x 56    64        ..         ..          ..
layer1                   56 x 56    256       3 blocks   3 blocks    3 blocks
layer2                   28 x 28    512       4 blocks   4 blocks    8 blocks
layer3                   14 x 14    1024      6 blocks   23 blocks   36 blocks
layer4                   7 x 7      2048      3 blocks   3 blocks    3 blocks
=======================  =========  ========  =========  ==========  ==========

What differs. This is the network of Keras's ``ResNet50V2`` (from TensorFlow's slim), number for number, which has
habits of its own:

- The last block of a stage halves the image, with a shortcut that takes every second pixel; in the paper it is the
  first, with a projection. So layer1 to layer3 end with half of the table's size.
- The last convolution of a block, the projections and conv1 have biases; in the paper, no convolution has.
- conv1 goes to the pooling without normalisation and ReLU, which follow in the first block; the paper's appendix has
  them right after conv1.
- The pooling counts the border as zeros, where PyTorch's leaves it out of the comparison.
- Batch normalisation adds 1.001e-5 to the variance.

Keras counts running means and variances among the parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["PreActivationBottleneck", "ResNetV2", "resnet50_v2", "resnet101_v2", "resnet152_v2"]

EPS = 1.001e-5


class PreActivationBottleneck(nn.Module):
    """``y = shortcut(x) + F(x)``: three times normalisation, ReLU and convolution (1 x 1, 3 x 3, 1 x 1), figure 4(e).

    Parameters
    ----------
    in_channels : int
    width : int
        Channels of the first two convolutions; the block's output has four times as many.
    stride : int, default 1
        Of the 3 x 3 convolution. The shortcut takes every ``stride``-th pixel.
    project : bool, default False
        The shortcut is a 1 x 1 convolution of relu(bn1(x)), for a change of the number of channels.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.PreActivationBottleneck(32, 8, stride=2)(minicnn.zeros(1, 32, 6, 6)).shape
    minicnn.Size([1, 32, 3, 3])
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1, project: bool = False) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.bn1 = nn.BatchNorm2d(in_channels, EPS)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, EPS)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width, EPS)
        self.conv3 = nn.Conv2d(width, out_channels, 1)
        self.project = project
        self.shortcut: nn.Module
        if project:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride)
        else:
            self.shortcut = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu(self.bn1(x))  # (N, in_channels, H, W)
        y = self.conv1(a)  # (N, width, H, W)
        y = self.conv2(self.relu(self.bn2(y)))  # (N, width, H/stride, W/stride)
        y = self.conv3(self.relu(self.bn3(y)))  # (N, 4 width, H/stride, W/stride)
        return self.shortcut(a if self.project else x) + y


class ResNetV2(ImageNetwork):
    """The pre-activation ResNet.

    Parameters
    ----------
    layers : sequence of four int
        Number of blocks in each stage.
    num_classes : int, default 1000
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If there are not four stages of at least two blocks (the first projects, the last halves the image).

    References
    ----------
    He et al., *Identity mappings in deep residual networks*, 2016.

    Examples
    --------
    >>> from minicnn import models
    >>> model = models.ResNetV2([2, 2, 2, 2], num_classes=10)
    >>> model.layer4[0].shortcut
    Conv2d(1024, 2048, kernel_size=(1, 1), stride=(1, 1))
    """

    def __init__(self, layers: Sequence[int], num_classes: int = 1000, *, in_channels: int = 3) -> None:
        super().__init__()
        if len(layers) != 4 or min(layers) < 2:
            raise ValueError(
                f"{type(self).__name__}: layers must be the numbers of blocks of four stages, each at least 2, "
                f"such as [3, 4, 6, 3]; got {list(layers)}"
            )
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3)
        self.pad = nn.ZeroPad2d(1)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2)
        self.layer1 = self._stage(64, 64, layers[0], stride=2)
        self.layer2 = self._stage(256, 128, layers[1], stride=2)
        self.layer3 = self._stage(512, 256, layers[2], stride=2)
        self.layer4 = self._stage(1024, 512, layers[3], stride=1)
        self.bn = nn.BatchNorm2d(2048, EPS)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @staticmethod
    def _stage(in_channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        channels = PreActivationBottleneck.expansion * width
        return nn.Sequential(
            PreActivationBottleneck(in_channels, width, project=True),
            *(PreActivationBottleneck(channels, width) for _ in range(blocks - 2)),
            PreActivationBottleneck(channels, width, stride),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 64, H/2, W/2)
        x = self.maxpool(self.pad(x))  # (N, 64, H/4, W/4)
        x = self.layer1(x)  # (N, 256, H/8, W/8)
        x = self.layer2(x)  # (N, 512, H/16, W/16)
        x = self.layer3(x)  # (N, 1024, H/32, W/32)
        x = self.layer4(x)  # (N, 2048, H/32, W/32)
        x = self.relu(self.bn(x))
        return self.fc(self.avgpool(x).flatten(1))


@register_model
def resnet50_v2(**config: Any) -> ResNetV2:
    """ResNet-50 with pre-activation: 25,568,360 parameters, 224 x 224 images."""
    return ResNetV2([3, 4, 6, 3], **config)


@register_model
def resnet101_v2(**config: Any) -> ResNetV2:
    """ResNet-101 with pre-activation: 44,577,896 parameters, 224 x 224 images."""
    return ResNetV2([3, 4, 23, 3], **config)


@register_model
def resnet152_v2(**config: Any) -> ResNetV2:
    """ResNet-152 with pre-activation: 60,236,904 parameters, 224 x 224 images; table 5 of the paper."""
    return ResNetV2([3, 8, 36, 3], **config)
