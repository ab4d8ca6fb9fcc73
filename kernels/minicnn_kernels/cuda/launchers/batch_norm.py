"""Batch normalisation, with the residual and the clamp that follow it."""

from __future__ import annotations

from math import inf

from ...arrays import Array, namespace
from ...epilogue import NONE, Epilogue
from . import order
from .channels import lying, parts_of, summed
from .launch import launch, launcher
from .order import vector


@launcher("batch_norm.statistics", "batch_norm.statistics.columns")
def batch_norm_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance (C,) of each channel."""
    layers = order.of(x).layers(x)
    outer, c, inner = layers.shape
    means, variances = namespace(x).empty((2, parts_of(c, outer, inner), c), x.dtype)
    launch(lying("batch_norm.statistics", inner), x=layers, mean=means, var=variances)
    if len(means) == 1:
        return means[0], variances[0]
    mean, var = namespace(x).empty((2, c), x.dtype)
    launch("batch_norm.merge", means=means, vars=variances, mean=mean, var=var, positions=outer * inner)
    return mean, var


def _scaled(
    x: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float, *rest: Epilogue
) -> str | None:
    return "its kernel does not scale after the normalisation" if rest and rest[0].scale is not None else None


@launcher("batch_norm.normalize", "batch_norm.normalize", _scaled)
def batch_norm_normalize(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> Array:
    """``y`` like x (N, C, *), with a residual and a clamp."""
    _, residual, low, high = epilogue
    lies = order.of(x)
    y = lies.empty(x.shape, x)
    launch(
        "batch_norm.normalize", x=lies.layers(x), mean=vector(mean), var=vector(var), weight=vector(weight),
        bias=vector(bias), residual=None if residual is None else lies.layers(residual), y=lies.layers(y),
        eps=eps, low=low, high=high,
    )  # fmt: skip
    return y


@launcher("batch_norm.grad", "batch_norm.grad_input")
def batch_norm_grad(
    grad_y: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    eps: float,
    fixed: bool,
    y: Array | None = None,
    low: float = -inf,
    high: float = inf,
    residual: bool = False,
    plain: bool = False,
    bias: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """grad_x, grad_weight, grad_bias and, if there was a ``residual``, its gradient: two or three launches."""
    if y is None and plain:
        y = batch_norm_normalize(x, mean, var, weight, bias, eps, Epilogue(None, None, low, high))
    lies = order.of(x)
    grad_x = lies.empty(x.shape, x)
    grad_residual = lies.empty(x.shape, x) if residual else None
    layers = lies.layers(x)
    arrays = {
        "grad_y": lies.layers(grad_y), "x": layers, "mean": vector(mean), "var": vector(var),
        "y": None if y is None else lies.layers(y),
    }  # fmt: skip
    settings = {"eps": eps, "low": low, "high": high}
    sums = summed("batch_norm.grad_sums", (2, x.shape[1]), layers.shape[0], layers.shape[2], **arrays, **settings)
    launch(
        "batch_norm.grad_input", **arrays, weight=vector(weight), sums=sums, grad_x=lies.layers(grad_x), **settings,
        fixed=int(fixed), grad_residual=None if grad_residual is None else lies.layers(grad_residual),
    )  # fmt: skip
    grad_weight, grad_bias = sums
    return grad_x, grad_weight, grad_bias, grad_residual
