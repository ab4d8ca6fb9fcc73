"""The steps of the optimisers: all parameters in one launch, up to 80 of them.

``lr`` is a number; or an array (1,) or, of Adam, (3,) in the memory of the device, which has what `schedules.schedule`
says: so that a captured graph reads it anew at each replay. Then ``step`` is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from ... import schedules
from ...arrays import Array, check_step
from ..catalog import PIECE
from . import order
from .launch import launch, launcher

Arrays = list[Array]
MOST = 80  # arrays of a launch; lists.cuh


def stepped(kernel: str, params: Arrays, grads: Arrays, states: Mapping[str, Arrays | None], **settings: Any) -> None:
    """Launch a step; the arrays are taken as they lie in memory, all like the parameter."""
    check_step(params, grads, *states.values())
    written = {"params": params, **{name: arrays for name, arrays in states.items() if arrays is not None}}
    orders = [order.of(p) for p in params]
    ready = {
        name: [_lying(x, lies) for x, lies in zip(arrays, orders, strict=True)] for name, arrays in written.items()
    }
    ready["grads"] = [_lying(g, lies) for g, lies in zip(grads, orders, strict=True)]
    some = [i for i, p in enumerate(params) if p.size]
    for start in range(0, len(some), MOST):
        chosen = some[start : start + MOST]
        lists: dict[str, Any] = {name: [arrays[i] for i in chosen] for name, arrays in ready.items()}
        sizes = [params[i].size for i in chosen]
        ends = list(accumulate(-(-size // PIECE) for size in sizes))
        left_out = {name: None for name, arrays in states.items() if arrays is None}
        launch(kernel, **lists, **left_out, sizes=sizes, ends=ends, arrays=len(chosen), **settings)
    for name, arrays in written.items():
        for x, used, lies in zip(arrays, ready[name], orders, strict=True):
            if used is not x:
                x.transpose(lies.axes)[...] = used.reshape([x.shape[axis] for axis in lies.axes])


def _lying(x: Array, lies: order.Order) -> Array:
    """The array itself if it lies in this order without gaps, else a copy that does."""
    return x if lies.lies(x) else lies.flat(x)


def rate(lr: float | Array, *numbers: str, of: tuple[Any, ...]) -> dict[str, Any]:
    """The schedule as the kernels are given it: an array, or numbers by name."""
    if hasattr(lr, "dtype"):
        return {"schedule": lr, **dict.fromkeys(numbers, 0.0)}
    return {"schedule": None, **dict(zip(numbers, of, strict=True))}


@launcher("sgd.step", "sgd.step")
def sgd_step(
    params: Arrays,
    grads: Arrays,
    momentum_buffers: Arrays | None,
    lr: float | Array,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
) -> None:
    """The parameters and the momentum buffers; ``first`` starts these with the gradients."""
    stepped(
        "sgd.step", params, grads, {"momentum_buffers": momentum_buffers}, buffered=momentum_buffers is not None,
        **rate(lr, "lr", of=(lr,)), momentum=momentum, dampening=dampening, weight_decay=weight_decay,
        nesterov=nesterov, maximize=maximize, first=first,
    )  # fmt: skip


@launcher("adam.step", "adam.step")
def adam_step(
    params: Arrays,
    grads: Arrays,
    exp_avgs: Arrays,
    exp_avg_sqs: Arrays,
    max_exp_avg_sqs: Arrays | None,
    step: int,
    lr: float | Array,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """The parameters and both moving averages; AMSGrad if ``max_exp_avg_sqs`` is given."""
    numbers = () if hasattr(lr, "dtype") else schedules.adam(step, lr, beta1, beta2)
    stepped(
        "adam.step", params, grads,
        {"exp_avgs": exp_avgs, "exp_avg_sqs": exp_avg_sqs, "max_exp_avg_sqs": max_exp_avg_sqs},
        amsgrad=max_exp_avg_sqs is not None, **rate(lr, "lr", "correction1", "correction2", of=numbers),
        beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, decoupled=decoupled, maximize=maximize,
    )  # fmt: skip


@launcher("rmsprop.step", "rmsprop.step")
def rmsprop_step(
    params: Arrays,
    grads: Arrays,
    square_avgs: Arrays,
    grad_avgs: Arrays | None,
    momentum_buffers: Arrays | None,
    lr: float | Array,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool,
) -> None:
    """The parameters and the averages; centred if ``grad_avgs`` is given."""
    stepped(
        "rmsprop.step", params, grads,
        {"square_avgs": square_avgs, "grad_avgs": grad_avgs, "momentum_buffers": momentum_buffers},
        centred=grad_avgs is not None, buffered=momentum_buffers is not None, **rate(lr, "lr", of=(lr,)),
        alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, maximize=maximize,
    )  # fmt: skip


@launcher("adagrad.step", "adagrad.step")
def adagrad_step(
    params: Arrays,
    grads: Arrays,
    sums: Arrays,
    step: int,
    lr: float | Array,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """The parameters and the sums of squares."""
    numbers = () if hasattr(lr, "dtype") else schedules.adagrad(step, lr, lr_decay)
    settings = {"eps": eps, "weight_decay": weight_decay, "maximize": maximize}
    stepped("adagrad.step", params, grads, {"sums": sums}, **rate(lr, "rate", of=numbers), **settings)


@launcher("adadelta.step", "adadelta.step")
def adadelta_step(
    params: Arrays,
    grads: Arrays,
    square_avgs: Arrays,
    acc_deltas: Arrays,
    lr: float | Array,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """The parameters and both averages, of squared gradients and of squared changes."""
    averages = {"square_avgs": square_avgs, "acc_deltas": acc_deltas}
    settings = {"rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
    stepped("adadelta.step", params, grads, averages, **rate(lr, "lr", of=(lr,)), **settings)
