"""Group and layer normalisation, by the same kernels: a row of a matrix is a sample with one group of channels."""

from __future__ import annotations

from math import prod

from ...arrays import Array, namespace
from . import order
from .channels import summed
from .launch import launch, launcher
from .order import vector


def _samples(lies: order.Order, x: Array) -> Array:
    """``(N, before, C, inner)``: channels-last memory has the pixels before the channels, other memory behind them."""
    y = lies.turned(x)
    place = lies.axes.index(1)
    return y.reshape(len(x), prod(y.shape[1:place]), x.shape[1], prod(y.shape[place + 1 :]))


def _forward(x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
    lies = order.of_either(x)
    y = lies.empty(x.shape, x)
    mean, rstd = (namespace(x).empty((len(x), groups), x.dtype) for _ in range(2))
    arrays = {"x": _samples(lies, x), "weight": vector(weight), "bias": vector(bias), "y": _samples(lies, y)}
    launch("group_norm.forward", **arrays, mean=mean, rstd=rstd, eps=eps)
    return y, mean, rstd


def _grad(grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    lies = order.of_either(x)
    grad_x = lies.empty(x.shape, x)
    samples = _samples(lies, x)
    n, before, c, inner = samples.shape
    given = {
        "grad_y": _samples(lies, grad_y), "x": samples,
        "mean": order.contiguous(mean), "rstd": order.contiguous(rstd),
    }  # fmt: skip
    launch("group_norm.grad_input", **given, weight=vector(weight), grad_x=_samples(lies, grad_x))
    grad_weight, grad_bias = summed("group_norm.grad_sums", (2, c), n * before, inner, **given)
    return grad_x, grad_weight, grad_bias


@launcher("group_norm.forward", "group_norm.forward")
def group_norm_forward(
    x: Array, num_groups: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """``y`` like x (N, C, *), mean (N, G) and rstd (N, G)."""
    return _forward(x, num_groups, weight, bias, eps)


@launcher("group_norm.grad", "group_norm.grad_input")
def group_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None, num_groups: int
) -> tuple[Array, Array, Array]:
    """grad_x, grad_weight (C,) and grad_bias (C,): two launches."""
    return _grad(grad_y, x, mean, rstd, weight)


@launcher("layer_norm.forward", "group_norm.forward")
def layer_norm_forward(x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """``y (M, D)``, mean (M,) and rstd (M,)."""
    y, mean, rstd = _forward(x, 1, weight, bias, eps)
    return y, mean.reshape(-1), rstd.reshape(-1)


@launcher("layer_norm.grad", "group_norm.grad_input")
def layer_norm_grad(
    grad_y: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    """grad_x (M, D), grad_weight (D,) and grad_bias (D,): two launches."""
    return _grad(grad_y, x, mean.reshape(-1, 1), rstd.reshape(-1, 1), weight)
