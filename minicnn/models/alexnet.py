"""AlexNet: the network that won ImageNet 2012.

Krizhevsky, Sutskever & Hinton, *ImageNet classification with deep convolutional neural networks*, 2012.
torchvision's ``alexnet`` is the later one-GPU variant of Krizhevsky, *One weird trick for parallelizing
convolutional neural networks*, 2014 (footnote 1): 64-192-384-256-256 filters, no groups, no local response
normalisation.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["AlexNet", "alexnet"]


class AlexNet(ImageNetwork):
    """torchvision's AlexNet: five convolutions, three fully connected layers.

    Parameters
    ----------
    num_classes : int, default 1000
    dropout : float, default 0.5
        Share of features dropped before each of the first two fully connected layers.
    in_channels : int, default 3

    References
    ----------
    Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, 2014.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.AlexNet(num_classes=10)(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, *, in_channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 256, H/32, W/32)
        x = self.avgpool(x)  # (N, 256, 6, 6)
        return self.classifier(x.flatten(1))


@register_model
def alexnet(**config: Any) -> AlexNet:
    """AlexNet as in torchvision: 61,100,840 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`AlexNet`.
    """
    return AlexNet(**config)
