"""A ResNet-110 that is about 80 layers deep in training and 110 in evaluation.

Huang, Sun, Liu, Sedra & Weinberger, *Deep networks with stochastic depth*, 2016: section 3 for the rule, figure 2 for
the linear decay, section 4 for this network. Block l of L (``f`` is its residual function) survives a mini-batch with

    ``p_l = 1 - l/L * (1 - p_L)``   (equation 4)

so that early blocks, whose features all others use, are almost always there. With ``p_L = 0.5``, 40 of the 54 blocks
are there on average: ``(3L - 1)/4``.

What differs: the paper computes ``relu(b f(x) + x)`` in training, where b is 1 if the block survives and 0 otherwise
(equation 2), and ``relu(p_l f(x) + x)`` in evaluation (equation 5). :class:`minicnn.nn.StochasticDepth`, as the layer
of this name in torchvision, computes ``relu(b f(x) / p_l + x)`` in training and ``relu(f(x) + x)`` in evaluation. In
both, evaluation adds the expected value of what training adds, as ``E[b] = p_l``; the batch normalisation at the end of
f learns a scale that is ``p_l`` times as large. Weights trained with the paper's rule fit after that scale and shift
have been multiplied by ``p_l``.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..nn.functional.checks import probability
from .registry import register_model
from .resnet_cifar import CifarBlock, CifarResNet

__all__ = ["StochasticDepthBlock", "StochasticDepthResNet", "resnet110_stochastic_depth", "survival_probability"]


def survival_probability(block: int, blocks: int, last: float = 0.5) -> float:
    """The linear decay ``p_l = 1 - l/L * (1 - p_L)``, equation 4.

    Parameters
    ----------
    block : int
        l, from 1 to L.
    blocks : int
        L, the number of residual blocks.
    last : float, default 0.5
        p_L, the survival probability of the last block.

    Examples
    --------
    >>> from minicnn import models
    >>> [models.survival_probability(l, 4) for l in (1, 2, 3, 4)]
    [0.875, 0.75, 0.625, 0.5]
    """
    return 1 - block / blocks * (1 - last)


class StochasticDepthBlock(CifarBlock):
    """A :class:`CifarBlock` whose residual function is left out at random in training.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int, default 1
    shortcut : {"A", "B"}, default "A"
    p : float, default 0.5
        Probability that it is left out, 1 - p_l.
    mode : {"batch", "row"}, default "batch"

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> block, x = models.StochasticDepthBlock(4, 4, p=1.0), minicnn.rand(1, 4, 5, 5)
    >>> minicnn.equal(block(x), x), minicnn.equal(block.eval()(x), x)
    (True, False)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        shortcut: str | None = "A",
        p: float = 0.5,
        mode: str = "batch",
    ) -> None:
        super().__init__(in_channels, out_channels, stride, shortcut)
        if shortcut is None:
            raise ValueError("stochastic depth needs shortcuts, the way around what is left out: 'A' or 'B'; got None")
        self.stochastic_depth = nn.StochasticDepth(p, mode)

    def residual(self, x: Tensor) -> Tensor:
        return self.stochastic_depth(super().residual(x))


class StochasticDepthResNet(CifarResNet):
    """:class:`CifarResNet` with stochastic depth of linear decay; its state_dict has the same keys.

    Parameters
    ----------
    depth : int
        6n + 2, with L = 3n blocks.
    num_classes : int, default 10
    shortcut : {"A", "B"}, default "A"
    survival : float, default 0.5
        p_L, the survival probability of the last block; 1 is the network without stochastic depth.
    mode : {"batch", "row"}, default "batch"
        One draw for all images of a batch, as in the paper, or one for each image.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If the depth is not 6n + 2, or ``survival`` is not a probability.

    References
    ----------
    Huang et al., *Deep networks with stochastic depth*, 2016.

    Examples
    --------
    >>> from minicnn import models
    >>> model = models.StochasticDepthResNet(depth=8)
    >>> [round(m.p, 2) for m in model.modules() if hasattr(m, "p")]
    [0.17, 0.33, 0.5]
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 10,
        shortcut: str | None = "A",
        survival: float = 0.5,
        mode: str = "batch",
        *,
        in_channels: int = 3,
    ) -> None:
        probability(f"{type(self).__name__}: survival", survival)
        blocks = (depth - 2) // 2
        drop = (1 - survival_probability(number, blocks, survival) for number in range(1, blocks + 1))

        def block(in_channels: int, out_channels: int, stride: int, shortcut: str | None) -> nn.Module:
            return StochasticDepthBlock(in_channels, out_channels, stride, shortcut, next(drop), mode)

        super().__init__(depth, num_classes, shortcut, in_channels=in_channels, block=block)


@register_model(image=(3, 32, 32))
def resnet110_stochastic_depth(**config: Any) -> StochasticDepthResNet:
    """ResNet-110 with stochastic depth: 1,727,962 parameters, 32 x 32 images; table 1.

    Parameters
    ----------
    **config
        Arguments of :class:`StochasticDepthResNet` but the depth.
    """
    return StochasticDepthResNet(110, **config)
