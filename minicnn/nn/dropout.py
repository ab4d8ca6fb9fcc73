"""Dropout layers."""

from __future__ import annotations

from ..core.tensor import Tensor
from . import functional as F
from .functional.checks import probability
from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        probability(type(self).__name__, p)
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, zero numbers at random; see :func:`minicnn.nn.functional.dropout`.

    Parameters
    ----------
    p : float, default 0.5
        Probability of zero.
    inplace : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Dropout(0.5).eval()(minicnn.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """In training, zero whole channels of (N, C, L); parameters as :class:`Dropout`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Dropout1d()(minicnn.ones(2, 3, 4)).shape
    minicnn.Size([2, 3, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training, zero whole channels of (N, C, H, W); parameters as :class:`Dropout`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Dropout2d()(minicnn.ones(2, 3, 4, 4)).shape
    minicnn.Size([2, 3, 4, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)
