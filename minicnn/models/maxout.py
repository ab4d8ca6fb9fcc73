"""Maxout on CIFAR-10: every unit learns its own activation.

Goodfellow, Warde-Farley, Mirza, Courville & Bengio, *Maxout networks*, 2013, section 5.2: "three convolutional maxout
hidden layers, a fully connected maxout hidden layer, and a softmax". The paper gives no sizes; they are those of the
configuration that its authors published (pylearn2, ``scripts/papers/maxout/cifar10.yaml``):

====== ========= =========================================== ===========================
layer  units     kernel or pieces                            pooling
====== ========= =========================================== ===========================
h0     96        8 x 8, padding 4, 2 pieces: 33 x 33         4 x 4, stride 2: 16 x 16
h1     192       8 x 8, padding 3, 2 pieces: 15 x 15         4 x 4, stride 2: 7 x 7
h2     192       5 x 5, padding 3, 2 pieces: 9 x 9           2 x 2, stride 2: 5 x 5
h3     500       5 pieces
====== ========= =========================================== ===========================

Dropout takes 0.2 of the image and 0.5 of the inputs of every other layer; pooling keeps incomplete windows
(``ceil_mode``). 16,247,830 parameters.

What differs: pylearn2 pools first and then takes the largest piece, which is the same; it does not scale up what
dropout leaves of the image. Its limits on the norm of each filter and its slower learning of the convolutions belong
to the training. It starts with weights uniform in ``+-0.005``, with which the signal shrinks to a thousandth; here
nn's defaults, which keep its size: uniform with a variance of ``1/(3 fan_in)``, where the maxima over pieces and
windows make up for the 3.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["MaxoutConv", "MaxoutNetwork", "maxout_cifar10"]


class MaxoutConv(nn.Sequential):
    """A convolutional maxout layer: convolution, maximum over neighbouring channels, maximum over windows.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int
    padding : int
    pool_size : int
        The windows' size; their stride is 2.
    pieces : int, default 2

    References
    ----------
    Goodfellow et al., *Maxout networks*, 2013, section 2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.MaxoutConv(3, 4, kernel_size=8, padding=4, pool_size=4)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 4, 16, 16])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, padding: int, pool_size: int, pieces: int = 2
    ) -> None:
        super().__init__(
            nn.Conv2d(in_channels, pieces * out_channels, kernel_size, padding=padding),
            nn.Maxout(pieces),
            nn.MaxPool2d(pool_size, stride=2, ceil_mode=True),
        )


class MaxoutNetwork(ImageNetwork):
    """The maxout network for CIFAR-10.

    Parameters
    ----------
    num_classes : int, default 10
    dropout : float, default 0.5
        Share of features dropped before each layer but the first.
    input_dropout : float, default 0.2
        Share of pixels dropped.
    width : int, default 96
        Units of the first layer; the next two have twice as many.
    hidden_features : int, default 500
        Units of the fully connected maxout layer.
    in_channels : int, default 3

    References
    ----------
    Goodfellow et al., *Maxout networks*, 2013, section 5.2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.MaxoutNetwork(width=4, hidden_features=20)(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 10,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        *,
        width: int = 96,
        hidden_features: int = 500,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Dropout(input_dropout),
            MaxoutConv(in_channels, width, kernel_size=8, padding=4, pool_size=4),  # (N, 96, 16, 16)
            nn.Dropout(dropout),
            MaxoutConv(width, 2 * width, kernel_size=8, padding=3, pool_size=4),  # (N, 192, 7, 7)
            nn.Dropout(dropout),
            MaxoutConv(2 * width, 2 * width, kernel_size=5, padding=3, pool_size=2),  # (N, 192, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * width * 5 * 5, 5 * hidden_features),
            nn.Maxout(5),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 192, 5, 5)
        return self.classifier(x.flatten(1))


@register_model(image=(3, 32, 32))
def maxout_cifar10(**config: Any) -> MaxoutNetwork:
    """Maxout network for CIFAR-10, Goodfellow et al., 2013, section 5.2: 16,247,830 parameters, 32 x 32 images.

    Parameters
    ----------
    **config
        Arguments of :class:`MaxoutNetwork`.
    """
    return MaxoutNetwork(**config)
