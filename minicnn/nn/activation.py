"""Activation layers; the formulas are in :mod:`minicnn.nn.functional`."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.tensor import Tensor
from . import functional as F
from .factory import new_parameter
from .init import constant_
from .module import Module


class _Inplace(Module):
    """An activation without parameters that can write over its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_Inplace):
    """``max(x, 0)``.

    Parameters
    ----------
    inplace : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ReLU()(minicnn.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)


class ReLU6(_Inplace):
    """``min(max(x, 0), 6)``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ReLU6()(minicnn.tensor([-1.0, 7.0]))
    tensor([0., 6.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input, self.inplace)


class SiLU(_Inplace):
    """``x * sigmoid(x)``, also called swish.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.SiLU()(minicnn.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)


class Hardswish(_Inplace):
    """``x * relu6(x + 3) / 6``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Hardswish()(minicnn.tensor([-1.0, 4.0]))
    tensor([-0.3333,  4.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class Hardsigmoid(_Inplace):
    """``relu6(x + 3) / 6``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Hardsigmoid()(minicnn.tensor([0.0, 4.0]))
    tensor([0.5000, 1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class LeakyReLU(Module):
    """``x if x > 0 else negative_slope * x``.

    Parameters
    ----------
    negative_slope : float, default 0.01
    inplace : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.LeakyReLU(0.1)(minicnn.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """``x if x > 0 else alpha * (e^x - 1)``.

    Parameters
    ----------
    alpha : float, default 1.0
    inplace : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ELU()(minicnn.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    """``x if x > 0 else weight * x``, with a learnt weight.

    Parameters
    ----------
    num_parameters : int, default 1
        1, or the number of channels.
    init : float, default 0.25
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter (num_parameters,)

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.PReLU()(minicnn.tensor([-1.0, 2.0])).detach()
    tensor([-0.2500,  2.0000])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = new_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to its initial value."""
        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Sigmoid(Module):
    """``1 / (1 + e^-x)``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Sigmoid()(minicnn.tensor([0.0]))
    tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """``log(1 / (1 + e^-x))``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.LogSigmoid()(minicnn.tensor([0.0]))
    tensor([-0.6931])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Tanh()(minicnn.tensor([0.0, 2.0]))
    tensor([0.0000, 0.9640])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Softmax(Module):
    """``e^x_i / sum_j e^x_j`` along ``dim``.

    Parameters
    ----------
    dim : int
        Required when called.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Softmax(dim=1)(minicnn.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """``x_i - log(sum_j e^x_j)`` along ``dim``; parameters as :class:`Softmax`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.LogSoftmax(dim=1)(minicnn.zeros(1, 2))
    tensor([[-0.6931, -0.6931]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels at every pixel of (N, C, H, W) or (C, H, W).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Softmax2d()(minicnn.zeros(2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ShapeError(
                f"Softmax2d: expected an input of shape (N, C, H, W) or (C, H, W); got {tuple(input.shape)}"
            )
        return F.softmax(input, -3)
