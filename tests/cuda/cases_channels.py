"""Batch norm and biases, in the orders (N, C, H*W) and (N*H*W, C, 1)."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from minicnn_kernels.epilogue import Epilogue

from .case import Draw, Drawn, cases, vectorized

# outer, c, inner: more values than a block has threads, fewer than a warp, channels-last, none
LAYERS = ((3, 5, 117), (2, 3, 7), (70, 4, 1), (1, 2, 1), (0, 3, 4))
CLAMPS = ((-inf, inf), (0.0, inf), (-0.5, 0.7), (-inf, 0.3), (0.0, 6.0))


def shifted(d: Draw, *shape: int) -> np.ndarray:
    """Channels far from 0, so that a variance that cancels shows."""
    return (d.array(*shape) * 0.5 + 40 + np.arange(shape[1])[:, None] * 3).astype(d.dtype)


def statistics(d: Draw, c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance, weight and bias."""
    return d.array(c), (0.5 + d.rng.random(c)).astype(d.dtype), d.array(c), d.array(c)


@cases("batch_norm.statistics")
def _(d: Draw) -> Iterator[Drawn]:
    for shape in LAYERS:
        x = shifted(d, *shape)
        mean, var = vectorized("batch_norm.statistics", x)
        yield {"x": x, "mean": d.empty(shape[1]), "var": d.empty(shape[1])}, {"mean": mean, "var": var}


@cases("batch_norm.normalize")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (shape, (low, high)) in enumerate(zip(LAYERS, CLAMPS, strict=True)):
        x = d.array(*shape)
        mean, var, weight, bias = statistics(d, shape[1])
        given = {
            "x": x,
            "mean": mean,
            "var": var,
            "weight": weight if i % 3 < 2 else None,
            "bias": bias if i % 3 != 1 else None,
            "residual": d.array(*shape) if i % 2 else None,
        }
        epilogue = Epilogue(None, given["residual"], low, high)
        y = vectorized("batch_norm.normalize", x, mean, var, given["weight"], given["bias"], 1e-3, epilogue)
        if x.size:
            x[0, 0, 0] = y[0, 0, 0] = np.nan  # stays, whatever the clamp
        yield {**given, "y": d.empty(*shape), "eps": 1e-3, "low": low, "high": high}, {"y": y}


def gradients(d: Draw) -> Iterator[tuple[dict[str, Any], tuple[np.ndarray, ...], int]]:
    """Common arguments of both kernels of the gradient, and what the vectorized kernel returns."""
    for i, (shape, (low, high)) in enumerate(zip(LAYERS, CLAMPS, strict=True)):
        x, grad_y = d.array(*shape), d.array(*shape)
        mean, var, weight, bias = statistics(d, shape[1])
        mean, var = vectorized("batch_norm.statistics", x) if i % 2 == 0 and x.size > 2 * shape[1] else (mean, var)
        chosen = weight if i % 3 < 2 else None
        y = vectorized("batch_norm.normalize", x, mean, var, chosen, bias, 1e-3, Epilogue(None, None, low, high))
        kept = y if low > -inf or high < inf else None
        fixed = i % 2
        results = vectorized(
            "batch_norm.grad", grad_y, x, mean, var, chosen, 1e-3, bool(fixed), kept, low, high, kept is not None
        )
        common = {"grad_y": grad_y, "x": x, "mean": mean, "var": var, "y": kept, "eps": 1e-3, "low": low, "high": high}
        yield {**common, "weight": chosen}, results, fixed


@cases("batch_norm.grad_sums")
def _(d: Draw) -> Iterator[Drawn]:
    for given, (_, grad_weight, grad_bias, _), _ in gradients(d):
        given.pop("weight")
        empty = {"grad_weight": d.empty(len(grad_weight)), "grad_bias": d.empty(len(grad_bias))}
        yield {**given, **empty}, {"grad_weight": grad_weight, "grad_bias": grad_bias}


@cases("batch_norm.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for given, (grad_x, grad_weight, grad_bias, grad_residual), fixed in gradients(d):
        sums = {"grad_weight": grad_weight, "grad_bias": grad_bias, "fixed": fixed}
        outputs = {"grad_x": grad_x} if grad_residual is None else {"grad_x": grad_x, "grad_residual": grad_residual}
        yield {**given, **sums, **{name: d.empty(*grad_x.shape) for name in outputs}}, outputs


@cases("channels.finish")
def _(d: Draw) -> Iterator[Drawn]:
    for i, (shape, (low, high)) in enumerate(zip(LAYERS, CLAMPS, strict=True)):
        y, scale, bias = d.array(*shape), d.array(shape[1]), d.array(shape[1])
        residual = d.array(*shape)
        steps = (scale, None, scale, None, scale)[i], residual if i % 2 else None, low, high
        added = bias if i % 3 < 2 else None
        after = Epilogue(*steps).apply(y, added)
        yield {"y": y, "scale": steps[0], "bias": added, "residual": steps[1], "low": low, "high": high}, {"y": after}


@cases("channels.sum")
def _(d: Draw) -> Iterator[Drawn]:
    for shape in LAYERS:
        x = d.array(*shape)
        yield {"x": x, "sums": d.empty(shape[1])}, {"sums": vectorized("conv2d.grad_bias", x)}
