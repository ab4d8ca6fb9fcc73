"""GoogLeNet as in the paper, the network that won ImageNet 2014.

Szegedy et al., *Going deeper with convolutions*, 2014: table 1, figure 3, and section 5 for the auxiliary heads. True
5 x 5 filters, biases and no batch normalisation, local response normalisation in the stem. What the paper leaves open
is here as in Caffe's ``bvlc_googlenet``, whose number of parameters it has: the constants of the local response
normalisation (5 channels, alpha 0.0001, beta 0.75) and the initial values.

What differs from the paper:

- Table 1 gives the first convolution 2.7 K parameters, which would be 7 x 1 and 1 x 7 filters, (7 + 7) * 3 * 64. The
  text, figure 3 and all implementations have 7 x 7 * 3 * 64 weights.
- The average over the last 7 x 7 values is over whatever is there, so that larger images can be classified. In
  training the auxiliary heads take images of 223 to 270 pixels only.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..nn import functional as F
from .googlenet import GoogLeNet, Inception
from .registry import register_model

__all__ = ["GoogLeNet2014", "googlenet_2014"]


class ConvReLU(nn.Module):
    """Convolution with bias, then ReLU.

    Parameters
    ----------
    in_channels : int
    out_channels : int
    **kwargs
        Further arguments of :class:`minicnn.nn.Conv2d`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.googlenet_2014 import ConvReLU
    >>> ConvReLU(3, 8, kernel_size=3, padding=1)(minicnn.zeros(2, 3, 5, 5)).shape
    minicnn.Size([2, 8, 5, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x), inplace=True)


class AuxiliaryHead(nn.Module):
    """The paper's auxiliary classifier: average pooling 5 x 5 with stride 3, 1 x 1 convolution, two layers.

    Parameters
    ----------
    in_channels : int
        The input is ``(N, in_channels, 14, 14)``.
    num_classes : int
    dropout : float, default 0.7

    References
    ----------
    Szegedy et al., *Going deeper with convolutions*, 2014, section 5.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.googlenet_2014 import AuxiliaryHead
    >>> AuxiliaryHead(8, num_classes=10)(minicnn.zeros(2, 8, 14, 14)).shape
    minicnn.Size([2, 10])
    """

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        super().__init__()
        self.avgpool = nn.AvgPool2d(kernel_size=5, stride=3)
        self.conv = ConvReLU(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(p=dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.avgpool(x))  # (N, 128, 4, 4)
        x = F.relu(self.fc1(x.flatten(1)), inplace=True)  # (N, 1024)
        return self.fc2(self.dropout(x))  # (N, num_classes)


class GoogLeNet2014(GoogLeNet):
    """GoogLeNet as in the paper: :class:`GoogLeNet` with true 5 x 5 filters, biases and local response normalisation.

    In training it returns :class:`GoogLeNetOutputs`, in evaluation the logits alone.

    Parameters
    ----------
    num_classes : int, default 1000
    aux_logits : bool, default True
        Have the auxiliary heads behind 4a and 4d. They work in training only.
    dropout : float, default 0.4
        Share of features dropped before the last layer.
    dropout_aux : float, default 0.7
        The same in the heads.
    in_channels : int, default 3

    References
    ----------
    Szegedy et al., *Going deeper with convolutions*, 2014, table 1 and figure 3.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.GoogLeNet2014(num_classes=10, aux_logits=False)
    >>> model.inception3a.branch3[1].conv
    Conv2d(16, 32, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    >>> model(minicnn.zeros(2, 3, 32, 32)).shape
    minicnn.Size([2, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        dropout: float = 0.4,
        dropout_aux: float = 0.7,
        *,
        in_channels: int = 3,
    ) -> None:
        module = partial(Inception, conv_block=ConvReLU, true_5x5=True)
        super().__init__(
            num_classes,
            aux_logits,
            blocks=(ConvReLU, module, AuxiliaryHead),
            dropout=dropout,
            dropout_aux=dropout_aux,
            in_channels=in_channels,
        )
        self.maxpool1 = nn.Sequential(self.maxpool1, nn.LocalResponseNorm(5))
        self.maxpool2 = nn.Sequential(nn.LocalResponseNorm(5), self.maxpool2)

    def _initialise(self) -> None:
        """Caffe's "xavier": uniform with variance 1 / fan_in; biases 0.2, those of the logits 0."""
        logits = [self.fc, *(head.fc2 for head in (self.aux1, self.aux2) if head is not None)]
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
                nn.init.constant_(layer.bias, 0.0 if layer in logits else 0.2)


@register_model
def googlenet_2014(**config: Any) -> GoogLeNet2014:
    """GoogLeNet as in the paper: 13,378,280 parameters, 6,998,552 without the heads; 224 x 224 images.

    Parameters
    ----------
    **config
        Arguments of :class:`GoogLeNet2014`.
    """
    return GoogLeNet2014(**config)
