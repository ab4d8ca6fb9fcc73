"""Stochastic depth: a residual network that is shorter in training than in evaluation."""

from __future__ import annotations

from ..core.tensor import Tensor
from . import functional as F
from .functional.checks import depth_mode, probability
from .module import Module


class StochasticDepth(Module):
    """In training, leave out a residual branch at random; see :func:`minicnn.nn.functional.stochastic_depth`.

    Used as ``shortcut(x) + drop(branch(x))``, under the name that it has in ``torchvision.ops``.

    Parameters
    ----------
    p : float
        Probability that the branch is left out.
    mode : {"batch", "row"}
        Leave it out for all samples of a batch together, or for each sample by a draw of its own.

    Notes
    -----
    With b = 1 where the branch f survives, which has the probability 1 - p, else 0:

    ==========  =====================  ================
    ..          training               evaluation
    ==========  =====================  ================
    the paper   ``b f(x)``             ``(1 - p) f(x)``
    this layer  ``b f(x) / (1 - p)``   ``f(x)``
    ==========  =====================  ================

    In both rows evaluation computes the expected value of training, since E[b] = 1 - p; the f that is learnt is
    1 - p times as large in the second. Scaling in training leaves nothing to do in evaluation, as for dropout.

    References
    ----------
    Huang et al., *Deep networks with stochastic depth*, 2016, equations 2 and 5.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> drop = nn.StochasticDepth(0.2, "row")
    >>> drop
    StochasticDepth(p=0.2, mode=row)
    >>> drop.eval()(minicnn.ones(2, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        probability("StochasticDepth", p)
        depth_mode("StochasticDepth", mode)
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return F.stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"
