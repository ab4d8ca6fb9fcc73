"""Xception: an Inception network whose every module is a depthwise separable convolution.

Chollet, *Xception: deep learning with depthwise separable convolutions*, 2017, figure 5: entry flow, middle flow
(eight times the same block) and exit flow, with 299 x 299 images.

What differs: the author's implementation in Keras is followed where the figure is silent. Convolutions have no biases,
and every one, those of the shortcuts too, has batch normalisation with ``eps`` 0.001 (of the separable ones only the
pointwise half); so the parameters are Keras's 22,855,952, with running statistics 22,910,480. Pooling and strided
shortcuts are padded as Keras's "same": an image of even size is padded only at its end. So outputs and gradients are
Keras's too; its running variances alone are the biased ones. Keras leaves out the dropout of 0.5 before the last
layer, which the paper has for ImageNet; it is kept here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .registry import register_model

__all__ = ["SeparableConv2d", "Xception", "XceptionBlock", "xception"]


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with Keras's constants."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class SeparableConv2d(nn.Sequential):
    """Depthwise separable convolution: one k x k filter for each channel, then a 1 x 1 convolution that mixes channels.

    ``k*k*C + C*D`` weights in place of ``k*k*C*D``, and no activation in between.

    Parameters
    ----------
    in_channels, out_channels : int
        C and D.
    kernel_size : int, default 3
        k, odd.
    stride : int, default 1

    References
    ----------
    Chollet, *Xception: deep learning with depthwise separable convolutions*, 2017, section 1.2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> layer = models.SeparableConv2d(8, 16)
    >>> layer(minicnn.zeros(1, 8, 10, 10)).shape
    minicnn.Size([1, 16, 10, 10])
    >>> [p.numel() for p in layer.parameters()]
    [72, 128]
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> None:
        padding = kernel_size // 2
        super().__init__(
            nn.Conv2d(in_channels, in_channels, kernel_size, stride, padding, groups=in_channels, bias=False),
            nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        )


class SameMaxPool2d(nn.Module):
    """Maximum of windows of 3 x 3 in steps of 2, padded as Keras's "same": a size of n becomes ceil(n/2)."""

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        return nn.functional.max_pool2d(x, 3, stride=2, padding=(h % 2, w % 2), ceil_mode=True)


class XceptionBlock(nn.Module):
    """Separable convolutions with a shortcut around them: one of the boxes of figure 5.

    ``ReLU, separable convolution, batch normalisation`` for each of ``widths``. If ``halve``, the image is
    then halved by max-pooling, and the shortcut by a strided 1 x 1 convolution with batch normalisation;
    else the shortcut is the identity.

    Parameters
    ----------
    in_channels : int
    widths : sequence of int
        Channels behind each separable convolution.
    halve : bool, default False
    relu_first : bool, default True
        Whether there is a ReLU before the first separable convolution.

    Raises
    ------
    ValueError
        If the shortcut is the identity and the last width is not ``in_channels``.

    References
    ----------
    Chollet, *Xception: deep learning with depthwise separable convolutions*, 2017, figure 5.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.XceptionBlock(8, (16, 16), halve=True)(minicnn.zeros(1, 8, 9, 9)).shape
    minicnn.Size([1, 16, 5, 5])
    """

    def __init__(self, in_channels: int, widths: Sequence[int], halve: bool = False, relu_first: bool = True) -> None:
        super().__init__()
        if not halve and tuple(widths)[-1:] != (in_channels,):
            raise ValueError(
                "XceptionBlock: a shortcut that is the identity needs as many channels at the end as at the start; "
                f"got in_channels={in_channels} and widths={tuple(widths)}. "
                f"Fix: end widths with {in_channels}, or halve=True"
            )
        layers: list[nn.Module] = []
        channels = in_channels
        for width in widths:
            if layers or relu_first:
                layers.append(nn.ReLU(inplace=bool(layers)))  # the shortcut needs the block's input unchanged
            layers += [SeparableConv2d(channels, width), batch_norm(width)]
            channels = width
        if halve:
            layers.append(SameMaxPool2d())
            conv = nn.Conv2d(in_channels, channels, kernel_size=1, stride=2, bias=False)
            self.shortcut: nn.Module = nn.Sequential(conv, batch_norm(channels))
        else:
            self.shortcut = nn.Identity()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


class Xception(ImageNetwork):
    """Xception: 36 convolutions in 14 boxes, 12 of them with a shortcut.

    Parameters
    ----------
    num_classes : int, default 1000
    dropout : float, default 0.5
        Share of features dropped before the last layer.
    middle_blocks : int, default 8
        How often the middle flow repeats its block.
    in_channels : int, default 3

    References
    ----------
    Chollet, *Xception: deep learning with depthwise separable convolutions*, 2017, figure 5.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.Xception(num_classes=10, middle_blocks=1).eval()
    >>> model(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, *, middle_blocks: int = 8, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.entry_flow = nn.Sequential(
            nn.Conv2d(in_channels, 32, kernel_size=3, stride=2, bias=False),  # (N, 32, 149, 149)
            batch_norm(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, kernel_size=3, bias=False),  # (N, 64, 147, 147)
            batch_norm(64),
            nn.ReLU(inplace=True),
            XceptionBlock(64, (128, 128), halve=True, relu_first=False),  # (N, 128, 74, 74)
            XceptionBlock(128, (256, 256), halve=True),  # (N, 256, 37, 37)
            XceptionBlock(256, (728, 728), halve=True),  # (N, 728, 19, 19)
        )
        self.middle_flow = nn.Sequential(*(XceptionBlock(728, (728, 728, 728)) for _ in range(middle_blocks)))
        self.exit_flow = nn.Sequential(
            XceptionBlock(728, (728, 1024), halve=True),  # (N, 1024, 10, 10)
            SeparableConv2d(1024, 1536),
            batch_norm(1536),
            nn.ReLU(inplace=True),
            SeparableConv2d(1536, 2048),
            batch_norm(2048),
            nn.ReLU(inplace=True),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.entry_flow(x)  # (N, 728, 19, 19)
        x = self.middle_flow(x)  # (N, 728, 19, 19)
        x = self.exit_flow(x)  # (N, 2048, 10, 10)
        x = self.avgpool(x).flatten(1)  # (N, 2048)
        return self.fc(self.dropout(x))


@register_model(image=(3, 299, 299))
def xception(**config: Any) -> Xception:
    """Xception, Chollet, 2017, figure 5: 22,855,952 parameters, 299 x 299 images.

    Parameters
    ----------
    **config
        Arguments of :class:`Xception`.
    """
    return Xception(**config)
