"""RMSprop."""

from __future__ import annotations

from typing import Any

from .optimizer import Array, Params, check_range, check_switches
from .together import Arrays, Together, next_step, zeros_like


class RMSprop(Together):
    r"""RMSprop: divide the gradient by a moving average of its size.

    .. math::

        v &= \alpha v + (1 - \alpha) g^2 \\
        w &= w - \eta g / (\sqrt{v} + \epsilon)

    with :math:`g = \nabla L(w) + \lambda w`. ``centered`` subtracts the squared
    moving average of g from v; with ``momentum`` :math:`\mu`, w moves by
    :math:`-\eta b`, where :math:`b = \mu b + g / (\sqrt{v} + \epsilon)`.

    Parameters
    ----------
    params : iterable of Tensor or dict
        What to optimise, such as ``model.parameters()``, or groups.
    lr : float, default 0.01
    alpha : float, default 0.99
        How much of the old average remains in a step.
    eps : float, default 1e-8
    weight_decay : float, default 0
    momentum : float, default 0
    centered : bool, default False
        Divide by the standard deviation of the gradient instead.
    maximize : bool, default False
        Climb instead of descend.
    capturable, foreach, differentiable
        PyTorch's choice between its implementations; only the defaults are accepted.

    References
    ----------
    Hinton: Neural Networks for Machine Learning, lecture 6e (2012). Centred:
    Graves: Generating sequences with recurrent neural networks (2013), eq. 38-45.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> w = minicnn.tensor([1.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([w], lr=0.05)
    >>> (1000 * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)  # 1 - 0.05 / sqrt(1 - 0.99)
    0.5
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
                "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay", "momentum", "alpha"):
            check_range(group, name)
        check_switches(group)

    def begin(self, state: dict[str, Any], param: Array, group: dict[str, Any]) -> int:
        step = next_step(state)
        for name in ["square_avg"] + ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * group["centered"]:
            if name not in state:
                state[name] = zeros_like(param)
        return step

    def kernel_call(
        self, params: Arrays, grads: Arrays, state: dict[str, Arrays], step: int, group: dict[str, Any]
    ) -> tuple[Any, ...]:
        return (
            "rmsprop.step", params, grads, state["square_avg"], state["grad_avg"] if group["centered"] else None,
            state["momentum_buffer"] if group["momentum"] > 0 else None, float(group["lr"]), float(group["alpha"]),
            float(group["eps"]), float(group["weight_decay"]), float(group["momentum"]), bool(group["maximize"]),
        )  # fmt: skip
