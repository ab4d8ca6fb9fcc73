"""Activation functions: the nonlinearities between the layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...ops import activations as ops
from ...ops.indexing import write
from ...ops.losses import LogSigmoid
from .checks import floating, same_dtype


def _apply(x: Tensor, inplace: bool, function: Callable[[Tensor], Tensor]) -> Tensor:
    """``function(x)``, written back to x if in place (it is given a copy of x, which it needs later)."""
    return write(x, ..., function(x.clone())) if inplace else function(x)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``; the gradient at 0 is 0.

    Parameters
    ----------
    input : Tensor, any shape
    inplace : bool, default False
        Write the result over the input.

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    DTypeError
        If the input does not hold floating-point numbers.

    References
    ----------
    Nair & Hinton, *Rectified linear units improve restricted Boltzmann machines*, 2010;
    Krizhevsky et al., 2012, section 3.1.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.relu(minicnn.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return ops.relu_(input) if inplace else ops.relu(input)


def relu_(input: Tensor) -> Tensor:
    """:func:`relu` in place.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> x = minicnn.tensor([-1.0, 2.0])
    >>> _ = F.relu_(x)
    >>> x
    tensor([0., 2.])
    """
    return ops.relu_(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(x, 0), 6)``; the gradient at 0 and 6 is 0. Parameters as :func:`relu`.

    References
    ----------
    Howard et al., *MobileNets*, 2017.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.relu6(minicnn.tensor([-1.0, 2.0, 7.0]))
    tensor([0., 2., 6.])
    """
    return ops.relu6_(input) if inplace else ops.relu6(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x if x > 0 else negative_slope * x``.

    Parameters
    ----------
    input : Tensor, any shape
    negative_slope : float, default 0.01
    inplace : bool, default False

    Returns
    -------
    Tensor, the input's shape

    References
    ----------
    Maas, Hannun & Ng, *Rectifier nonlinearities improve neural network acoustic models*, 2013.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.leaky_relu(minicnn.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return _apply(floating("leaky_relu", input), inplace, ops.Activation("leaky_relu", negative_slope))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x if x > 0 else weight * x``, with one learnt weight, or one per channel.

    Parameters
    ----------
    input : Tensor (N, C, *)
    weight : Tensor (1,) or (C,)

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    He et al., *Delving deep into rectifiers*, 2015.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.prelu(minicnn.tensor([-1.0, 2.0]), minicnn.tensor([0.25]))
    tensor([-0.2500,  2.0000])
    """
    x = floating("prelu", input)
    (w,) = same_dtype("prelu", x, weight=weight)
    channels = x._array.shape[1] if x.ndim > 1 else 1
    if w.ndim != 1 or w.numel() not in (1, channels):  # type: ignore[union-attr]
        raise ShapeError(
            f"prelu: weight must have one number, or one for each of the {channels} channels of {tuple(x.shape)}; "
            f"got shape {tuple(w.shape)}"  # type: ignore[union-attr]
        )
    return ops.PReLU()(x, w) if x.ndim > 1 else ops.PReLU()(x.reshape(-1, 1), w).reshape(x.shape)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x if x > 0 else alpha * (e^x - 1)``.

    Parameters
    ----------
    input : Tensor, any shape
    alpha : float, default 1.0
    inplace : bool, default False

    Returns
    -------
    Tensor, the input's shape

    References
    ----------
    Clevert, Unterthiner & Hochreiter, *Fast and accurate deep network learning by exponential
    linear units*, 2015.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.elu(minicnn.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _apply(floating("elu", input), inplace, ops.Activation("elu", alpha))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``, also called swish. Parameters as :func:`relu`.

    References
    ----------
    Ramachandran, Zoph & Le, *Searching for activation functions*, 2017.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.silu(minicnn.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    return _apply(floating("silu", input), inplace, ops.Activation("silu"))


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * relu6(x + 3) / 6``. Parameters as :func:`relu`.

    References
    ----------
    Howard et al., *Searching for MobileNetV3*, 2019, section 5.2.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.hardswish(minicnn.tensor([-1.0, 4.0]))
    tensor([-0.3333,  4.0000])
    """
    return _apply(floating("hardswish", input), inplace, ops.Activation("hardswish"))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(x + 3) / 6``. Parameters as :func:`relu`.

    References
    ----------
    Howard et al., *Searching for MobileNetV3*, 2019, section 5.2.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.hardsigmoid(minicnn.tensor([0.0, 4.0]))
    tensor([0.5000, 1.0000])
    """
    return _apply(floating("hardsigmoid", input), inplace, ops.Activation("hardsigmoid"))


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + e^-x)``, element by element.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.sigmoid(minicnn.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    return ops.sigmoid(input)


def logsigmoid(input: Tensor) -> Tensor:
    """``log(1 / (1 + e^-x))``, without overflow.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.logsigmoid(minicnn.tensor([0.0, -1000.0]))
    tensor([-6.9315e-01, -1.0000e+03])
    """
    return LogSigmoid()(floating("logsigmoid", input))


def tanh(input: Tensor) -> Tensor:
    """``(e^x - e^-x) / (e^x + e^-x)``, element by element.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.tanh(minicnn.tensor([0.0, 2.0]))
    tensor([0.0000, 0.9640])
    """
    return ops.tanh(input)


def _dimension(operation: str, dim: int | None) -> int:
    if dim is None:
        raise ValueError(
            f"{operation}: dim must be given: the dimension along which the results sum to 1. "
            "Fix: dim=1 for logits of shape (N, classes)"
        )
    return dim


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """``e^x_i / sum_j e^x_j`` along ``dim``: positive numbers that sum to 1.

    Parameters
    ----------
    input : Tensor, any shape
    dim : int
        Required (PyTorch guesses it, with a warning).
    dtype : dtype, optional
        Convert the input to it first.

    Returns
    -------
    Tensor, the input's shape

    References
    ----------
    Bridle, *Probabilistic interpretation of feedforward classification network outputs*, 1990.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.softmax(minicnn.tensor([[0.0, 0.0], [0.0, 1.0]]), dim=1)
    tensor([[0.5000, 0.5000],
            [0.2689, 0.7311]])
    """
    return ops.softmax(input, _dimension("softmax", dim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """``x_i - log(sum_j e^x_j)`` along ``dim``: the logarithm of :func:`softmax`, without overflow.

    Parameters as :func:`softmax`.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.log_softmax(minicnn.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    return ops.log_softmax(input, _dimension("log_softmax", dim), dtype)
