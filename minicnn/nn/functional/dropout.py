"""Dropout: of numbers, of channels, of residual branches."""

from __future__ import annotations

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...ops import dropout as ops
from ...ops.creation import ones
from ...ops.indexing import write
from .checks import depth_mode, floating, probability


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zero each number with probability ``p`` and multiply the others by ``1/(1 - p)``.

    The expected value stays the same, so that nothing needs to be done in evaluation.

    Parameters
    ----------
    input : Tensor, any shape
    p : float, default 0.5
    training : bool, default True
        If not, the input is returned as it is.
    inplace : bool, default False

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ValueError
        If p is not a probability.

    References
    ----------
    Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> y = F.dropout(minicnn.ones(1000), p=0.75)
    >>> sorted(set(y.tolist()))
    [0.0, 4.0]
    """
    probability("dropout", p)
    x = floating("dropout", input)
    if not training or p == 0:
        return x
    y = ops.dropout(x, p)
    return write(x, ..., y) if inplace else y


def _drop_channels(operation: str, x: Tensor, ndim: int, p: float, training: bool, inplace: bool) -> Tensor:
    probability(operation, p)
    x = floating(operation, x)
    if x.ndim != ndim:
        axes = ", ".join("NCHW"[:2] + ("HW" if ndim == 4 else "L"))
        raise ShapeError(f"{operation}: expected an input of shape ({axes}); got {tuple(x.shape)}")
    if not training or p == 0:
        return x
    mask = ops.dropout(ones(*x.shape[:2], *(1,) * (ndim - 2), dtype=x.dtype, device=x.device), p)
    y = x * mask
    return write(x, ..., y) if inplace else y


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """:func:`dropout` of whole channels of sequences (N, C, L).

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.dropout1d(minicnn.ones(2, 3, 4), training=False).shape
    minicnn.Size([2, 3, 4])
    """
    return _drop_channels("dropout1d", input, 3, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """:func:`dropout` of whole channels of images: neighbouring pixels are too alike to drop singly.

    Parameters
    ----------
    input : Tensor (N, C, H, W)
    p : float, default 0.5
    training : bool, default True
    inplace : bool, default False

    Returns
    -------
    Tensor, the input's shape

    References
    ----------
    Tompson et al., *Efficient object localization using convolutional networks*, 2015.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> y = F.dropout2d(minicnn.ones(1, 8, 2, 2))
    >>> bool(((y == 0).all(3).all(2) | (y == 2).all(3).all(2)).all())
    True
    """
    return _drop_channels("dropout2d", input, 4, p, training, inplace)


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """In training, zero whole samples with probability ``p`` and multiply the others by ``1/(1 - p)``.

    For residual branches: a sample whose branch is zeroed passes the block by the shortcut alone, so that the
    network is shorter for it. The expected value stays the same, so that nothing needs to be done in evaluation.

    Parameters
    ----------
    input : Tensor (N, ...)
        Output of a residual branch.
    p : float
        Probability of zero.
    mode : {"batch", "row"}
        Whether one draw decides for all samples together, as in the paper, or each sample has a draw of its own.
    training : bool, default True
        If not, the input is returned as it is.

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ValueError
        If p is not a probability, or the mode is another word.

    References
    ----------
    Huang et al., *Deep networks with stochastic depth*, 2016.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> y = F.stochastic_depth(minicnn.ones(100, 3), 0.75, "row")
    >>> sorted(set(y.sum(1).tolist()))
    [0.0, 12.0]
    """
    probability("stochastic_depth", p)
    depth_mode("stochastic_depth", mode)
    x = floating("stochastic_depth", input)
    if x.ndim == 0:
        raise ShapeError("stochastic_depth: expected an input of shape (N, ...), a batch; got a single number")
    if not training or p == 0:
        return x
    samples = x.shape[0] if mode == "row" else 1
    return x * ops.dropout(ones(samples, *(1,) * (x.ndim - 1), dtype=x.dtype, device=x.device), p)
