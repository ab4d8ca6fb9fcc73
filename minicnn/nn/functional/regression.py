"""Losses for numbers: how far a prediction is from its target."""

from __future__ import annotations

import warnings
from typing import Any

from ...core.tensor import Tensor
from ...ops import losses as ops
from ...ops.operands import as_tensor, check_broadcast, promoted
from .loss import check_reduction


def _pair(operation: str, input: Any, target: Any) -> list[Tensor]:
    """Input and target of one type; shapes that only broadcast are warned about, as they are rarely meant."""
    x, t = as_tensor(input, "input", operation), as_tensor(target, "target", operation)
    if x.shape != t.shape:
        check_broadcast(operation, x, t)
        warnings.warn(
            f"{operation}: input {tuple(x.shape)} and target {tuple(t.shape)} differ in shape and are broadcast, "
            "which is rarely meant. Fix: give both the same shape",
            stacklevel=4,
        )
    return promoted(operation, x, t)


def _weighted(losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """With a weight, the mean is the weighted one."""
    if weight is None:
        return ops.reduce(losses, reduction)
    weighted = losses * weight
    return (
        weighted.sum() / weight.expand(*losses.shape).sum() if reduction == "mean" else ops.reduce(weighted, reduction)
    )


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared error: ``(x - t)^2``.

    Parameters
    ----------
    input, target : Tensor, the same shape
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}
    weight : Tensor that broadcasts, optional
        Weight of each element; the mean is then the weighted one.

    Returns
    -------
    Tensor, a scalar, or the input's shape for ``reduction="none"``

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.mse_loss(minicnn.tensor([1.0, 2.0]), minicnn.tensor([1.0, 4.0]))
    tensor(2.)
    """
    check_reduction("mse_loss", reduction, size_average, reduce)
    x, t = _pair("mse_loss", input, target)
    d = x - t
    return _weighted(d * d, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute error: ``|x - t|``. Parameters as :func:`mse_loss`.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.l1_loss(minicnn.tensor([1.0, 2.0]), minicnn.tensor([1.0, 4.0]))
    tensor(1.)
    """
    check_reduction("l1_loss", reduction, size_average, reduce)
    x, t = _pair("l1_loss", input, target)
    return _weighted((x - t).abs(), weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``d^2 / (2*beta)`` where ``d = |x - t| < beta``, else ``d - beta/2``.

    Parameters
    ----------
    input, target : Tensor, the same shape
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}
    beta : float, default 1.0
        Where the parabola ends; 0 gives :func:`l1_loss`.

    Returns
    -------
    Tensor, a scalar, or the input's shape for ``reduction="none"``

    References
    ----------
    Girshick, *Fast R-CNN*, 2015, formula 3.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.smooth_l1_loss(minicnn.tensor([0.5, 3.0]), minicnn.zeros(2), reduction="none")
    tensor([0.1250, 2.5000])
    """
    check_reduction("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative; got {beta}")
    x, t = _pair("smooth_l1_loss", input, target)
    return ops.reduce(ops.smooth_l1(x, t, beta), reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``d^2 / 2`` where ``d = |x - t| <= delta``, else ``delta * (d - delta/2)``.

    Parameters
    ----------
    input, target : Tensor, the same shape
    reduction : {"mean", "sum", "none"}
    delta : float, default 1.0
    weight : Tensor that broadcasts, optional
        Weight of each element. (As in PyTorch, the mean still divides by the number of elements.)

    Returns
    -------
    Tensor, a scalar, or the input's shape for ``reduction="none"``

    References
    ----------
    Huber, *Robust estimation of a location parameter*, 1964.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.huber_loss(minicnn.tensor([0.5, 3.0]), minicnn.zeros(2), reduction="none", delta=2.0)
    tensor([0.1250, 4.0000])
    """
    check_reduction("huber_loss", reduction)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive; got {delta}")
    x, t = _pair("huber_loss", input, target)
    losses = ops.huber(x, t, delta)
    return ops.reduce(losses if weight is None else losses * weight, reduction)
