"""The steps of the optimisers, over lists of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np
from minicnn_kernels.cuda.catalog import PIECE

from .case import Draw, Drawn, cases, copied, vectorized

Lists = dict[str, list[np.ndarray] | None]
SIZES = ((300, 1, 5000, 40), (40,), (), (7, 2048, 2049))  # several pieces, a piece to the full, no array


def stepped(operation: str, lists: Lists, *settings: Any) -> Drawn:
    """The lists as a kernel takes them, and what they are after a step of the vectorized kernel."""
    after = {name: copied(arrays) for name, arrays in lists.items()}
    vectorized(operation, *after.values(), *settings)
    sizes = [p.size for p in lists["params"] or []]
    ends = list(accumulate(-(-size // PIECE) for size in sizes))
    given = {**lists, "sizes": sizes, "ends": ends, "arrays": len(sizes)}
    return given, {name: arrays for name, arrays in after.items() if arrays is not None and name != "grads"}


def scheduled(d: Draw, i: int, **numbers: float) -> dict[str, Any]:
    """By value, or in memory, and then the values are wrong."""
    if i % 2 == 0:
        return {**numbers, "schedule": None}
    return {**dict.fromkeys(numbers, 55.0), "schedule": np.array(list(numbers.values()), d.dtype)}


def lists(d: Draw, i: int, *names: str) -> dict[str, list[np.ndarray]]:
    """Arrays of some sizes, by name."""
    return {name: [d.array(size) for size in SIZES[i % len(SIZES)]] for name in names}


def positive(arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [abs(x) for x in arrays]


@cases("sgd.step")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (momentum, dampening, decay, nesterov, maximize, first) in enumerate(
        (
            (0.9, 0.3, 0.1, False, True, False),
            (0.9, 0.0, 0.1, True, False, False),
            (0.0, 0.0, 0.0, False, False, True),
            (0.8, 0.5, 0.0, True, False, True),
            (0.0, 0.0, 0.1, False, False, True),
        )
    ):
        arrays: Lists = {**lists(d, i, "params", "grads", "momentum_buffers")}
        if not momentum:
            arrays["momentum_buffers"] = None
        given, after = stepped("sgd.step", arrays, 0.05, momentum, dampening, decay, nesterov, maximize, first)
        settings = {"momentum": momentum, "dampening": dampening, "weight_decay": decay}
        flags = {"nesterov": nesterov, "maximize": maximize, "first": first, "buffered": momentum > 0}
        yield {**given, **scheduled(d, i, lr=0.05), **settings, **flags}, after


@cases("adam.step")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (step, decay, decoupled, maximize, amsgrad) in enumerate(
        (
            (1, 0.0, False, False, False),
            (7, 0.1, True, False, True),
            (3, 0.1, False, True, True),
            (2, 0.2, True, True, False),
            (4, 0.1, False, True, True),
        )
    ):
        arrays: Lists = {**lists(d, i, "params", "grads", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs")}
        arrays["exp_avg_sqs"] = positive(arrays["exp_avg_sqs"] or [])
        arrays["max_exp_avg_sqs"] = positive(arrays["max_exp_avg_sqs"] or []) if amsgrad else None
        if amsgrad and arrays["params"]:
            arrays["grads"][0][:1] = np.nan  # type: ignore[index]
            arrays["max_exp_avg_sqs"][0][-1:] = np.nan  # type: ignore[index]
        given, after = stepped("adam.step", arrays, step, 0.01, 0.9, 0.99, 0.05, decay, decoupled, maximize)
        schedule = scheduled(d, i, lr=0.01, correction1=1 - 0.9**step, correction2=1 - 0.99**step)
        settings = {"beta1": 0.9, "beta2": 0.99, "eps": 0.05, "weight_decay": decay}
        flags = {"decoupled": decoupled, "maximize": maximize, "amsgrad": amsgrad}
        yield {**given, **schedule, **settings, **flags}, after


@cases("rmsprop.step")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (decay, momentum, centred, maximize) in enumerate(
        ((0.0, 0.0, False, False), (0.1, 0.9, True, True), (0.1, 0.5, False, False), (0.0, 0.0, True, True))
    ):
        arrays: Lists = {**lists(d, i, "params", "grads", "square_avgs", "grad_avgs", "momentum_buffers")}
        means = [x * d.dtype(0.3) for x in arrays["grad_avgs"] or []]
        arrays["square_avgs"] = [abs(x) + m * m for x, m in zip(arrays["square_avgs"] or [], means, strict=True)]
        arrays["grad_avgs"] = means if centred else None
        if not momentum:
            arrays["momentum_buffers"] = None
        given, after = stepped("rmsprop.step", arrays, 0.01, 0.9, 0.05, decay, momentum, maximize)
        settings = {"alpha": 0.9, "eps": 0.05, "weight_decay": decay, "momentum": momentum, "maximize": maximize}
        flags = {"centred": centred, "buffered": momentum > 0}
        yield {**given, **scheduled(d, i, lr=0.01), **settings, **flags}, after


@cases("adagrad.step")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (step, lr_decay, decay, maximize) in enumerate(
        ((1, 0.0, 0.0, False), (7, 0.1, 0.1, True), (3, 0.5, 0.1, False), (2, 0.1, 0.0, True))
    ):
        arrays: Lists = {**lists(d, i, "params", "grads", "sums")}
        arrays["sums"] = positive(arrays["sums"] or [])
        given, after = stepped("adagrad.step", arrays, step, 0.1, lr_decay, 0.05, decay, maximize)
        schedule = scheduled(d, i, rate=0.1 / (1 + (step - 1) * lr_decay))
        yield {**given, **schedule, "eps": 0.05, "weight_decay": decay, "maximize": maximize}, after


@cases("adadelta.step")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (rho, decay, maximize) in enumerate(
        ((0.9, 0.0, False), (0.7, 0.1, True), (0.9, 0.1, False), (0.5, 0.2, True))
    ):
        arrays: Lists = {**lists(d, i, "params", "grads", "square_avgs", "acc_deltas")}
        arrays["square_avgs"], arrays["acc_deltas"] = (
            positive(arrays[name] or []) for name in ("square_avgs", "acc_deltas")
        )
        given, after = stepped("adadelta.step", arrays, 0.5, rho, 0.05, decay, maximize)
        settings = {"rho": rho, "eps": 0.05, "weight_decay": decay, "maximize": maximize}
        yield {**given, **scheduled(d, i, lr=0.5), **settings}, after
