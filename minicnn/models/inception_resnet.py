"""Inception-ResNet-v2: Inception modules as residual functions.

Szegedy, Ioffe, Vanhoucke & Alemi, *Inception-v4, Inception-ResNet and the impact of residual connections on learning*,
2016: figure 15 for the whole, figures 16, 17 and 19 for the blocks A, B and C, figures 7 (with table 1) and 18 for the
reductions, figure 20 for the scaling of residuals.

What differs. This is the network that the authors published the weights of (TensorFlow's slim) and that Keras has,
number for number. Against the paper's figures it has

- twice the blocks, 10 A, 20 B and 10 C in place of 5, 10 and 5; the last block C is not scaled and has no ReLU behind;
- the stem of Inception-v3 and one module ``mixed_5b``, in place of the stem of figure 3;
- 320, 1088 and 2080 channels between the blocks, in place of 384, 1154 (1152 fit) and 2048, and a last convolution to
  1536 channels.

Residuals are scaled by 0.17 (A), 0.10 (B) and 0.20 (C); the paper says *between 0.1 and 0.3* (section 3.3). Batch
normalisation shifts but does not scale: behind it come a ReLU and another convolution, which can scale as well.
Keras counts running means and variances among the parameters, and leaves out the dropout of figure 15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..ops.joining import cat
from .base import ImageNetwork
from .registry import register_model

__all__ = ["InceptionResNetBlock", "InceptionResNetV2", "ShiftingBatchNorm2d", "inception_resnet_v2"]


class ShiftingBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with a learnt shift and no scale: it has no ``weight``.

    Parameters
    ----------
    num_features : int
    eps : float, default 1e-3

    Examples
    --------
    >>> from minicnn import models
    >>> [name for name, _ in models.ShiftingBatchNorm2d(8).named_parameters()]
    ['bias']
    """

    def __init__(self, num_features: int, eps: float = 1e-3) -> None:
        super().__init__(num_features, eps)
        self.register_parameter("weight", None)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


