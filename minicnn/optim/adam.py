"""Adam, and AdamW with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from .optimizer import Array, Params, check_range, check_switches
from .together import Arrays, Together, next_step, zeros_like


class Adam(Together):
    r"""Adam: each weight has a step size of its own, from moving averages of its gradient.

    .. math::

        m &= \beta_1 m + (1 - \beta_1) g, \qquad \hat m = m / (1 - \beta_1^t) \\
        v &= \beta_2 v + (1 - \beta_2) g^2, \qquad \hat v = v / (1 - \beta_2^t) \\
        w &= w - \eta \hat m / (\sqrt{\hat v} + \epsilon)

    in step t, with :math:`g = \nabla L(w) + \lambda w` (weight decay
    :math:`\lambda`). The division by :math:`1 - \beta^t` makes up for m and v
    starting at 0.

    Parameters
    ----------
    params : iterable of Tensor or dict
        What to optimise, such as ``model.parameters()``, or groups.
    lr : float, default 0.001
        Learning rate :math:`\eta`.
    betas : pair of float, default (0.9, 0.999)
        How much of the old averages m and v remains in a step.
    eps : float, default 1e-8
        Keeps the division finite.
    weight_decay : float, default 0
    amsgrad : bool, default False
        Divide by the largest v so far instead of the present one.
    maximize : bool, default False
        Climb instead of descend.
    decoupled_weight_decay : bool, default False
        Shrink the weights directly, as :class:`AdamW`.
    foreach, capturable, differentiable, fused
        PyTorch's choice between its implementations; only the defaults are accepted.

    References
    ----------
    Kingma and Ba: Adam: a method for stochastic optimization, ICLR 2015,
    algorithm 1. AMSGrad: Reddi, Kale, Kumar, ICLR 2018.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> w = minicnn.tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Adam([w], lr=0.1)
    >>> (1000 * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)  # the first step has length lr, whatever the gradient
    0.9
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr, "betas": tuple(betas) if isinstance(betas, list) else betas, "eps": eps,
                "weight_decay": weight_decay, "amsgrad": amsgrad,
                "maximize": maximize, "foreach": foreach, "capturable": capturable,
                "differentiable": differentiable, "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
            },
        )  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_range(group, name)
        if not isinstance(group["betas"], (tuple, list)) or len(group["betas"]) != 2:
            raise ValueError(f"betas must be two numbers; got {group['betas']!r}")
        check_range(group, "betas", below=1)
        check_switches(group)

    def begin(self, state: dict[str, Any], param: Array, group: dict[str, Any]) -> int:
        step = next_step(state)
        for name in ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]:
            if name not in state:
                state[name] = zeros_like(param)
        return step

    def kernel_call(
        self, params: Arrays, grads: Arrays, state: dict[str, Arrays], step: int, group: dict[str, Any]
    ) -> tuple[Any, ...]:
        return (
            "adam.step", params, grads, state["exp_avg"], state["exp_avg_sq"],
            state["max_exp_avg_sq"] if group["amsgrad"] else None, step,
            float(group["lr"]), *map(float, group["betas"]), float(group["eps"]), float(group["weight_decay"]),
            bool(group["decoupled_weight_decay"]), bool(group["maximize"]),
        )  # fmt: skip


class AdamW(Adam):
    r"""Adam with weight decay that shrinks the weights directly: :math:`w = w - \eta \lambda w`, then Adam's step.

    In :class:`Adam` the decay is part of the gradient, and so is divided by
    :math:`\sqrt{\hat v}`: weights with large gradients decay less. Here all
    decay alike.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize, foreach, capturable, differentiable, fused
        As in :class:`Adam`.
    weight_decay : float, default 0.01
        :math:`\lambda`.

    References
    ----------
    Loshchilov and Hutter: Decoupled weight decay regularization, ICLR 2019, algorithm 2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> w = minicnn.tensor([1.0], requires_grad=True)
    >>> optimizer = optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (0 * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.95
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip
