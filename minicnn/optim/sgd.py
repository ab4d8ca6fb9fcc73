"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from .optimizer import Array, Params, check_range, check_switches
from .together import Arrays, Together, zeros_like


class SGD(Together):
    r"""Stochastic gradient descent, with momentum.

    .. math::

        g &= \nabla L(w) + \lambda w \\
        v &= \mu v + (1 - \tau) g \\
        w &= w - \eta v \qquad \text{(Nesterov: } w - \eta (g + \mu v) \text{)}

    with the learning rate :math:`\eta`, momentum :math:`\mu`, dampening
    :math:`\tau` and weight decay :math:`\lambda`. In the first step, v = g.

    Parameters
    ----------
    params : iterable of Tensor or dict
        What to optimise, such as ``model.parameters()``, or groups.
    lr : float, default 0.001
    momentum : float, default 0
    dampening : float, default 0
    weight_decay : float, default 0
    nesterov : bool, default False
        Look ahead along the momentum; needs ``momentum > 0`` and ``dampening=0``.
    maximize : bool, default False
        Climb instead of descend.
    foreach, differentiable, fused
        PyTorch's choice between its implementations; only the defaults are accepted.

    References
    ----------
    Sutskever, Martens, Dahl, Hinton: On the importance of initialization and
    momentum in deep learning, ICML 2013, section 2 (PyTorch multiplies v, not
    g, by the learning rate).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> w = minicnn.tensor([1.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()  # gradient 2 w
    ...     optimizer.step()
    ...     print(round(w.item(), 4))
    0.8
    0.46
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                "nesterov": nesterov, "maximize": maximize,
                "foreach": foreach, "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_range(group, name)
        check_switches(group)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(
                "nesterov=True needs momentum > 0 and dampening=0; "
                f"got momentum={group['momentum']}, dampening={group['dampening']}"
            )

    def begin(self, state: dict[str, Any], param: Array, group: dict[str, Any]) -> int:
        if group["momentum"] == 0 or state.get("momentum_buffer") is not None:
            return 2  # a step like all others
        state["momentum_buffer"] = zeros_like(param)
        return 1

    def kernel_call(
        self, params: Arrays, grads: Arrays, state: dict[str, Arrays], step: int, group: dict[str, Any]
    ) -> tuple[Any, ...]:
        return (
            "sgd.step", params, grads, state.get("momentum_buffer") if group["momentum"] != 0 else None,
            float(group["lr"]), float(group["momentum"]), float(group["dampening"]), float(group["weight_decay"]),
            bool(group["nesterov"]), bool(group["maximize"]), step == 1,
        )  # fmt: skip
