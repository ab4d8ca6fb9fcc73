"""Fully connected layers and changes of shape."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from . import functional as F
from .factory import new_parameter, reset_weight_and_bias
from .module import Module


class Linear(Module):
    """``y = x W^T + b``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool, default True
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter (out_features, in_features)
    bias : Parameter (out_features,) or None
        Both start uniform in ``+-1/sqrt(in_features)``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Linear(784, 10)(minicnn.zeros(32, 784)).shape
    minicnn.Size([32, 10])
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = new_parameter(out_features, in_features, device=device, dtype=dtype)
        if bias:
            self.bias = new_parameter(out_features, device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew: uniform in ``+-1/sqrt(in_features)``."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """Returns its input: takes the place of a layer that is not wanted.

    Examples
    --------
    >>> from minicnn import nn
    >>> nn.Identity()(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """Make one dimension of several, by default of all but the batch's.

    Parameters
    ----------
    start_dim : int, default 1
    end_dim : int, default -1

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Flatten()(minicnn.zeros(32, 3, 5, 5)).shape
    minicnn.Size([32, 75])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Make several dimensions of one.

    Parameters
    ----------
    dim : int
    unflattened_size : sequence of int
        One of them may be -1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Unflatten(1, (3, 5, 5))(minicnn.zeros(32, 75)).shape
    minicnn.Size([32, 3, 5, 5])
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be an int (named dimensions are left out); got {dim!r}")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
