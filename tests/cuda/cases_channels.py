"""Batch norm, sums for each channel, and what follows, in the orders (N, C, H*W) and (N*H*W, C, 1)."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from minicnn_kernels.epilogue import Epilogue, passes

from .case import Draw, Drawn, cases, vectorized

# outer, c, inner: more values than a block has threads, fewer than a warp, channels-last, none
LAYERS = ((3, 5, 117), (2, 3, 7), (70, 4, 1), (1, 2, 1), (0, 3, 4))
PARTS = (2, 1, 3, 1, 1)  # into which the positions are cut: into unequal ones, and into more than there are
BOTH = "columns", "planes"


def layers(i: int, lies: str) -> tuple[int, int, int]:
    """Those of LAYERS; of columns, with more channels than a block takes."""
    outer, c, inner = LAYERS[i]
    return (outer * inner, 33 if i == 0 else c, 1) if lies == "columns" else (outer, c, inner)


def by_position(x: np.ndarray) -> np.ndarray:
    """``(outer, c, inner)`` as ``(positions, c)`` in double precision."""
    return x.transpose(0, 2, 1).reshape(x.shape[0] * x.shape[2], x.shape[1]).astype(np.float64)


def cut(x: np.ndarray, parts: int) -> list[np.ndarray]:
    """The positions of each part."""
    some = -(-len(x) // parts)
    return [x[part * some : (part + 1) * some] for part in range(parts)]


CLAMPS = ((-inf, inf), (0.0, inf), (-0.5, 0.7), (-inf, 0.3), (0.0, 6.0))


def shifted(d: Draw, *shape: int) -> np.ndarray:
    """Channels, the last axis but one, far from 0, so that a variance that cancels shows."""
    return (d.array(*shape) * 0.5 + 10 + np.arange(shape[-2])[:, None] % 5).astype(d.dtype)


def statistics(d: Draw, c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance, weight and bias."""
    return d.array(c), (0.5 + d.rng.random(c)).astype(d.dtype), d.array(c), d.array(c)


for _lies in BOTH:

    @cases(f"batch_norm.statistics.{_lies}")
    def _(d: Draw, lies: str = _lies) -> Iterator[Drawn]:
        for i, parts in enumerate(PARTS):
            x = shifted(d, *layers(i, lies))
            pieces = cut(by_position(x), parts)
            mean = np.stack([p.mean(0) if len(p) else np.zeros(p.shape[1]) for p in pieces]).astype(d.dtype)
            var = np.stack([p.var(0) if len(p) else np.zeros(p.shape[1]) for p in pieces]).astype(d.dtype)
            yield {"x": x, "mean": d.empty(*mean.shape), "var": d.empty(*var.shape)}, {"mean": mean, "var": var}


@cases("batch_norm.merge")
def _(d: Draw) -> Iterator[Drawn]:
    for c, positions, parts in ((5, 50, 4), (3, 5, 4), (270, 2, 1), (2, 0, 3)):  # the last part: shorter, none
        x = shifted(d, c, positions).T if positions else d.array(0, c)
        pieces = cut(x.astype(np.float64), parts)
        means = np.stack([p.mean(0) if len(p) else d.array(c) for p in pieces]).astype(d.dtype)
        variances = np.stack([p.var(0) if len(p) else d.array(c) for p in pieces]).astype(d.dtype)
        mean, var = (x.mean(0), x.var(0)) if positions else (np.zeros(c), np.zeros(c))
        given = {"means": means, "vars": variances, "positions": positions, "mean": d.empty(c), "var": d.empty(c)}
        yield given, {"mean": mean.astype(d.dtype), "var": var.astype(d.dtype)}


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


def gradients(d: Draw, lies: str = "planes") -> Iterator[tuple[dict[str, Any], tuple[np.ndarray, ...], int]]:
    """Common arguments of both kernels of the gradient, and what the vectorized kernel returns."""
    for i, (low, high) in enumerate(CLAMPS):
        shape = layers(i, lies)
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


