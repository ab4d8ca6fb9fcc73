"""Activations, dropout, and the steps of the optimisers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from minicnn_kernels.cuda.catalog import ACTIVATIONS
from minicnn_kernels.vectorized.dropout import uniform

from .case import Draw, Drawn, cases, vectorized

PARAMETER = {"leaky_relu": 0.2, "elu": 0.7}
KEEPS_OUTPUT = ("relu", "sigmoid", "tanh")  # their derivative needs y, that of the others x
KINKS = (0.0, -0.0, 3.0, -3.0, 6.0, 50.0, -50.0, np.inf, -np.inf, np.nan)


def kinks(d: Draw, size: int) -> np.ndarray:
    """Numbers among which are the places where an activation has no derivative."""
    x = 4 * d.rng.standard_normal(size)
    x[: len(KINKS)] = KINKS[:size]
    return x.astype(d.dtype)


def activation(name: str) -> None:
    parameter = (PARAMETER[name],) if name in PARAMETER else ()

    @cases(f"{name}.forward")
    def forward(d: Draw) -> Iterator[Drawn]:
        for size in (300, 7, 0):
            x = kinks(d, size)
            with np.errstate(all="ignore"):
                y = vectorized(f"{name}.forward", x, *parameter)
            yield {"x": x, "y": d.empty(size), "parameter": sum(parameter)}, {"y": y.astype(d.dtype)}

    @cases(f"{name}.grad")
    def grad(d: Draw) -> Iterator[Drawn]:
        for size in (300, 7, 0):
            x, grad_y = kinks(d, size)[: size or None], d.array(size)
            with np.errstate(all="ignore"):
                kept = vectorized(f"{name}.forward", x, *parameter).astype(d.dtype) if name in KEEPS_OUTPUT else x
                grad_x = vectorized(f"{name}.grad", grad_y, kept, *parameter).astype(d.dtype)
            given = {"grad_y": grad_y, "kept": kept, "grad_x": d.empty(size), "parameter": sum(parameter)}
            yield given, {"grad_x": grad_x}


for _name in ACTIVATIONS:
    activation(_name)


@cases("dropout.forward")
def _(d: Draw) -> Iterator[Drawn]:
    at_the_limit = float(uniform(7, 3, 4)[0])  # the number of one element is the threshold: it stays
    seeds = (0, 2**64 - 1, 12345, 7, 3)
    for seed, p, shape in zip(
        seeds, (0.5, 0.1, 1.0, at_the_limit, 0.3), ((2, 3, 7), (3, 2, 50), (1, 4, 5), (2, 2, 3), (0, 2, 3)), strict=True
    ):
        x = d.array(*shape)  # (N, C, pixels)
        y, keep = vectorized("dropout.forward", x, p, seed)
        common = {
            "seed": seed,
            "threshold": int(np.ceil(p * 2**24)),
            "scale": 1 / (1 - p) if p < 1 else 0,
        }
        last = [np.ascontiguousarray(a.swapaxes(1, 2)) for a in (x, y, keep)]
        flat = [a.reshape(1, 1, x.size) for a in (x, y, keep)]
        for x_, y_, keep_ in (last, flat):
            outputs = {"y": d.empty(*y_.shape), "keep": ~keep_}
            yield {"x": x_, **outputs, **common}, {"y": y_, "keep": keep_}
            drawn = np.array([seed], np.uint64)  # as in a captured graph
            yield {"x": x_, **outputs, **common, "seed": 1, "drawn": drawn}, {"y": y_, "keep": keep_}


@cases("dropout.grad")
def _(d: Draw) -> Iterator[Drawn]:
    for size, p in ((300, 0.5), (5, 1.0), (0, 0.2)):
        grad_y, keep = d.array(size), d.rng.random(size) >= p
        if size:
            grad_y[0], keep[0] = np.inf, False
        given = {"grad_y": grad_y, "keep": keep, "grad_x": d.empty(size), "scale": 1 / (1 - p) if p < 1 else 0}
        yield given, {"grad_x": vectorized("dropout.grad", grad_y, keep, p)}


@cases("cross_entropy.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for m, classes, weighted, smoothing in LOSSES:
        logits, target, weight = labelled(d, m, classes, weighted)
        losses, log_p = vectorized("cross_entropy.forward", logits, target, weight, 1, smoothing)
        given = {"logits": logits, "target": target, "weight": weight, "ignore_index": 1, "label_smoothing": smoothing}
        outputs = {"losses": losses, "log_probabilities": log_p}
        if m:  # a label that is no class
            target[-1] = classes
            losses[-1] = np.nan
        yield {**given, **{name: d.empty(*x.shape) for name, x in outputs.items()}}, outputs


@cases("cross_entropy.grad")
def _(d: Draw) -> Iterator[Drawn]:
    for m, classes, weighted, smoothing in LOSSES:
        logits, target, weight = labelled(d, m, classes, weighted)
        _, log_p = vectorized("cross_entropy.forward", logits, target, weight, 1, smoothing)
        grad_losses = d.array(m)
        grad = vectorized("cross_entropy.grad", grad_losses, log_p, target, weight, 1, smoothing)
        if m:
            grad_losses[target == 1] = np.nan  # nobody looks
        given = {"grad_losses": grad_losses, "log_probabilities": log_p, "target": target, "weight": weight}
        settings = {"grad_logits": d.empty(m, classes), "ignore_index": 1, "label_smoothing": smoothing}
        yield {**given, **settings}, {"grad_logits": grad}


LOSSES = ((11, 10, False, 0.0), (5, 70, True, 0.1), (9, 3, True, 0.0), (3, 33, False, 0.3), (0, 4, False, 0.0))


def labelled(d: Draw, m: int, classes: int, weighted: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Logits, labels among which some are 1 (ignored), and the weights of the classes."""
    target = d.rng.integers(0, classes, m)
    target[:2] = 1
    weight = (0.5 + d.rng.random(classes)).astype(d.dtype) if weighted else None
    return 5 * d.array(m, classes), target, weight