def conv(in_channels: int, out_channels: int, kernel_size: Any, stride: int = 1, padding: Any = 0) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
        ShiftingBatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class Branches(nn.Module):
    """Layers side by side on one input, their results concatenated along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return cat([branch(x) for branch in self.branches], 1)  # (N, sum of the branches' channels, H, W)


class InceptionResNetBlock(nn.Module):
    """``y = relu(x + scale * up(module(x)))``, where ``up`` is a 1 x 1 convolution to the channels of x; figure 20.

    Parameters
    ----------
    module : Module
        An Inception module, which keeps height and width.
    module_channels, channels : int
        Channels of the module's output, and of x and y.
    scale : float
        Of the residual: large residuals make networks of many channels die early in training.
    relu : bool, default True

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models, nn
    >>> block = models.InceptionResNetBlock(nn.Conv2d(8, 4, 3, padding=1), 4, 8, scale=0.1)
    >>> block(minicnn.zeros(1, 8, 5, 5)).shape
    minicnn.Size([1, 8, 5, 5])
    """

    def __init__(self, module: nn.Module, module_channels: int, channels: int, scale: float, relu: bool = True) -> None:
        super().__init__()
        self.module = module
        self.up = nn.Conv2d(module_channels, channels, 1)
        self.scale = scale
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.scale * self.up(self.module(x)))

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


def block_a() -> InceptionResNetBlock:
    """Inception-ResNet-A, 35 x 35; figure 16."""
    module = Branches(
        conv(320, 32, 1),
        nn.Sequential(conv(320, 32, 1), conv(32, 32, 3, padding=1)),
        nn.Sequential(conv(320, 32, 1), conv(32, 48, 3, padding=1), conv(48, 64, 3, padding=1)),
    )
    return InceptionResNetBlock(module, 32 + 32 + 64, 320, scale=0.17)


def block_b() -> InceptionResNetBlock:
    """Inception-ResNet-B, 17 x 17; figure 17."""
    module = Branches(
        conv(1088, 192, 1),
        nn.Sequential(
            conv(1088, 128, 1), conv(128, 160, (1, 7), padding=(0, 3)), conv(160, 192, (7, 1), padding=(3, 0))
        ),
    )
    return InceptionResNetBlock(module, 192 + 192, 1088, scale=0.10)


def block_c(scale: float = 0.20, relu: bool = True) -> InceptionResNetBlock:
    """Inception-ResNet-C, 8 x 8; figure 19."""
    module = Branches(
        conv(2080, 192, 1),
        nn.Sequential(
            conv(2080, 192, 1), conv(192, 224, (1, 3), padding=(0, 1)), conv(224, 256, (3, 1), padding=(1, 0))
        ),
    )
    return InceptionResNetBlock(module, 192 + 256, 2080, scale, relu)


class InceptionResNetV2(ImageNetwork):
    """Inception-ResNet-v2.

    Parameters
    ----------
    num_classes : int, default 1000
    dropout : float, default 0.2
        Share of features dropped before the fully connected layer, figure 15.
    blocks : sequence of three int, default (10, 20, 10)
        Number of blocks A, B and C.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If there are not three numbers of blocks, each at least 1.

    References
    ----------
    Szegedy et al., *Inception-v4, Inception-ResNet and the impact of residual connections on learning*, 2016.

    Examples
    --------
    >>> from minicnn import models
    >>> model = models.InceptionResNetV2(num_classes=10, blocks=(1, 1, 1))
    >>> model.smallest_image()
    75
    """

    def __init__(
        self,
        num_classes: int = 1000,
        dropout: float = 0.2,
        blocks: Sequence[int] = (10, 20, 10),
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(blocks) != 3 or min(blocks) < 1:
            raise ValueError(
                f"{type(self).__name__}: blocks must be the numbers of blocks A, B and C, each at least 1, "
                f"such as (10, 20, 10); got {tuple(blocks)}"
            )
        self.stem = nn.Sequential(
            conv(in_channels, 32, 3, stride=2),
            conv(32, 32, 3),
            conv(32, 64, 3, padding=1),
            nn.MaxPool2d(3, stride=2),
            conv(64, 80, 1),
            conv(80, 192, 3),
            nn.MaxPool2d(3, stride=2),
        )
        self.mixed_5b = Branches(
            conv(192, 96, 1),
            nn.Sequential(conv(192, 48, 1), conv(48, 64, 5, padding=2)),
            nn.Sequential(conv(192, 64, 1), conv(64, 96, 3, padding=1), conv(96, 96, 3, padding=1)),
            nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), conv(192, 64, 1)),
        )
        self.blocks_a = nn.Sequential(*(block_a() for _ in range(blocks[0])))
        self.reduction_a = Branches(  # figure 7 with k = 256, l = 256, m = 384, n = 384
            conv(320, 384, 3, stride=2),
            nn.Sequential(conv(320, 256, 1), conv(256, 256, 3, padding=1), conv(256, 384, 3, stride=2)),
            nn.MaxPool2d(3, stride=2),
        )
        self.blocks_b = nn.Sequential(*(block_b() for _ in range(blocks[1])))
        self.reduction_b = Branches(  # figure 18
            nn.Sequential(conv(1088, 256, 1), conv(256, 384, 3, stride=2)),
            nn.Sequential(conv(1088, 256, 1), conv(256, 288, 3, stride=2)),
            nn.Sequential(conv(1088, 256, 1), conv(256, 288, 3, padding=1), conv(288, 320, 3, stride=2)),
            nn.MaxPool2d(3, stride=2),
        )
        self.blocks_c = nn.Sequential(*(block_c() for _ in range(blocks[2] - 1)), block_c(scale=1.0, relu=False))
        self.conv_7b = conv(2080, 1536, 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1536, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 192, 35, 35) of an image of 299 x 299
        x = self.blocks_a(self.mixed_5b(x))  # (N, 320, 35, 35)
        x = self.blocks_b(self.reduction_a(x))  # (N, 1088, 17, 17)
        x = self.blocks_c(self.reduction_b(x))  # (N, 2080, 8, 8)
        x = self.conv_7b(x)  # (N, 1536, 8, 8)
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))


@register_model(image=(3, 299, 299))
def inception_resnet_v2(**config: Any) -> InceptionResNetV2:
    """Inception-ResNet-v2: 55,813,192 parameters, 299 x 299 images; figure 15, but for the module's docstring.

    Parameters
    ----------
    **config
        Arguments of :class:`InceptionResNetV2`.
    """
    return InceptionResNetV2(**config)
