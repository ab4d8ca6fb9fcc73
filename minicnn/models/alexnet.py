"""AlexNet: the network that won ImageNet 2012.

Krizhevsky, Sutskever & Hinton, *ImageNet classification with deep convolutional neural networks*, 2012: figure 2,
section 3 (architecture) and section 5 (initial weights). Three networks have this name:

==================  ===================  ==========  ===========================================================
model               filters              parameters
==================  ===================  ==========  ===========================================================
alexnet_2012        96-256-384-384-256   60,965,224  the paper's: convolutions 2, 4 and 5 in two groups, one on
                                                     each GPU
alexnet_one_tower   96-256-384-384-256   62,378,344  the same without groups: what figures in one tower show
alexnet             64-192-384-256-256   61,100,840  torchvision's, after Krizhevsky, *One weird trick for
                                                     parallelizing convolutional neural networks*, 2014: no
                                                     groups, no response normalisation, padding in convolution 1
==================  ===================  ==========  ===========================================================

What differs between the paper and its implementations:

- The paper writes 224 x 224 images, which give no 55 x 55 maps; with 227 x 227 all its sizes come out.
- The paper's response normalisation divides by ``(k + alpha * sum)^beta``, PyTorch's (and Caffe's) by
  ``(k + alpha/size * sum)^beta``: the paper's alpha of 1e-4 over 5 channels is ``alpha=5e-4`` here.
- The paper drops outputs of the two hidden fully connected layers, torchvision their inputs.
- torchvision averages to 6 x 6 before the fully connected layers, so that other image sizes fit; done here too,
  where it changes nothing at 227 x 227.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["AlexNet", "AlexNet2012", "alexnet", "alexnet_2012", "alexnet_one_tower"]


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


def response_norm() -> nn.LocalResponseNorm:
    """Local response normalisation with the constants of section 3.3: n = 5, alpha = 1e-4, beta = 0.75, k = 2."""
    size = 5
    return nn.LocalResponseNorm(size, alpha=size * 1e-4, beta=0.75, k=2.0)  # the layer divides alpha by size


def dense_layers(num_classes: int, dropout: float, hidden_features: int) -> nn.Sequential:
    """The three fully connected layers, with dropout of the hidden layers' outputs (section 4.2)."""
    return nn.Sequential(
        nn.Linear(256 * 6 * 6, hidden_features),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden_features, hidden_features),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden_features, num_classes),
    )


class AlexNet2012(ImageNetwork):
    """The AlexNet of the paper.

    Initial weights are the paper's: ``N(0, 0.01^2)``; biases 1 in convolutions 2, 4 and 5 and in the hidden
    fully connected layers, so that their ReLUs start with positive inputs, else 0.

    Parameters
    ----------
    num_classes : int, default 1000
    dropout : float, default 0.5
        Share of outputs dropped of each of the two hidden fully connected layers.
    groups : int, default 2
        The GPUs of the paper, over which convolutions 2, 4 and 5 are split. 1: one tower.
    hidden_features : int, default 4096
        Units of each hidden fully connected layer.
    in_channels : int, default 3

    References
    ----------
    Krizhevsky, Sutskever & Hinton, *ImageNet classification with deep convolutional neural networks*, 2012,
    section 3 and figure 2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.AlexNet2012(num_classes=10, hidden_features=16)(minicnn.zeros(1, 3, 67, 67)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        dropout: float = 0.5,
        groups: int = 2,
        *,
        hidden_features: int = 4096,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=11, stride=4),  # (N, 96, 55, 55)
            nn.ReLU(inplace=True),
            response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 27, 27)
            nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=groups),
            nn.ReLU(inplace=True),
            response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 13, 13)
            nn.Conv2d(256, 384, kernel_size=3, padding=1),  # sees both GPUs
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=groups),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=groups),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = dense_layers(num_classes, dropout, hidden_features)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, as section 5 of the paper does."""
        layers = [layer for layer in self.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
        for number, layer in enumerate(layers, start=1):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, 1.0 if number in (2, 4, 5, 6, 7) else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 256, 6, 6)
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


@register_model(image=(3, 227, 227))
def alexnet_2012(**config: Any) -> AlexNet2012:
    """AlexNet of the paper, figure 2: two groups, 60,965,224 parameters, 227 x 227 images.

    Parameters
    ----------
    **config
        Arguments of :class:`AlexNet2012`.
    """
    return AlexNet2012(**config)


@register_model(image=(3, 227, 227))
def alexnet_one_tower(**config: Any) -> AlexNet2012:
    """The paper's AlexNet without groups: 62,378,344 parameters, 227 x 227 images.

    Parameters
    ----------
    **config
        Arguments of :class:`AlexNet2012`.
    """
    return AlexNet2012(**{"groups": 1, **config})
