"""Losses as modules; the formulas are in :mod:`minicnn.nn.functional`."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from . import functional as F
from .functional.loss import check_reduction
from .module import Module


class _Loss(Module):
    """A loss that is reduced to its mean or sum, or not."""

    more_reductions: tuple[str, ...] = ()

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction, size_average, reduce, *self.more_reductions)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a weight, which is part of the state."""

    def __init__(self, weight: Tensor | None, size_average: Any, reduce: Any, reduction: str) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of logits with labels; see :func:`minicnn.nn.functional.cross_entropy`.

    Parameters
    ----------
    weight : Tensor (C,), optional
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    ignore_index : int, default -100
    reduction : {"mean", "sum", "none"}
    label_smoothing : float, default 0.0

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.CrossEntropyLoss()(minicnn.zeros(2, 10), minicnn.tensor([3, 7]))
    tensor(2.3026)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """Minus the log-probability of the label; see :func:`minicnn.nn.functional.nll_loss`.

    Parameters
    ----------
    weight : Tensor (C,), optional
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    ignore_index : int, default -100
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> log_p = nn.LogSoftmax(dim=1)(minicnn.zeros(2, 10))
    >>> nn.NLLLoss()(log_p, minicnn.tensor([3, 7]))
    tensor(2.3026)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """Binary cross-entropy of probabilities; see :func:`minicnn.nn.functional.binary_cross_entropy`.

    Parameters
    ----------
    weight : Tensor, optional
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.BCELoss()(minicnn.tensor([0.5]), minicnn.tensor([1.0]))
    tensor(0.6931)
    """

    def __init__(
        self, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross-entropy of logits; see :func:`minicnn.nn.functional.binary_cross_entropy_with_logits`.

    Parameters
    ----------
    weight : Tensor, optional
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.BCEWithLogitsLoss()(minicnn.tensor([0.0]), minicnn.tensor([1.0]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class MSELoss(_Loss):
    """Squared error; see :func:`minicnn.nn.functional.mse_loss`.

    Parameters
    ----------
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.MSELoss()(minicnn.tensor([1.0, 2.0]), minicnn.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Absolute error; see :func:`minicnn.nn.functional.l1_loss`. Parameters as :class:`MSELoss`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.L1Loss()(minicnn.tensor([1.0, 2.0]), minicnn.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """A parabola around 0, straight beyond; see :func:`minicnn.nn.functional.smooth_l1_loss`.

    Parameters
    ----------
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}
    beta : float, default 1.0

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.SmoothL1Loss()(minicnn.tensor([3.0]), minicnn.zeros(1))
    tensor(2.5000)
    """

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """A parabola around 0, straight beyond; see :func:`minicnn.nn.functional.huber_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float, default 1.0

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.HuberLoss(delta=2.0)(minicnn.tensor([3.0]), minicnn.zeros(1))
    tensor(4.)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence; see :func:`minicnn.nn.functional.kl_div`.

    Parameters
    ----------
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "batchmean", "sum", "none"}
    log_target : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> log_q = minicnn.tensor([[0.25, 0.75]]).log()
    >>> nn.KLDivLoss(reduction="batchmean")(log_q, minicnn.tensor([[0.5, 0.5]]))
    tensor(0.1438)
    """

    more_reductions = ("batchmean",)

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
