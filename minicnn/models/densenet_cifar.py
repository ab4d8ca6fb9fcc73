"""The DenseNets for 32 x 32 images (CIFAR).

Huang, Liu, van der Maaten & Weinberger, *Densely connected convolutional networks*, 2017: section 3 (the layer,
bottleneck and compression), section 3 "Implementation details" (three blocks at 32, 16 and 8 pixels), table 2.

The code follows the paper, with dropout after every convolution but the first, as its section 4.2 has it.
``densenet40_k12`` is the paper's DenseNet (L = 40, k = 12) of 1.0 M parameters, ``densenet_bc100_k12`` its DenseNet-BC
(L = 100, k = 12) of 0.8 M. Weights start as in the ImageNet networks here (He et al., 2015); the authors' code takes
``fan_out`` in place of ``fan_in``.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..ops.joining import cat
from .base import ImageNetwork
from .densenet import initialise_densenet
from .registry import register_model

__all__ = ["DenseNetCifar", "densenet40_k12", "densenet_bc100_k12"]


def _activated_conv(inp: int, oup: int, kernel_size: int, dropout: float) -> list[nn.Module]:
    """BN-ReLU-Conv of the image's size, and dropout."""
    conv = nn.Conv2d(inp, oup, kernel_size, padding=kernel_size // 2, bias=False)
    return [nn.BatchNorm2d(inp), nn.ReLU(inplace=True), conv, nn.Dropout(dropout)]


class _DenseLayer(nn.Module):
    """``growth_rate`` new channels behind those there are: equation 2 of the paper."""

    def __init__(self, inp: int, growth_rate: int, bottleneck: bool, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = inp
        if bottleneck:
            width = 4 * growth_rate
            layers += _activated_conv(inp, width, 1, dropout)
        self.layers = nn.Sequential(*layers, *_activated_conv(width, growth_rate, 3, dropout))

    def forward(self, x: Tensor) -> Tensor:
        return cat((x, self.layers(x)), 1)  # (N, inp + growth_rate, H, W)


class DenseNetCifar(ImageNetwork):
    """The DenseNet for CIFAR: three dense blocks at 32 x 32, 16 x 16 and 8 x 8 pixels.

    Parameters
    ----------
    num_classes : int, default 10
    depth : int, default 40
        Layers with weights (L): ``3n + 4``, or ``6n + 4`` with bottlenecks.
    growth_rate : int, default 12
        Channels that each layer adds (k).
    bottleneck : bool, default False
        A 1 x 1 convolution to ``4k`` channels before each 3 x 3 convolution (DenseNet-B).
    compression : float, default 1.0
        Share of the channels that a transition keeps (theta; DenseNet-C if below 1).
    dropout : float, default 0.0
        After every convolution but the first; the paper takes 0.2 where it trains without augmentation.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``depth`` is none of these numbers, or ``compression`` not in (0, 1].

    References
    ----------
    Huang et al., *Densely connected convolutional networks*, 2017, sections 3 and 4.2, table 2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.DenseNetCifar(depth=10, bottleneck=True, compression=0.5)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 10,
        depth: int = 40,
        growth_rate: int = 12,
        bottleneck: bool = False,
        compression: float = 1.0,
        dropout: float = 0.0,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        step = 6 if bottleneck else 3
        layers, rest = divmod(depth - 4, step)
        if layers < 1 or rest:
            raise ValueError(
                f"DenseNetCifar: depth must be {step}n + 4, for three blocks of {'2n' if bottleneck else 'n'} "
                f"convolutions, the first, two transitions and the classifier; got {depth}. "
                f"Fix: {step * max(layers, 1) + 4} or {step * max(layers + 1, 2) + 4}"
            )
        if not 0 < compression <= 1:
            raise ValueError(f"DenseNetCifar: compression must be above 0 and at most 1; got {compression!r}")
        width = 2 * growth_rate if bottleneck and compression < 1 else 16
        self.features = nn.Sequential({"conv0": nn.Conv2d(in_channels, width, 3, padding=1, bias=False)})
        for number in (1, 2, 3):
            block = nn.Sequential()
            for _ in range(layers):
                block.append(_DenseLayer(width, growth_rate, bottleneck, dropout))
                width += growth_rate
            self.features.add_module(f"denseblock{number}", block)
            if number < 3:
                kept = int(width * compression)
                transition = nn.Sequential(*_activated_conv(width, kept, 1, dropout), nn.AvgPool2d(2))
                self.features.add_module(f"transition{number}", transition)
                width = kept
        self.features.add_module("norm", nn.BatchNorm2d(width))
        self.features.add_module("relu", nn.ReLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, num_classes)
        initialise_densenet(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, C, H/4, W/4)
        return self.classifier(self.avgpool(x).flatten(1))


@register_model(image=(3, 32, 32))
def densenet40_k12(**config: Any) -> DenseNetCifar:
    """DenseNet (L = 40, k = 12) for CIFAR-10: 1,019,722 parameters, 32 x 32 images; table 2 of the paper (1.0 M).

    Parameters
    ----------
    **config
        ``num_classes``, ``dropout`` and ``in_channels`` of :class:`DenseNetCifar`.
    """
    return DenseNetCifar(depth=40, growth_rate=12, **config)


@register_model(image=(3, 32, 32))
def densenet_bc100_k12(**config: Any) -> DenseNetCifar:
    """DenseNet-BC (L = 100, k = 12) for CIFAR-10: 769,162 parameters, 32 x 32 images; table 2 of the paper (0.8 M).

    Parameters
    ----------
    **config
        ``num_classes``, ``dropout`` and ``in_channels`` of :class:`DenseNetCifar`.
    """
    return DenseNetCifar(depth=100, growth_rate=12, bottleneck=True, compression=0.5, **config)
