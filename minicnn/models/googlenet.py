"""GoogLeNet: modules in which filters of several sizes look at the image side by side.

Szegedy et al., *Going deeper with convolutions*, 2014. Figure 2 shows the module in its naive form (a), here
:class:`InceptionNaive`, and with 1 x 1 convolutions that first reduce the channels (b), here :class:`Inception`;
table 1 and figure 3 show the network. :class:`GoogLeNet` is torchvision's, whose trained weights exist. What differs
from the paper (``googlenet_2014`` follows it):

- The branch that the paper calls 5 x 5 has 3 x 3 filters. That is a known mistake, kept because the weights were
  trained with it; ``true_5x5=True`` gives the paper's filters, which those weights do not fit.
- Batch normalisation (Ioffe & Szegedy, 2015) follows every convolution, so these have no bias, and there is no local
  response normalisation.
- The auxiliary heads average over a 4 x 4 grid of whatever size, so any image will do; the paper's have windows of
  5 x 5 with stride 3, which is the same grid size for 224 x 224 images.
- 20 % of the features are dropped before the last layer, not 40 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from .. import nn
from ..core.tensor import Tensor
from ..nn import functional as F
from ..ops.joining import cat
from .base import ImageNetwork
from .inception_common import BasicConv2d, Block, check_transform, normalise_anew, with_trained_weights
from .registry import register_model
from .weights import Weights

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "Inception", "InceptionNaive", "googlenet"]


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet returns in training: logits (N, num_classes) of the network and of the heads behind 4d and 4a."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class InceptionNaive(nn.Module):
    """Inception module, naive form: 1 x 1, 3 x 3 and 5 x 5 filters and a 3 x 3 max pooling side by side.

    The pooling passes all channels on, so the output has ``ch1x1 + ch3x3 + ch5x5 + in_channels`` of them: more from
    module to module, and each of the 5 x 5 filters costs ``25 * in_channels`` weights. :class:`Inception` cures both.

    Parameters
    ----------
    in_channels : int
    ch1x1, ch3x3, ch5x5 : int
        Filters of each size.
    conv_block : callable, default BasicConv2d
        Makes a convolution with its activation from ``(in_channels, out_channels, kernel_size=..., padding=...)``.

    References
    ----------
    Szegedy et al., *Going deeper with convolutions*, 2014, figure 2 (a).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.InceptionNaive(16, 8, 12, 4)(minicnn.zeros(1, 16, 7, 7)).shape
    minicnn.Size([1, 40, 7, 7])
    """

    def __init__(self, in_channels: int, ch1x1: int, ch3x3: int, ch5x5: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = conv(in_channels, ch3x3, kernel_size=3, padding=1)
        self.branch3 = conv(in_channels, ch5x5, kernel_size=5, padding=2)
        self.branch4 = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Inception(nn.Module):
    """Inception module with dimension reductions: 1 x 1 convolutions before the large filters and after the pooling.

    The output has ``ch1x1 + ch3x3 + ch5x5 + pool_proj`` channels.

    Parameters
    ----------
    in_channels : int
    ch1x1 : int
        1 x 1 filters of the first branch.
    ch3x3red, ch3x3 : int
        1 x 1 filters that reduce, then 3 x 3 filters.
    ch5x5red, ch5x5 : int
        1 x 1 filters that reduce, then those that the paper calls 5 x 5.
    pool_proj : int
        1 x 1 filters behind the 3 x 3 max pooling.
    conv_block : callable, default BasicConv2d
        Makes a convolution with its activation from ``(in_channels, out_channels, kernel_size=..., padding=...)``.
    true_5x5 : bool, default False
        5 x 5 filters in the third branch, as in the paper. torchvision has 3 x 3 there, a known deviation.

    References
    ----------
    Szegedy et al., *Going deeper with convolutions*, 2014, figure 2 (b).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.Inception(16, 8, 6, 12, 2, 4, 4)(minicnn.zeros(1, 16, 7, 7)).shape
    minicnn.Size([1, 28, 7, 7])
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Block | None = None,
        *,
        true_5x5: bool = False,
    ) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        large = 5 if true_5x5 else 3
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1), conv(ch3x3red, ch3x3, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1), conv(ch5x5red, ch5x5, kernel_size=large, padding=large // 2)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """Auxiliary head of torchvision's GoogLeNet: a small classifier that sends gradients into the middle.

    Parameters
    ----------
    in_channels : int
    num_classes : int
    conv_block : callable, default BasicConv2d
    dropout : float, default 0.7

    References
    ----------
    Szegedy et al., *Going deeper with convolutions*, 2014, section 5.
    """

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: Block | None = None, dropout: float = 0.7
    ) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.conv = conv(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, (4, 4))  # (N, in_channels, 4, 4)
        x = self.conv(x).flatten(1)  # (N, 128*4*4)
        x = F.relu(self.fc1(x), inplace=True)  # (N, 1024)
        return self.fc2(self.dropout(x))  # (N, num_classes)


class GoogLeNet(ImageNetwork):
    """torchvision's GoogLeNet: a stem of three convolutions, nine Inception modules, one fully connected layer.

    In training it returns :class:`GoogLeNetOutputs`, whose three losses the paper adds up as
    ``L + 0.3 L_aux1 + 0.3 L_aux2``; in evaluation the logits alone.

    Parameters
    ----------
    num_classes : int, default 1000
    aux_logits : bool, default True
        Have the auxiliary heads behind 4a and 4d. They work in training only.
    transform_input : bool, default False
        Take images normalised with ImageNet's mean and standard deviation and normalise them anew to
        ``(x - 0.5) / 0.5``, as the trained weights expect.
    init_weights : bool, optional
        Weights from the normal distribution of standard deviation 0.01, cut off at +-2; None is True. With False each
        layer keeps its own default.
    blocks : sequence of three callables, default (BasicConv2d, Inception, InceptionAux)
        What makes the stem's convolutions, the modules and the heads.
    dropout : float, default 0.2
        Share of features dropped before the last layer.
    dropout_aux : float, default 0.7
        The same in the heads.
    true_5x5 : bool, default False
        5 x 5 filters in the third branch of the modules, as in the paper; torchvision has 3 x 3.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``blocks`` has not three entries or comes together with ``true_5x5``, or if ``transform_input`` is given for
        images that have not three channels.

    References
    ----------
    Szegedy et al., *Going deeper with convolutions*, 2014, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.GoogLeNet(num_classes=10, init_weights=False)
    >>> images = minicnn.zeros(2, 3, 32, 32)
    >>> [logits.shape for logits in model(images)]
    [minicnn.Size([2, 10]), minicnn.Size([2, 10]), minicnn.Size([2, 10])]
    >>> model.eval()(images).shape
    minicnn.Size([2, 10])
    """

    maxpool1: nn.Module
    maxpool2: nn.Module
    aux1: nn.Module | None
    aux2: nn.Module | None

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: Sequence[Block] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
        *,
        true_5x5: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if blocks is None:
            blocks = (BasicConv2d, partial(Inception, true_5x5=true_5x5), InceptionAux)
        elif true_5x5:
            raise ValueError(
                "GoogLeNet: true_5x5=True changes the default blocks, and blocks are given. "
                "Fix: blocks=(BasicConv2d, partial(Inception, true_5x5=True), InceptionAux)"
            )
        if len(blocks) != 3:
            raise ValueError(
                f"GoogLeNet: blocks must be three, of the stem, the modules and the heads; got {len(blocks)}"
            )
        conv, inception, head = blocks
        check_transform(transform_input, in_channels)
        self.aux_logits = aux_logits
        self.transform_input = transform_input

        self.conv1 = conv(in_channels, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        # the rows of table 1:       #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = head(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = head(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is not False:
            self._initialise()

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(layer.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        if self.transform_input:
            x = normalise_anew(x)
        x = self.maxpool1(self.conv1(x))  # (N, 64, H/4, W/4)
        x = self.maxpool2(self.conv3(self.conv2(x)))  # (N, 192, H/8, W/8)
        x = self.inception3b(self.inception3a(x))  # (N, 480, H/8, W/8)
        x = self.inception4a(self.maxpool3(x))  # (N, 512, H/16, W/16)
        aux1 = self.aux1(x) if self.training and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))  # (N, 528, H/16, W/16)
        aux2 = self.aux2(x) if self.training and self.aux2 is not None else None
        x = self.maxpool4(self.inception4e(x))  # (N, 832, H/32, W/32)
        x = self.inception5b(self.inception5a(x))  # (N, 1024, H/32, W/32)
        x = self.avgpool(x).flatten(1)  # (N, 1024)
        x = self.fc(self.dropout(x))  # (N, num_classes)
        return GoogLeNetOutputs(x, aux2, aux1) if self.training and self.aux_logits else x


@register_model
def googlenet(weights: Weights = None, **config: Any) -> GoogLeNet:
    """GoogLeNet as in torchvision: 13,004,888 parameters, 6,624,904 without the heads; 224 x 224 images.

    Parameters
    ----------
    weights : str, path-like or mapping, optional
        Trained weights. A state with the auxiliary heads and 1000 classes is taken for torchvision's, trained on
        ImageNet: ``transform_input`` is then True, and the heads, which are not trained in that file, are left out.
        With any other state, one's own, ``transform_input`` is False, and there are heads if the state has them.
        ``transform_input`` and ``aux_logits`` that are given come first.
    **config
        Arguments of :class:`GoogLeNet`.
    """
    if weights is None:
        return GoogLeNet(**config)
    return with_trained_weights(GoogLeNet, weights, ("aux1", "aux2"), keep=False, config=config)
