"""Losses for classes: cross-entropy and its relatives."""

from __future__ import annotations

from typing import Any

from ...core.errors import DTypeError, ShapeError
from ...core.grad_mode import is_anomaly_enabled
from ...core.tensor import Tensor
from ...ops import losses as ops
from ...ops.operands import as_tensor
from .checks import floating, same_dtype


def check_reduction(operation: str, reduction: str, size_average: Any = None, reduce: Any = None, *more: str) -> None:
    """``reduction`` must be one of the known words; the arguments that it replaced are refused."""
    if size_average is not None or reduce is not None:
        raise ValueError(
            f"{operation}: size_average and reduce were deprecated in PyTorch and are left out here. "
            "Fix: reduction='mean', 'sum' or 'none'"
        )
    known = ("none", "mean", "sum", *more)
    if reduction not in known:
        raise ValueError(f"{operation}: reduction must be one of {', '.join(map(repr, known))}; got {reduction!r}")


def _class_axis(x: Tensor) -> int:
    return 0 if x.ndim == 1 else 1


def _check_target(operation: str, x: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> None:
    """Labels must be integers of the input's shape without its class axis, and name classes."""
    axis = _class_axis(x)
    classes = x._array.shape[axis]
    if target._array.dtype.kind not in "iu":
        soft = " (probabilities of the same shape as the logits are fine too)" if operation == "cross_entropy" else ""
        raise DTypeError(f"{operation}: labels must be integers, int64{soft}; got {target.dtype}. Fix: target.long()")
    expected = tuple(x.shape[:axis]) + tuple(x.shape[axis + 1 :])
    if tuple(target.shape) != expected:
        raise ShapeError(
            f"{operation}: logits of shape {tuple(x.shape)} ({classes} classes) need labels of shape {expected}; "
            f"got {tuple(target.shape)}. Fix: {_target_fix(x, target, classes, expected)}"
        )
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"{operation}: weight must have one number per class, shape ({classes},); got {tuple(weight.shape)}"
        )
    ops.check_labels(operation, target, classes, ignore_index)


def _target_fix(x: Tensor, target: Tensor, classes: int, expected: tuple[int, ...]) -> str:
    if target.ndim == x.ndim and target.shape[_class_axis(target)] == classes:
        return "target.argmax(1) if these are one-hot rows (or target.float() to use them as probabilities)"
    if target.ndim == x.ndim and target.numel() == x.numel() // classes:
        return "target.squeeze(1)"
    if len(expected) == 1 and target.ndim == 1:
        return "as many labels as rows of logits"
    return "one label for each position, without the class axis"


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Minus the logarithm of the probability that softmax gives to the right class.

    ``loss_n = -weight[t] * log(e^x_t / sum_j e^x_j)`` with the label ``t = target[n]``. The mean is
    ``sum of losses / sum of the labels' weights``. With label smoothing s, the wanted probabilities are
    ``(1 - s)*onehot + s/C``. The input is logits: no softmax before it.

    Parameters
    ----------
    input : Tensor (C,), (N, C) or (N, C, d1, d2, ...)
        Logits.
    target : Tensor of int (), (N,) or (N, d1, d2, ...), or probabilities of the input's shape
    weight : Tensor (C,), optional
        Weight of each class.
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    ignore_index : int, default -100
        Label of positions that do not count.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float, default 0.0

    Returns
    -------
    Tensor, a scalar, or the target's shape for ``reduction="none"``

    Raises
    ------
    ShapeError, DTypeError
        Labels that are not classes, of another shape, or not integers.

    References
    ----------
    Goodfellow, Bengio & Courville, *Deep learning*, 2016, section 6.2.2; label smoothing: Szegedy et
    al., *Rethinking the Inception architecture for computer vision*, 2016, section 7.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> logits = minicnn.zeros(2, 10)
    >>> F.cross_entropy(logits, minicnn.tensor([3, 7]))  # a guess among ten: log(10)
    tensor(2.3026)
    """
    check_reduction("cross_entropy", reduction, size_average, reduce)
    x = floating("cross_entropy", input)
    t = as_tensor(target, "target", "cross_entropy")
    (w,) = same_dtype("cross_entropy", x, weight=weight)
    if x.ndim == 0:
        raise ShapeError("cross_entropy: expected logits of shape (C,), (N, C) or (N, C, ...); got a scalar")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing must be between 0 and 1; got {label_smoothing}")
    if t.is_floating_point() and t.shape == x.shape:
        if ignore_index >= 0:
            raise ValueError("cross_entropy: ignore_index has no meaning for probabilities as targets")
        if w is not None and w.shape != (x.shape[_class_axis(x)],):
            raise ShapeError(f"cross_entropy: weight must have one number per class; got {tuple(w.shape)}")
        return ops.soft_cross_entropy(x, t, w, label_smoothing, reduction)
    _check_target("cross_entropy", x, t, w, ignore_index)
    return ops.cross_entropy(x, t, w, ignore_index, label_smoothing, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the right class: ``-weight[t] * x_t``; after :func:`log_softmax`, cross-entropy.

    Parameters
    ----------
    input : Tensor (C,), (N, C) or (N, C, d1, d2, ...)
        Log-probabilities.
    target, weight, size_average, ignore_index, reduce, reduction
        As in :func:`cross_entropy`.

    Returns
    -------
    Tensor, a scalar, or the target's shape for ``reduction="none"``

    Raises
    ------
    ShapeError, DTypeError

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> log_p = minicnn.tensor([[0.25, 0.75]]).log()
    >>> F.nll_loss(log_p, minicnn.tensor([0]))
    tensor(1.3863)
    """
    check_reduction("nll_loss", reduction, size_average, reduce)
    x = floating("nll_loss", input)
    t = as_tensor(target, "target", "nll_loss")
    (w,) = same_dtype("nll_loss", x, weight=weight)
    if x.ndim == 0:
        raise ShapeError("nll_loss: expected log-probabilities of shape (C,), (N, C) or (N, C, ...); got a scalar")
    _check_target("nll_loss", x, t, w, ignore_index)
    return ops.nll_loss(x, t, w, ignore_index, reduction)


