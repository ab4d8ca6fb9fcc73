"""ResNet: layers that learn what to add to their input; with ResNeXt and the wide ResNets, which change the block.

- He, Zhang, Ren & Sun, *Deep residual learning for image recognition*, 2015: figure 5 shows the two blocks, table 1
  the networks.
- Xie et al., *Aggregated residual transformations for deep neural networks*, 2016 (ResNeXt): the bottleneck's 3 x 3
  convolution in groups, figure 3 (c) and table 1.
- Zagoruyko & Komodakis, *Wide residual networks*, 2016: the bottleneck's 3 x 3 convolution twice as wide, table 8.

What differs from the paper, as in torchvision:

- In a bottleneck that halves the size, the 3 x 3 convolution has the stride; the paper's first 1 x 1 convolution has
  it, and so throws three quarters of its input away. The variant is known as ResNet V1.5.
- Shortcuts between different sizes are 1 x 1 convolutions (option B) in all networks; for the two shallow ones the
  paper prefers the input with zero channels added (option A, table 2).

The functions at the end take the arguments of :class:`ResNet` after ``layers``, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]

Norm = Callable[[int], nn.Module]


def conv3x3(in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """3 x 3 convolution that keeps the size (or divides it by the stride), without bias: normalisation follows."""
    return nn.Conv2d(
        in_planes, out_planes, 3, stride=stride, padding=dilation, groups=groups, dilation=dilation, bias=False
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """1 x 1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and the shortcut: ``y = relu(F(x) + x)``, ``F = bn(conv3x3(relu(bn(conv3x3(x)))))``.

    Parameters
    ----------
    inplanes : int
        Channels of the input.
    planes : int
        Channels of both convolutions.
    stride : int, default 1
        Of the first convolution.
    downsample : Module, optional
        The shortcut, where input and output differ in size; the identity if None.
    groups : int, default 1
    base_width : int, default 64
    dilation : int, default 1
        These three are the bottleneck's; here only the defaults exist.
    norm_layer : callable, default nn.BatchNorm2d
        Makes the normalisation from the number of channels.

    Raises
    ------
    ValueError
        For groups, a width or a dilation other than the defaults.

    References
    ----------
    He et al., *Deep residual learning*, 2015, figure 5 left.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.BasicBlock(8, 8)(minicnn.zeros(1, 8, 5, 5)).shape
    minicnn.Size([1, 8, 5, 5])
    """

    expansion = 1  # channels of the output / planes

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError(
                f"BasicBlock: groups, base_width and dilation must be 1, 64 and 1; got {groups}, {base_width} and "
                f"{dilation}. Fix: Bottleneck (resnet50 and deeper) has them"
            )
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # (N, planes, H/stride, W/stride)
        out = self.bn2(self.conv2(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(out + shortcut)


class Bottleneck(nn.Module):
    """1 x 1 to fewer channels, 3 x 3, 1 x 1 to ``4 * planes`` channels, and the shortcut: ``y = relu(F(x) + x)``.

    The 3 x 3 convolution has ``width = floor(planes * base_width / 64) * groups`` channels: ``planes`` in a ResNet,
    twice that in 32 groups in a ResNeXt (32 x 4d), twice that in one group in a wide ResNet.

    Parameters
    ----------
    inplanes : int
        Channels of the input.
    planes : int
        A quarter of the output's channels.
    stride : int, default 1
        Of the 3 x 3 convolution (the paper's first 1 x 1 convolution has it).
    downsample : Module, optional
        The shortcut, where input and output differ in size; the identity if None.
    groups : int, default 1
        Of the 3 x 3 convolution: ResNeXt's cardinality.
    base_width : int, default 64
        Channels of a group where ``planes`` is 64.
    dilation : int, default 1
        Of the 3 x 3 convolution.
    norm_layer : callable, default nn.BatchNorm2d
        Makes the normalisation from the number of channels.

    References
    ----------
    He et al., *Deep residual learning*, 2015, figure 5 right; Xie et al., *ResNeXt*, 2016, figure 3 (c).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.Bottleneck(32, 8)(minicnn.zeros(1, 32, 5, 5)).shape
    minicnn.Size([1, 32, 5, 5])
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        width = int(planes * base_width / 64) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # (N, width, H, W)
        out = self.relu(self.bn2(self.conv2(out)))  # (N, width, H/stride, W/stride)
        out = self.bn3(self.conv3(out))  # (N, 4*planes, H/stride, W/stride)
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(out + shortcut)


class ResNet(ImageNetwork):
    """Four stages of residual blocks, with 64, 128, 256 and 512 planes; each stage after the first halves the size.

    Parameters
    ----------
    block : class
        :class:`BasicBlock` or :class:`Bottleneck`.
    layers : sequence of four int
        Number of blocks in each stage.
    num_classes : int, default 1000
    zero_init_residual : bool, default False
        Start each block as the identity, by a zero scale in its last batch normalisation
        (Goyal et al., *Accurate, large minibatch SGD*, 2017, section 5.1).
    groups : int, default 1
    width_per_group : int, default 64
        Groups of the 3 x 3 convolutions, and the channels of each in the first stage.
    replace_stride_with_dilation : sequence of three bool, optional
        Whether the second, third and fourth stage keep the size and spread their filters instead.
    norm_layer : callable, default nn.BatchNorm2d
        Makes the normalisation from the number of channels.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``layers`` has not four entries or ``replace_stride_with_dilation`` not three.

    References
    ----------
    He et al., *Deep residual learning for image recognition*, 2015, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> resnet10 = models.ResNet(models.BasicBlock, [1, 1, 1, 1], num_classes=10)
    >>> resnet10(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(layers) != 4:
            raise ValueError(f"ResNet: layers must be four numbers of blocks, such as [3, 4, 6, 3]; got {layers!r}")
        dilate = (False,) * 3 if replace_stride_with_dilation is None else replace_stride_with_dilation
        if len(dilate) != 3:
            raise ValueError(
                "ResNet: replace_stride_with_dilation must be three bools, for the second, third and fourth stage; "
                f"got {replace_stride_with_dilation!r}"
            )
        self._norm_layer: Norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.inplanes = 64  # channels of the next block's input
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group

        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialise(zero_init_residual)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        """One stage; its first block changes the size and the number of channels."""
        norm, dilation = self._norm_layer, self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        channels = planes * block.expansion
        shortcut = None
        if stride != 1 or self.inplanes != channels:
            shortcut = nn.Sequential(conv1x1(self.inplanes, channels, stride), norm(channels))
        kind = (self.groups, self.base_width)
        first = block(self.inplanes, planes, stride, shortcut, *kind, dilation, norm)
        self.inplanes = channels
        rest = [block(channels, planes, 1, None, *kind, self.dilation, norm) for _ in range(1, blocks)]
        return nn.Sequential(first, *rest)

    def _initialise(self, zero_init_residual: bool) -> None:
        """He et al.'s normal distribution for the convolutions; everything else keeps its layer's default."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
                last: Any = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                if getattr(last, "weight", None) is not None:  # some normalisations have no scale
                    nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 64, H/2, W/2)
        x = self.maxpool(x)  # (N, 64, H/4, W/4)
        x = self.layer1(x)  # (N, 64*expansion, H/4, W/4)
        x = self.layer2(x)  # (N, 128*expansion, H/8, W/8)
        x = self.layer3(x)  # (N, 256*expansion, H/16, W/16)
        x = self.layer4(x)  # (N, 512*expansion, H/32, W/32)
        x = self.avgpool(x)  # (N, 512*expansion, 1, 1)
        return self.fc(x.flatten(1))  # (N, num_classes)


