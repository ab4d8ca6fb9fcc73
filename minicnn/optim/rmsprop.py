"""RMSprop."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Array, Optimizer, Params, check_range, check_switches, next_step, zeros_like


class RMSprop(Optimizer):
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
    >>> optimizer = optim.RMSprop([w], lr=0.1)
    >>> (1000 * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)  # 1 - 0.1 / sqrt(1 - 0.99)
    0.0
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

    def update(self, param: Array, grad: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, alpha, momentum = group["lr"], group["alpha"], group["momentum"]
        names = ["square_avg"] + ["momentum_buffer"] * (momentum > 0) + ["grad_avg"] * group["centered"]
        next_step(state)
        for name in names:
            if name not in state:
                state[name] = zeros_like(param)

        g = -grad if group["maximize"] else grad
        if group["weight_decay"]:
            g = g + group["weight_decay"] * param
        v = state["square_avg"]._array
        v *= alpha
        v += (1 - alpha) * g * g
        if group["centered"]:
            mean = state["grad_avg"]._array
            mean += (1 - alpha) * (g - mean)
            v = v - mean * mean
        change = g / (np.sqrt(v) + group["eps"])
        if momentum > 0:
            b = state["momentum_buffer"]._array
            b *= momentum
            b += change
            change = b
        param -= lr * change