def same_shape(operation: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Two floating-point tensors of one shape and one type."""
    x = floating(operation, input)
    t = as_tensor(target, "target", operation)
    if not t.is_floating_point():
        raise DTypeError(
            f"{operation}: the target must hold floating-point numbers; got {t.dtype}. Fix: target.float()"
        )
    if x.shape != t.shape:
        fix = "y.squeeze(1)" if x.ndim == t.ndim + 1 and x.shape[-1] == 1 else "give both the same shape"
        raise ShapeError(
            f"{operation}: input and target must have the same shape; got {tuple(x.shape)} and "
            f"{tuple(t.shape)}. Fix: {fix}"
        )
    same_dtype(operation, x, target=t)
    return x, t


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``-weight * (t*log(p) + (1 - t)*log(1 - p))`` for probabilities p; logarithms stop at -100.

    Parameters
    ----------
    input : Tensor, any shape
        Probabilities between 0 and 1.
    target : Tensor, the same shape
        Numbers between 0 and 1.
    weight : Tensor that broadcasts, optional
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor, a scalar, or the input's shape for ``reduction="none"``

    Raises
    ------
    ShapeError, DTypeError
        Also for numbers that are not probabilities.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.binary_cross_entropy(minicnn.tensor([0.5]), minicnn.tensor([1.0]))
    tensor(0.6931)
    """
    check_reduction("binary_cross_entropy", reduction, size_average, reduce)
    x, t = same_shape("binary_cross_entropy", input, target)
    seen = not x.is_cuda or is_anomaly_enabled()  # a GPU would be waited for; there the loss of others is NaN
    if seen and x.numel() and not (x._array.min() >= 0 and x._array.max() <= 1):
        raise ShapeError(
            f"binary_cross_entropy: the input must be probabilities between 0 and 1; got {x._array.min()} to "
            f"{x._array.max()}. "
            "Fix: binary_cross_entropy_with_logits, which applies the sigmoid itself"
        )
    losses = ops.BinaryCrossEntropy()(x, t)
    return ops.reduce(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of ``sigmoid(x)``, computed without overflow.

    ``-weight * (pos_weight * t * log(sigmoid(x)) + (1 - t) * log(1 - sigmoid(x)))``

    Parameters
    ----------
    input : Tensor, any shape
        Logits.
    target : Tensor, the same shape
        Numbers between 0 and 1.
    weight, pos_weight : Tensor that broadcasts, optional
        Weight of every element, and of the positive part.
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor, a scalar, or the input's shape for ``reduction="none"``

    Raises
    ------
    ShapeError, DTypeError

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.binary_cross_entropy_with_logits(minicnn.tensor([1000.0]), minicnn.tensor([0.0]))
    tensor(1000.)
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction, size_average, reduce)
    x, t = same_shape(name, input, target)
    losses = ops.bce_with_logits(x, t, pos_weight)
    return ops.reduce(losses if weight is None else losses * weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of distributions: ``t * (log(t) - x)``, where x are log-probabilities.

    Parameters
    ----------
    input : Tensor, any shape
        Log-probabilities.
    target : Tensor, the same shape
        Probabilities, or their logarithms with ``log_target``.
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "batchmean", "sum", "none"}
        The definition's divergence is "batchmean": the sum divided by the batch size.
    log_target : bool, default False

    Returns
    -------
    Tensor, a scalar, or the input's shape for ``reduction="none"``

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    Kullback & Leibler, *On information and sufficiency*, 1951.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> p = minicnn.tensor([[0.5, 0.5]])
    >>> F.kl_div(minicnn.tensor([[0.25, 0.75]]).log(), p, reduction="batchmean")
    tensor(0.1438)
    """
    check_reduction("kl_div", reduction, size_average, reduce, "batchmean")
    x, t = same_shape("kl_div", input, target)
    losses = ops.kl_div(x, t, log_target)
    return losses.sum() / x.shape[0] if reduction == "batchmean" else ops.reduce(losses, reduction)