for _lies in BOTH:

    @cases(f"batch_norm.grad_sums.{_lies}")
    def _(d: Draw, lies: str = _lies) -> Iterator[Drawn]:
        for parts, (given, _, _) in zip(PARTS, gradients(d, lies), strict=True):
            given.pop("weight")
            x, g = by_position(given["x"]), by_position(given["grad_y"])
            if given["y"] is not None:
                g = g * by_position(passes(given["y"], given["low"], given["high"]))
            x_hat = (x - given["mean"]) / np.sqrt(given["var"].astype(np.float64) + given["eps"])
            sums = [[p.sum(0), b.sum(0)] for p, b in zip(cut(g * x_hat, parts), cut(g, parts), strict=True)]
            yield {**given, "sums": d.empty(parts, 2, x.shape[1])}, {"sums": np.array(sums, d.dtype)}


@cases("batch_norm.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for given, (grad_x, grad_weight, grad_bias, grad_residual), fixed in gradients(d):
        sums = {"sums": np.stack([grad_weight, grad_bias]), "fixed": fixed}
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


for _lies in BOTH:

    @cases(f"channels.sum.{_lies}")
    def _(d: Draw, lies: str = _lies) -> Iterator[Drawn]:
        for i, parts in enumerate(PARTS):
            x = d.array(*layers(i, lies))
            sums = np.stack([p.sum(0) for p in cut(by_position(x), parts)]).astype(d.dtype)
            yield {"x": x, "sums": d.empty(*sums.shape)}, {"sums": sums}

    @cases(f"prelu.grad_weight.{_lies}")
    def _(d: Draw, lies: str = _lies) -> Iterator[Drawn]:
        for i, parts in enumerate(PARTS):
            x, grad_y = d.array(*layers(i, lies)), d.array(*layers(i, lies))
            products = by_position(grad_y * np.minimum(x, 0))
            sums = np.stack([p.sum(0) for p in cut(products, parts)]).astype(d.dtype)
            yield {"x": x, "grad_y": grad_y, "sums": d.empty(*sums.shape)}, {"sums": sums}


@cases("channels.sum_parts")
def _(d: Draw) -> Iterator[Drawn]:
    for parts, size in ((3, 300), (1, 4), (2, 0)):
        found = d.array(parts, size)
        yield {"found": found, "sums": d.empty(size)}, {"sums": found.sum(0)}


for _what in ("forward", "grad_input"):

    @cases(f"prelu.{_what}")
    def _(d: Draw, what: str = _what) -> Iterator[Drawn]:
        for i, shape in enumerate(LAYERS):
            x, grad_y, weight = d.array(*shape), d.array(*shape), d.array(shape[1] if i % 2 else 1)
            if x.size:
                x[0, 0, 0] = np.nan if what == "forward" else 0
            if what == "forward":
                y = vectorized("prelu.forward", x, weight)
                yield {"x": x, "weight": weight, "y": d.empty(*shape)}, {"y": y}
            else:
                grad_x = vectorized("prelu.grad", grad_y, x, weight)[0]
                yield {"grad_y": grad_y, "x": x, "weight": weight, "grad_x": d.empty(*shape)}, {"grad_x": grad_x}


@cases("local_response_norm.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for shape, size in zip(LAYERS, (3, 4, 1, 5, 2), strict=True):
        x = d.array(*shape)
        y, scale = vectorized("local_response_norm.forward", x, size, 0.5, 0.75, 2.0)
        given = {"x": x, "y": d.empty(*shape), "scale": d.empty(*shape), "size": size}
        yield {**given, "alpha": 0.5, "beta": 0.75, "k": 2.0}, {"y": y, "scale": scale}


@cases("local_response_norm.grad")
def _(d: Draw) -> Iterator[Drawn]:
    for shape, size in zip(LAYERS, (3, 4, 1, 5, 2), strict=True):
        x, grad_y, scale = d.array(*shape), d.array(*shape), (0.5 + d.rng.random(shape)).astype(d.dtype)
        grad_x = vectorized("local_response_norm.grad", grad_y, x, scale, size, 0.5, 0.75)
        given = {"grad_y": grad_y, "x": x, "scale": scale, "grad_x": d.empty(*shape), "size": size}
        yield {**given, "alpha": 0.5, "beta": 0.75}, {"grad_x": grad_x}


# n, before, c, inner, groups: channels-first, channels-last, a layer norm, an instance norm, none
GROUPED = ((2, 1, 6, 35, 3), (2, 21, 8, 1, 2), (3, 1, 300, 1, 1), (2, 5, 3, 1, 3), (0, 1, 4, 3, 2))


def grouped(d: Draw, i: int) -> tuple[Any, ...]:
    """x (n, before, c, inner), the same as (N, C, places), groups, and weight and bias or not."""
    n, before, c, inner, groups = GROUPED[i]
    x = (d.array(n, before, c, inner) + 20).astype(d.dtype)
    return x, first(x), groups, d.array(c) if i % 3 < 2 else None, d.array(c) if i % 2 == 0 else None


def first(x: np.ndarray) -> np.ndarray:
    """``(n, before, c, inner)`` as ``(N, C, places)``."""
    n, before, c, inner = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n, c, before * inner)


def back(y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The way back."""
    n, before, c, inner = shape
    return np.ascontiguousarray(y.reshape(n, c, before, inner).transpose(0, 2, 1, 3))


@cases("group_norm.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for i in range(len(GROUPED)):
        x, plain, groups, weight, bias = grouped(d, i)
        exact = [None if a is None else a.astype(np.float64) for a in (weight, bias)]
        results = vectorized("group_norm.forward", plain.astype(np.float64), groups, *exact, 1e-3)
        y, mean, rstd = (result.astype(d.dtype) for result in results)
        given = {"x": x, "weight": weight, "bias": bias, "y": d.empty(*x.shape), "eps": 1e-3}
        outputs = {"mean": mean, "rstd": rstd}
        yield {**given, **{name: d.empty(*mean.shape) for name in outputs}}, {"y": back(y, x.shape), **outputs}


def normalised(d: Draw, i: int) -> tuple[dict[str, Any], Any, tuple[np.ndarray, ...], Any]:
    x, plain, groups, weight, _ = grouped(d, i)
    grad_y = d.array(*x.shape)
    mean, rstd = (20 + d.array(len(x), groups)).astype(d.dtype), (0.5 + d.rng.random((len(x), groups))).astype(d.dtype)
    exact = [a.astype(np.float64) for a in (first(grad_y), plain, mean, rstd)]
    results = vectorized("group_norm.grad", *exact, None if weight is None else weight.astype("d"), groups)
    given = {"grad_y": grad_y, "x": x, "mean": mean, "rstd": rstd}
    return given, weight, results, groups


@cases("group_norm.grad_input")
def _(d: Draw) -> Iterator[Drawn]:
    for i in range(len(GROUPED)):
        given, weight, (grad_x, _, _), _ = normalised(d, i)
        shape = given["x"].shape
        outputs = {"grad_x": back(grad_x, shape).astype(d.dtype)}
        yield {**given, "weight": weight, "grad_x": d.empty(*shape)}, outputs


for _lies in BOTH:

    @cases(f"group_norm.grad_sums.{_lies}")
    def _(d: Draw, lies: str = _lies) -> Iterator[Drawn]:
        for i, (parts, (_, _, _, inner, _)) in enumerate(zip(PARTS, GROUPED, strict=True)):
            if (inner == 1) != (lies == "columns"):
                continue
            given, _, _, groups = normalised(d, i)
            x, grad_y = given["x"].astype(np.float64), given["grad_y"].astype(np.float64)
            per_channel = x.shape[2] // groups
            mean, rstd = (np.repeat(given[name], per_channel, 1)[:, None, :, None] for name in ("mean", "rstd"))
            n, before, c, inner = x.shape
            products, g = (by_position(a.reshape(n * before, c, inner)) for a in (grad_y * (x - mean) * rstd, grad_y))
            sums = [[p.sum(0), b.sum(0)] for p, b in zip(cut(products, parts), cut(g, parts), strict=True)]
            yield {**given, "sums": d.empty(parts, 2, c)}, {"sums": np.array(sums, d.dtype)}
