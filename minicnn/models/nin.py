"""Network in network: a small perceptron in place of every linear filter, and no fully connected layer at the end.

Lin, Chen & Yan, *Network in network*, 2013: section 3.1 (mlpconv), section 3.2 (global average pooling), figure 2.
The paper gives no numbers of filters; they are those of the networks that its authors published: ``nin_cifar10`` with
966,986 parameters, and for ImageNet the 29 MB of ``nin``, 7,595,176 parameters.

What differs: as in the published networks, the scores of the classes pass a ReLU before they are averaged, and
pooling keeps incomplete windows (``ceil_mode``). A later file of the authors for Caffe pools the second time by
average; here by maximum, as in the paper. The authors' initial weights suit pixels of 0 to 255; here they are He's,
which suit normalised images.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["NIN", "MLPConv", "NINCifar10", "nin", "nin_cifar10"]


class MLPConv(nn.Sequential):
    """A perceptron of three layers that slides over the image: one k x k convolution, two 1 x 1, a ReLU behind each.

    Parameters
    ----------
    in_channels : int
    out_channels : (int, int, int)
        Units of the three layers.
    kernel_size : int
        Of the first.
    stride : int, default 1
    padding : int, default 0

    References
    ----------
    Lin, Chen & Yan, *Network in network*, 2013, section 3.1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.MLPConv(3, (8, 6, 4), kernel_size=5, padding=2)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 4, 32, 32])
    """

    def __init__(
        self, in_channels: int, out_channels: tuple[int, int, int], kernel_size: int, stride: int = 1, padding: int = 0
    ) -> None:
        first, second, third = out_channels
        super().__init__(
            nn.Conv2d(in_channels, first, kernel_size, stride, padding),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(second, third, kernel_size=1),
            nn.ReLU(inplace=True),
        )
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)


class _NetworkInNetwork(ImageNetwork):
    """Feature maps that are the scores of the classes, one map for each, averaged over all places."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, num_classes, H', W')
        return self.avgpool(x).flatten(1)  # (N, num_classes)


class NIN(_NetworkInNetwork):
    """The network in network for ImageNet: four mlpconv layers.

    Parameters
    ----------
    num_classes : int, default 1000
    dropout : float, default 0.5
        Share of features dropped before the last mlpconv layer.
    in_channels : int, default 3

    References
    ----------
    Lin, Chen & Yan, *Network in network*, 2013; sizes from the authors' network in Caffe's model zoo.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.NIN(num_classes=10)(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, *, in_channels: int = 3) -> None:
        super().__init__(
            MLPConv(in_channels, (96, 96, 96), kernel_size=11, stride=4),  # (N, 96, 54, 54)
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 96, 27, 27)
            MLPConv(96, (256, 256, 256), kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 256, 13, 13)
            MLPConv(256, (384, 384, 384), kernel_size=3, padding=1),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 384, 6, 6)
            nn.Dropout(dropout),
            MLPConv(384, (1024, 1024, num_classes), kernel_size=3, padding=1),
        )


class NINCifar10(_NetworkInNetwork):
    """The network in network for CIFAR-10: three mlpconv layers.

    Parameters
    ----------
    num_classes : int, default 10
    dropout : float, default 0.5
        Share of features dropped before the second and the third mlpconv layer.
    in_channels : int, default 3

    References
    ----------
    Lin, Chen & Yan, *Network in network*, 2013, figure 2 and section 4; sizes from the authors' network.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.NINCifar10()(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(self, num_classes: int = 10, dropout: float = 0.5, *, in_channels: int = 3) -> None:
        super().__init__(
            MLPConv(in_channels, (192, 160, 96), kernel_size=5, padding=2),  # (N, 96, 32, 32)
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 96, 16, 16)
            nn.Dropout(dropout),
            MLPConv(96, (192, 192, 192), kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 192, 8, 8)
            nn.Dropout(dropout),
            MLPConv(192, (192, 192, num_classes), kernel_size=3, padding=1),
        )


@register_model
def nin(**config: Any) -> NIN:
    """Network in network for ImageNet, Lin et al., 2013: 7,595,176 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`NIN`.
    """
    return NIN(**config)


@register_model(image=(3, 32, 32))
def nin_cifar10(**config: Any) -> NINCifar10:
    """Network in network for CIFAR-10, Lin et al., 2013, figure 2: 966,986 parameters, 32 x 32 images.

    Parameters
    ----------
    **config
        Arguments of :class:`NINCifar10`.
    """
    return NINCifar10(**config)