@register_model
def resnet18(**config: Any) -> ResNet:
    """ResNet-18, table 1 of the paper: 11,689,512 parameters, 224 x 224 images."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **config)


@register_model
def resnet34(**config: Any) -> ResNet:
    """ResNet-34, table 1 of the paper: 21,797,672 parameters, 224 x 224 images."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **config)


@register_model
def resnet50(**config: Any) -> ResNet:
    """ResNet-50, table 1 of the paper: 25,557,032 parameters, 224 x 224 images."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **config)


@register_model
def resnet101(**config: Any) -> ResNet:
    """ResNet-101, table 1 of the paper: 44,549,160 parameters, 224 x 224 images."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **config)


@register_model
def resnet152(**config: Any) -> ResNet:
    """ResNet-152, table 1 of the paper: 60,192,808 parameters, 224 x 224 images."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **config)


@register_model
def resnext50_32x4d(**config: Any) -> ResNet:
    """ResNeXt-50 (32 x 4d), table 1 of Xie et al.: 25,028,904 parameters, 224 x 224 images."""
    return ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4, **config)


@register_model
def resnext101_32x8d(**config: Any) -> ResNet:
    """ResNeXt-101 (32 x 8d): 88,791,336 parameters, 224 x 224 images."""
    return ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=8, **config)


@register_model
def wide_resnet50_2(**config: Any) -> ResNet:
    """Wide ResNet-50-2, table 8 of Zagoruyko & Komodakis: 68,883,240 parameters, 224 x 224 images."""
    return ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=128, **config)


@register_model
def wide_resnet101_2(**config: Any) -> ResNet:
    """Wide ResNet-101-2, twice as wide as ResNet-101: 126,886,696 parameters, 224 x 224 images."""
    return ResNet(Bottleneck, [3, 4, 23, 3], width_per_group=128, **config)
