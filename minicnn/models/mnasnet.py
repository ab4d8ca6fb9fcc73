"""MnasNet: inverted residual blocks, their windows and widths found by search for speed on a telephone.

Tan, Chen, Pang, Vasudevan, Sandler, Howard & Le, *MnasNet: platform-aware neural architecture search for mobile*, 2019.

As torchvision's, which are the variant B1 of the authors' code, found without squeeze-and-excitation in the search: it
is figure 7(a) of the paper's first version (2018), while figure 7 of the published one shows A1, which has it. Batch
normalisation forgets slowly: TensorFlow's decay of 0.9997 is a momentum of 0.0003 here. Files that torchvision wrote
before its version 0.5 have a stem of unscaled width: of those, only that of ``mnasnet1_0`` fits.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .blocks import check_width, make_divisible
from .registry import register_model

__all__ = ["MNASNet", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]

BN_MOMENTUM = 1 - 0.9997

# window, stride of the first block, expansion, blocks, output channels
STACKS = [
    (3, 2, 3, 3, 24),
    (5, 2, 3, 3, 40),
    (5, 2, 6, 3, 80),
    (3, 1, 6, 2, 96),
    (5, 2, 6, 4, 192),
    (3, 1, 6, 1, 320),
]


class _InvertedResidual(nn.Module):
    """Expand by a 1 x 1 convolution, filter each channel, project back without activation; add the input if it fits.

    Parameters
    ----------
    in_ch, out_ch : int
    kernel_size : {3, 5}
    stride : {1, 2}
    expansion_factor : int
        The middle has this many times ``in_ch`` channels.
    bn_momentum : float, default 0.1
    """

    def __init__(
        self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int, bn_momentum: float = 0.1
    ) -> None:
        super().__init__()
        middle = in_ch * expansion_factor
        norm = partial(nn.BatchNorm2d, momentum=bn_momentum)
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, middle, 1, bias=False),
            norm(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, middle, kernel_size, stride, padding=kernel_size // 2, groups=middle, bias=False),
            norm(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out_ch, 1, bias=False),
            norm(out_ch),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


class MNASNet(ImageNetwork):
    """torchvision's MNASNet (B1): six stacks of inverted residual blocks.

    Parameters
    ----------
    alpha : float
        Multiplies the number of channels of every layer but the last convolution.
    num_classes : int, default 1000
    dropout : float, default 0.2
        Share of features dropped before the classifier.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``alpha`` is not positive.

    References
    ----------
    Tan et al., *MnasNet: platform-aware neural architecture search for mobile*, first version, 2018, figure 7(a).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.MNASNet(0.25, num_classes=10)
    >>> model(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2, *, in_channels: int = 3) -> None:
        super().__init__()
        check_width("MNASNet: alpha", alpha)
        self.alpha, self.num_classes = alpha, num_classes
        norm = partial(nn.BatchNorm2d, momentum=BN_MOMENTUM)
        stem, width = make_divisible(32 * alpha, 8), make_divisible(16 * alpha, 8)
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, stem, 3, stride=2, padding=1, bias=False),
            norm(stem),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, stem, 3, padding=1, groups=stem, bias=False),
            norm(stem),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, width, 1, bias=False),
            norm(width),
        ]
        for window, stride, expansion, blocks, channels in STACKS:
            out = make_divisible(channels * alpha, 8)
            stack = [_InvertedResidual(width, out, window, stride, expansion, BN_MOMENTUM)]
            stack += [_InvertedResidual(out, out, window, 1, expansion, BN_MOMENTUM) for _ in range(blocks - 1)]
            layers.append(nn.Sequential(*stack))
            width = out
        layers += [nn.Conv2d(width, 1280, 1, bias=False), norm(1280), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)  # (N, 1280, H/32, W/32)
        return self.classifier(x.mean([2, 3]))


@register_model
def mnasnet0_5(**config: Any) -> MNASNet:
    """MNASNet of half the width as in torchvision: 2,218,512 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`MNASNet` but ``alpha``.
    """
    return MNASNet(0.5, **config)


@register_model
def mnasnet0_75(**config: Any) -> MNASNet:
    """MNASNet of three quarters of the width as in torchvision: 3,170,208 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`MNASNet` but ``alpha``.
    """
    return MNASNet(0.75, **config)


@register_model
def mnasnet1_0(**config: Any) -> MNASNet:
    """MNASNet as in torchvision: 4,383,312 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`MNASNet` but ``alpha``.
    """
    return MNASNet(1.0, **config)


@register_model
def mnasnet1_3(**config: Any) -> MNASNet:
    """MNASNet of 1.3 times the width as in torchvision: 6,282,256 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`MNASNet` but ``alpha``.
    """
    return MNASNet(1.3, **config)
