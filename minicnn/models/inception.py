"""Inception v3: large filters taken apart into smaller ones.

Szegedy et al., *Rethinking the Inception architecture for computer vision*, 2015; table 1 is the network. Its modules:

==============  =========  ========  ===================================================
module          figure     size      what it does
==============  =========  ========  ===================================================
``InceptionA``  figure 5   35 x 35   5 x 5 becomes two 3 x 3
``InceptionB``  figure 10  35 to 17  halves the size: convolutions and pooling, stride 2
``InceptionC``  figure 6   17 x 17   7 x 7 becomes 1 x 7 and 7 x 1
``InceptionD``  figure 10  17 to 8   halves the size, with 7 x 7 taken apart
``InceptionE``  figure 7   8 x 8     3 x 3 becomes 1 x 3 and 3 x 1 side by side
==============  =========  ========  ===================================================

What differs from the paper, as in torchvision (and in the authors' later code, whose weights these are):

- The stem has three 3 x 3 convolutions, then 1 x 1 with 80 filters, 3 x 3 with 192 and a second max pooling; table 1
  has 3 x 3 with 80 (stride 1), 192 (stride 2) and 288 filters.
- ``InceptionA`` keeps one branch with true 5 x 5 filters beside the one with two 3 x 3.
- The auxiliary head has a 5 x 5 convolution with 768 filters where figure 8 has a fully connected layer of 1024.
- Pooling inside the modules is by average where they keep the size and by maximum where they halve it; the figures
  do not say.

Images have 299 x 299 pixels. In training the auxiliary head takes no smaller ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .inception_common import BasicConv2d, Block, check_transform, normalise_anew, with_trained_weights
from .inception_modules import InceptionA, InceptionAux, InceptionB, InceptionC, InceptionD, InceptionE
from .registry import register_model
from .weights import Weights

__all__ = ["Inception3", "InceptionOutputs", "inception_v3"]


class InceptionOutputs(NamedTuple):
    """What Inception v3 returns in training: logits (N, num_classes) of the network and of the auxiliary head."""

    logits: Tensor
    aux_logits: Tensor | None


class Inception3(ImageNetwork):
    """Inception v3: a stem of five convolutions, eleven modules, one fully connected layer.

    In training it returns :class:`InceptionOutputs`, in evaluation the logits alone.

    Parameters
    ----------
    num_classes : int, default 1000
    aux_logits : bool, default True
        Have the auxiliary head. It works in training only, and wants images of at least 299 x 299 pixels.
    transform_input : bool, default False
        Take images normalised with ImageNet's mean and standard deviation and normalise them anew to
        ``(x - 0.5) / 0.5``, as the trained weights expect.
    inception_blocks : sequence of seven callables, optional
        What makes the convolutions, the modules A to E and the head; default: the classes of this file.
    init_weights : bool, optional
        Weights from the normal distribution of standard deviation 0.1 (0.001 in the head's last layer), cut off at
        +-2; None is True. With False each layer keeps its own default.
    dropout : float, default 0.5
        Share of features dropped before the last layer.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``inception_blocks`` has not seven entries, or ``transform_input`` is given for images that have not three
        channels.

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture for computer vision*, 2015, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.Inception3(num_classes=10, aux_logits=False, init_weights=False)
    >>> model(minicnn.zeros(2, 3, 75, 75)).shape
    minicnn.Size([2, 10])
    """

    AuxLogits: nn.Module | None

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: Sequence[Block] | None = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if inception_blocks is None:
            inception_blocks = (BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux)
        if len(inception_blocks) != 7:
            raise ValueError(
                "Inception3: inception_blocks must be seven, of the convolutions, the modules A to E and the head; "
                f"got {len(inception_blocks)}"
            )
        conv, a, b, c, d, e, head = inception_blocks
        check_transform(transform_input, in_channels)
        self.aux_logits = aux_logits
        self.transform_input = transform_input

        self.Conv2d_1a_3x3 = conv(in_channels, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits = head(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is not False:
            self._initialise()

    def _initialise(self) -> None:
        for name, layer in self.named_modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(layer.weight, std=0.001 if name == "AuxLogits.fc" else 0.1)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        # sizes of a 299 x 299 image
        if self.transform_input:
            x = normalise_anew(x)
        x = self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))  # (N, 32, 147, 147)
        x = self.maxpool1(self.Conv2d_2b_3x3(x))  # (N, 64, 73, 73)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))  # (N, 192, 71, 71)
        x = self.maxpool2(x)  # (N, 192, 35, 35)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (N, 288, 35, 35)
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))  # (N, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(x))  # (N, 768, 17, 17)
        aux = self.AuxLogits(x) if self.training and self.AuxLogits is not None else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (N, 2048, 8, 8)
        x = self.avgpool(x)  # (N, 2048, 1, 1)
        x = self.dropout(x).flatten(1)  # (N, 2048)
        x = self.fc(x)  # (N, num_classes)
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


@register_model(image=(3, 299, 299))
def inception_v3(weights: Weights = None, **config: Any) -> Inception3:
    """Inception v3 as in torchvision: 27,161,264 parameters, 23,834,568 without the head; 299 x 299 images.

    Parameters
    ----------
    weights : str, path-like or mapping, optional
        Trained weights. A state with the auxiliary head and 1000 classes is taken for torchvision's, trained on
        ImageNet: ``transform_input`` is then True. With any other state, one's own, ``transform_input`` is False, and
        there is a head if the state has it. ``transform_input`` and ``aux_logits`` that are given come first.
    **config
        Arguments of :class:`Inception3`.
    """
    if weights is None:
        return Inception3(**config)
    return with_trained_weights(Inception3, weights, ("AuxLogits",), keep=True, config=config)
