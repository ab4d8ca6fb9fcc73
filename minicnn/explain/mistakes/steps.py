"""Mistakes of the optimisers' steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from .known import Array, Plant, mistake


@mistake(
    "sgd.step", "adam.step", name="the step goes up instead of down", remedy="param -= lr * ...: against the gradient"
)
def _(right: Plant, params: list[Array], *rest: Any) -> Any:
    before = [p.copy() for p in params]
    right(params, *rest)
    for p, old in zip(params, before, strict=True):
        p[...] = 2 * old - p


@mistake("sgd.step", name="the weight decay is forgotten", remedy="g = grad + weight_decay*param")
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:6], 0.0, *arguments[7:])


@mistake("sgd.step", name="the dampening is forgotten", remedy="v = momentum*v + (1 - dampening)*g")
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:5], 0.0, *arguments[6:])


@mistake("sgd.step", name="Nesterov's step is forgotten", remedy="nesterov: param -= lr*(g + momentum*v)")
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:7], False, *arguments[8:])


@mistake("sgd.step", "adam.step", name="maximize is forgotten", remedy="maximize turns the sign of the gradient")
def _(right: Plant, *arguments: Any) -> Any:
    at = 8 if len(arguments) == 10 else 12
    return right(*arguments[:at], False, *arguments[at + 1 :])


@mistake("sgd.step", name="the momentum is forgotten", remedy="v = momentum*v + g; param -= lr*v")
def _(right: Plant, params: list[Array], grads: list[Array], buffers: Any, *rest: Any) -> Any:
    return right(params, grads, None, *rest)


@mistake(
    "sgd.step",
    name="the momentum buffers are not kept",
    remedy="momentum_buffers[i] is changed in place: buffer[...] = v",
)
def _(right: Plant, params: list[Array], grads: list[Array], buffers: Any, *rest: Any) -> Any:
    return right(params, grads, None if buffers is None else [b.copy() for b in buffers], *rest)


@mistake("sgd.step", name="the learning rate is in the velocity", remedy="v = momentum*v + g without lr; param -= lr*v")
def _(
    right: Plant, params: list[Array], grads: list[Array], buffers: Any, lr: float, momentum: float, *rest: Any
) -> Any:
    if buffers is None:
        return
    for p, g, v in zip(params, grads, buffers, strict=True):
        v[...] = momentum * v + lr * g
        p -= v


@mistake(
    "adam.step",
    name="the averages are not corrected for their start at 0",
    remedy="m/(1 - beta1^t) and v/(1 - beta2^t)",
)
def _(
    right: Plant, params: list[Array], grads: list[Array], m: Any, v: Any, largest: Any, step: int, *rest: Any
) -> Any:
    return right(params, grads, m, v, largest, 10**9, *rest)


@mistake(
    "adam.step", name="the two betas are mixed up", remedy="beta1 is for m, the mean; beta2 for v, the mean square"
)
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:7], arguments[8], arguments[7], *arguments[9:])


@mistake(
    "adam.step",
    name="the weight decay is forgotten",
    remedy="g = grad + weight_decay*param; AdamW: param -= lr*weight_decay*param",
)
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:10], 0.0, *arguments[11:])


@mistake(
    "adam.step",
    name="the decay of Adam and that of AdamW are mixed up",
    remedy="decoupled: param -= lr*weight_decay*param, and not in g",
)
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:11], not arguments[11], *arguments[12:])


@mistake(
    "adam.step",
    name="AMSGrad is forgotten",
    remedy="if max_exp_avg_sqs is given, the largest v so far takes the place of v",
)
def _(right: Plant, params: list[Array], grads: list[Array], m: Any, v: Any, largest: Any, *rest: Any) -> Any:
    return right(params, grads, m, v, None, *rest)


@mistake("adam.step", name="eps is added inside of the root", remedy="sqrt(v/(1 - beta2^t)) + eps")
def _(right: Plant, *arguments: Any) -> Any:
    params, grads, ms, vs, _, step, lr, beta1, beta2, eps = arguments[:10]
    before = [p.copy() for p in params]
    right(*arguments)
    for p, old, m, v in zip(params, before, ms, vs, strict=True):
        p[...] = old - lr * m / (1 - beta1**step) / np.sqrt(v / (1 - beta2**step) + eps)
    return grads and None


@mistake(
    "adam.step", "sgd.step", name="the averages start anew", remedy="the averages given are used and changed in place"
)
def _(right: Plant, *arguments: Any) -> Any:
    at = (2,) if len(arguments) == 10 else (2, 3)
    if any(arguments[i] is None for i in at):
        return None
    return right(*([np.zeros_like(a) for a in x] if i in at else x for i, x in enumerate(arguments)))
