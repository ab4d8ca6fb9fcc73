"""Adagrad and Adadelta: step sizes from all, or from the recent, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .optimizer import Array, Params, check_range, check_switches
from .together import Arrays, Together, next_step, zeros_like


class Adagrad(Together):
    r"""Adagrad: the more a weight has moved, the smaller its steps.

    .. math::

        s &= s + g^2 \\
        w &= w - \frac{\eta}{1 + (t - 1) \gamma} \; g / (\sqrt{s} + \epsilon)

    in step t, with :math:`g = \nabla L(w) + \lambda w` and ``lr_decay``
    :math:`\gamma`.

    Parameters
    ----------
    params : iterable of Tensor or dict
        What to optimise, such as ``model.parameters()``, or groups.
    lr : float, default 0.01
    lr_decay : float, default 0
    weight_decay : float, default 0
    initial_accumulator_value : float, default 0
        What s starts from.
    eps : float, default 1e-10
    maximize : bool, default False
        Climb instead of descend.
    foreach, differentiable, fused
        PyTorch's choice between its implementations; only the defaults are accepted.

    References
    ----------
    Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and
    stochastic optimization, JMLR 2011.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> w = minicnn.tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Adagrad([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (5 * w).sum().backward()
    ...     optimizer.step()
    ...     print(round(w.item(), 4))  # 0.1 / sqrt(1), then 0.1 / sqrt(2)
    0.9
    0.8293
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip
        for group in self.param_groups:  # from the start, as in PyTorch
            for param in group["params"]:
                self._begin(self.state[param], param._array, group)

    @staticmethod
    def _begin(state: dict[str, Any], param: Array, group: dict[str, Any]) -> None:
        state["step"] = Tensor._wrap(np.zeros((), np.float32))
        state["sum"] = Tensor._wrap(np.full_like(param, group["initial_accumulator_value"]))

    def check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            check_range(group, name)
        check_switches(group)

    def begin(self, state: dict[str, Any], param: Array, group: dict[str, Any]) -> int:
        if not state:
            self._begin(state, param, group)
        return next_step(state)

    def kernel_call(
        self, params: Arrays, grads: Arrays, state: dict[str, Arrays], step: int, group: dict[str, Any]
    ) -> tuple[Any, ...]:
        return (
            "adagrad.step", params, grads, state["sum"], step, float(group["lr"]), float(group["lr_decay"]),
            float(group["eps"]), float(group["weight_decay"]), bool(group["maximize"]),
        )  # fmt: skip


class Adadelta(Together):
    r"""Adadelta: like RMSprop, with steps in the units of the weights.

    .. math::

        v &= \rho v + (1 - \rho) g^2 \\
        d &= g \sqrt{u + \epsilon} / \sqrt{v + \epsilon} \\
        u &= \rho u + (1 - \rho) d^2 \\
        w &= w - \eta d

    with :math:`g = \nabla L(w) + \lambda w`.

    Parameters
    ----------
    params : iterable of Tensor or dict
        What to optimise, such as ``model.parameters()``, or groups.
    lr : float, default 1.0
    rho : float, default 0.9
        How much of the old averages remains in a step.
    eps : float, default 1e-6
    weight_decay : float, default 0
    maximize : bool, default False
        Climb instead of descend.
    foreach, capturable, differentiable
        PyTorch's choice between its implementations; only the defaults are accepted.

    References
    ----------
    Zeiler: ADADELTA: an adaptive learning rate method, arXiv 1212.5701 (2012), algorithm 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> w = minicnn.tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Adadelta([w])
    >>> (5 * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.9968
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
            },
        )  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_range(group, name)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"rho must be between 0 and 1; got rho={group['rho']}")
        check_switches(group)

    def begin(self, state: dict[str, Any], param: Array, group: dict[str, Any]) -> int:
        if not state:
            state["square_avg"], state["acc_delta"] = zeros_like(param), zeros_like(param)
        return next_step(state)

    def kernel_call(
        self, params: Arrays, grads: Arrays, state: dict[str, Arrays], step: int, group: dict[str, Any]
    ) -> tuple[Any, ...]:
        return (
            "adadelta.step", params, grads, state["square_avg"], state["acc_delta"], float(group["lr"]),
            float(group["rho"]), float(group["eps"]), float(group["weight_decay"]), bool(group["maximize"]),
        )  # fmt: skip
