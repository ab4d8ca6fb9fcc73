"""LeNet-5: the network that read cheques.

LeCun, Bottou, Bengio & Haffner, *Gradient-based learning applied to document recognition*, 1998, section II.B,
figure 2 and table I; the squashing function is in appendix A. Trainable parameters:

======  ==========================  ==============  ==================
layer   output                      ``lenet5()``    the paper's options
======  ==========================  ==============  ==================
C1      6 maps of 28 x 28           156             156
S2      6 maps of 14 x 14           0               12
C3      16 maps of 10 x 10          2,416           1,516
S4      16 maps of 5 x 5            0               32
C5      120 maps of 1 x 1           48,120          48,120
F6      84 units                    10,164          10,164
output  10 units                    850             850
sum                                 61,706          60,850
======  ==========================  ==============  ==================

What differs: ``lenet5()`` is the network that courses know, with plain average pooling, every map of C3 connected
to every map of S2, and a linear output layer. ``lenet5(activation=ScaledTanh, trained_pooling=True,
partial_connections=True)`` is the paper's up to F6, 60,000 parameters. The paper's output layer has none: Euclidean
distances to ten fixed 7 x 12 bitmaps, which it shows as pictures (figure 3) and does not list; here it is linear, to
be trained with cross entropy. The paper draws initial weights uniformly in ``+-2.4/fan_in``; here nn's defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..ops.creation import full, tensor, zeros
from ..ops.joining import cat
from .base import ImageNetwork
from .registry import register_model

__all__ = ["LeNet5", "PartialConv2d", "ScaledTanh", "Subsampling", "lenet5"]

# Table I, by columns: which maps of S2 each of the 16 maps of C3 sees.
TABLE_I = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


class ScaledTanh(nn.Module):
    """The paper's squashing function: ``f(x) = 1.7159 tanh(2x/3)``, so that ``f(1) = 1`` and ``f(-1) = -1``.

    References
    ----------
    LeCun et al., 1998, section II.B formula 6 and appendix A.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.ScaledTanh()(minicnn.tensor([-1.0, 0.0, 1.0]))
    tensor([-1.0000,  0.0000,  1.0000])
    """

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * (x * (2 / 3)).tanh()


class Subsampling(nn.Module):
    """Pooling that is learnt: ``y_c = weight_c * (sum of a 2 x 2 window of x_c) + bias_c``.

    It starts as average pooling, with weights of 1/4 and biases of 0.

    Parameters
    ----------
    channels : int

    Attributes
    ----------
    weight, bias : Parameter (channels,)

    References
    ----------
    LeCun et al., 1998, section II.B, layers S2 and S4.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.Subsampling(6)(minicnn.zeros(1, 6, 28, 28)).shape
    minicnn.Size([1, 6, 14, 14])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(full((channels,), 0.25))
        self.bias = nn.Parameter(zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        total = nn.functional.avg_pool2d(x, 2, divisor_override=1)  # (N, C, H/2, W/2)
        return total * self.weight.reshape(-1, 1, 1) + self.bias.reshape(-1, 1, 1)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}"


class PartialConv2d(nn.Module):
    """A convolution in which every output map sees only some of the input maps.

    The other weights do not exist: output maps that see equally many inputs are one grouped
    convolution over copies of these inputs.

    Parameters
    ----------
    connections : sequence of sequences of int
        For each output map the input maps that it sees.
    kernel_size : int

    References
    ----------
    LeCun et al., 1998, table I.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> layer = models.PartialConv2d([(0, 1), (1, 2), (0, 1, 2)], kernel_size=5)
    >>> layer(minicnn.zeros(1, 3, 14, 14)).shape
    minicnn.Size([1, 3, 10, 10])
    >>> sum(p.numel() for p in layer.parameters())  # (2 + 2 + 3) * 25 weights, 3 biases
    178
    """

    def __init__(self, connections: Sequence[Sequence[int]], kernel_size: int) -> None:
        super().__init__()
        self.inputs: list[list[int]] = []
        self.convs = nn.ModuleList()
        for seen, columns in groupby(connections, len):
            maps = list(columns)
            self.inputs.append([channel for column in maps for channel in column])
            self.convs.append(nn.Conv2d(seen * len(maps), len(maps), kernel_size, groups=len(maps)))

    def forward(self, x: Tensor) -> Tensor:
        return cat(
            [conv(x.index_select(1, tensor(seen))) for seen, conv in zip(self.inputs, self.convs, strict=True)], 1
        )


class LeNet5(ImageNetwork):
    """LeNet-5 for images of 32 x 32: a digit of MNIST with a margin of 2 on each side.

    Parameters
    ----------
    num_classes : int, default 10
    activation : callable, default nn.Tanh
        Makes the squashing function behind C1, C3, C5 and F6; the paper's is :class:`ScaledTanh`.
    trained_pooling : bool, default False
        S2 and S4 as in the paper: :class:`Subsampling`, then the squashing function. Else plain average pooling.
    partial_connections : bool, default False
        C3 connected as in table I of the paper. Else every map of C3 sees all of S2.
    in_channels : int, default 1

    Raises
    ------
    TypeError
        If ``activation`` is a layer.

    References
    ----------
    LeCun et al., *Gradient-based learning applied to document recognition*, 1998.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.LeNet5()(minicnn.zeros(1, 1, 32, 32)).shape
    minicnn.Size([1, 10])
    >>> paper = models.LeNet5(activation=models.ScaledTanh, trained_pooling=True, partial_connections=True)
    >>> [sum(p.numel() for p in layer.parameters()) for layer in paper.children()]
    [156, 12, 1516, 32, 48120, 10164, 850]
    """

    def __init__(
        self,
        num_classes: int = 10,
        activation: Callable[[], nn.Module] = nn.Tanh,
        *,
        trained_pooling: bool = False,
        partial_connections: bool = False,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        if isinstance(activation, nn.Module):
            name = type(activation).__name__
            raise TypeError(
                f"LeNet5: activation must make a layer, one for each place; got the layer {activation!r}. "
                f"Fix: activation={name}, or lambda: {name}(...)"
            )

        def squashed(layer: nn.Module) -> nn.Module:
            return nn.Sequential(layer, activation())

        def pooling(channels: int) -> nn.Module:
            return squashed(Subsampling(channels)) if trained_pooling else nn.AvgPool2d(2)

        self.c1 = squashed(nn.Conv2d(in_channels, 6, 5))
        self.s2 = pooling(6)
        self.c3 = squashed(PartialConv2d(TABLE_I, 5) if partial_connections else nn.Conv2d(6, 16, 5))
        self.s4 = pooling(16)
        self.c5 = squashed(nn.Conv2d(16, 120, 5))
        self.f6 = squashed(nn.Linear(120, 84))
        self.output = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c1(x)  # (N, 6, 28, 28)
        x = self.s2(x)  # (N, 6, 14, 14)
        x = self.c3(x)  # (N, 16, 10, 10)
        x = self.s4(x)  # (N, 16, 5, 5)
        x = self.c5(x)  # (N, 120, 1, 1)
        x = self.f6(x.flatten(1))  # (N, 84)
        return self.output(x)


@register_model(image=(1, 32, 32))
def lenet5(**config: Any) -> LeNet5:
    """LeNet-5, LeCun et al., 1998, figure 2: 61,706 parameters, 32 x 32 images of one channel.

    Parameters
    ----------
    **config
        Arguments of :class:`LeNet5`; those of the paper make it 60,000 parameters and the output layer's 850.
    """
    return LeNet5(**config)
