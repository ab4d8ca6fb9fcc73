"""ZFNet: AlexNet with a finer first layer.

Often called the winner of ImageNet 2013; that was Clarifai, its first author's company, with later networks.

Zeiler & Fergus, *Visualizing and understanding convolutional networks*, 2013, figure 3 and section 3. Looking at
what the filters of AlexNet had learnt, the authors made those of layer 1 smaller (7 x 7 in place of 11 x 11) and
their steps shorter (2 in place of 4), and gave up the two groups.

What differs: figure 3 gives the sizes of all maps (110, 55, 26, 13, 13, 13, 6) and no paddings; a margin of 1 in
layer 1 and in layers 3 to 5, none in layer 2, and pooling that keeps incomplete windows (``ceil_mode``) give these
sizes. The constants of the contrast normalisation across maps are not in the paper; AlexNet's are taken. Common
copies leave the normalisation out, or put it before the pooling. The paper's initial weights, ``N(0, 0.01^2)`` with
biases of 0, suit pixels of 0 to 255; normalised images would all but vanish on their way through the network, so the
initial weights are He's. During training the paper also rescales filters whose root mean square exceeds 0.1, which
is not the network's business.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .alexnet import dense_layers, response_norm
from .base import ImageNetwork
from .registry import register_model

__all__ = ["ZFNet", "zfnet"]


class ZFNet(ImageNetwork):
    """Five convolutions, three fully connected layers, as figure 3 of the paper.

    Parameters
    ----------
    num_classes : int, default 1000
    dropout : float, default 0.5
        Share of outputs dropped of each of the two hidden fully connected layers, 6 and 7.
    hidden_features : int, default 4096
        Units of each hidden fully connected layer.
    in_channels : int, default 3

    References
    ----------
    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, 2013, figure 3.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.ZFNet(num_classes=10, hidden_features=16)(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, *, hidden_features: int = 4096, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=7, stride=2, padding=1),  # (N, 96, 110, 110)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 96, 55, 55)
            response_norm(),
            nn.Conv2d(96, 256, kernel_size=5, stride=2),  # (N, 256, 26, 26)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 256, 13, 13)
            response_norm(),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = dense_layers(num_classes, dropout, hidden_features)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 256, 6, 6)
        x = self.avgpool(x)  # (N, 256, 6, 6): only images of other sizes need it
        return self.classifier(x.flatten(1))


@register_model
def zfnet(**config: Any) -> ZFNet:
    """ZFNet, Zeiler & Fergus, 2013, figure 3: 62,357,608 parameters, 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`ZFNet`.
    """
    return ZFNet(**config)
