"""Mistakes of everything without a window: activations, normalisation, losses, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from .known import Array, Plant, mistake

# --------------------------------------------------------------------- relu


@mistake(
    "relu.grad",
    name="the mask is taken of the gradient instead of the activation",
    remedy="the gradient passes where y > 0; its own sign does not matter",
)
def _(right: Plant, grad_y: Array, y: Array) -> Any:
    return right(grad_y, grad_y)


@mistake("relu.grad", name="the mask is missing", remedy="the gradient is 0 where y is 0")
def _(right: Plant, grad_y: Array, y: Array) -> Any:
    return grad_y.copy()


@mistake("relu.grad", name="the mask is inverted", remedy="the gradient passes where y > 0, and is 0 elsewhere")
def _(right: Plant, grad_y: Array, y: Array) -> Any:
    return np.where(y > 0, 0, grad_y).astype(grad_y.dtype)


@mistake("relu.grad", name="the gradient passes at 0", remedy="the derivative at 0 is taken as 0: y > 0 and not y >= 0")
def _(right: Plant, grad_y: Array, y: Array) -> Any:
    return np.where(y < 0, 0, grad_y).astype(grad_y.dtype)


@mistake("relu.grad", name="the mask is returned without the gradient", remedy="grad_x = grad_y * (y > 0)")
def _(right: Plant, grad_y: Array, y: Array) -> Any:
    return right(np.ones_like(grad_y), y)


# -------------------------------------------------------------- batch norm


def _shaped(vector: Any, x: Array) -> Any:
    """One number per channel, for arithmetic with x (N, C, *)."""
    return 1.0 if vector is None else np.asarray(vector, np.float64).reshape(1, -1, *[1] * (x.ndim - 2))


def _mean(x: Array) -> Array:
    return x.mean(axis=(0, *range(2, x.ndim)), keepdims=True)


@mistake(
    "batch_norm.statistics",
    name="the variance is divided by m - 1",
    remedy="normalisation takes the biased variance, of m",
)
def _(right: Plant, x: Array) -> Any:
    mean, var = right(x)
    count = x.size / x.shape[1]
    return mean, (var * count / (count - 1)).astype(var.dtype)


@mistake(
    "batch_norm.statistics", name="the standard deviation is returned instead of the variance", remedy="no square root"
)
def _(right: Plant, x: Array) -> Any:
    mean, var = right(x)
    return mean, np.sqrt(var)


@mistake(
    "batch_norm.statistics",
    name="mean and variance are those of the first sample",
    remedy="they are taken over the batch and all positions: over every axis but the channels'",
)
def _(right: Plant, x: Array) -> Any:
    return right(x[:1]) if len(x) > 1 else None


@mistake("batch_norm.normalize", name="weight and bias are forgotten", remedy="y = weight * x_hat + bias")
def _(right: Plant, x: Array, mean: Array, var: Array, weight: Any, bias: Any, *rest: Any) -> Any:
    return right(x, mean, var, None, None, *rest)


@mistake("batch_norm.normalize", name="the bias is forgotten", remedy="y = weight * x_hat + bias")
def _(right: Plant, x: Array, mean: Array, var: Array, weight: Any, bias: Any, *rest: Any) -> Any:
    return right(x, mean, var, weight, None, *rest)


@mistake("batch_norm.normalize", "batch_norm.grad", name="eps is forgotten", remedy="the divisor is sqrt(var + eps)")
def _(right: Plant, *arguments: Any) -> Any:
    return right(*(0.0 if isinstance(a, float) and 0 < a < 0.1 else a for a in arguments))


@mistake("batch_norm.normalize", name="eps is added outside of the root", remedy="the divisor is sqrt(var + eps)")
def _(right: Plant, x: Array, mean: Array, var: Array, weight: Any, bias: Any, eps: float, *rest: Any) -> Any:
    return right(x, mean, (np.sqrt(var) + eps) ** 2 - eps, weight, bias, eps, *rest)


@mistake(
    "batch_norm.normalize", name="divided by the variance instead of its root", remedy="the divisor is sqrt(var + eps)"
)
def _(right: Plant, x: Array, mean: Array, var: Array, weight: Any, bias: Any, eps: float, *rest: Any) -> Any:
    return right(x, mean, (var + eps) ** 2 - eps, weight, bias, eps, *rest)


def _batch_norm_terms(name: str, with_mean: bool, with_variance: bool, remedy: str) -> None:
    @mistake("batch_norm.grad", name=name, remedy=remedy)
    def _(right: Plant, *arguments: Any) -> Any:
        grad_y, x, mean, var, weight, eps, fixed = arguments[:7]
        if fixed or len(arguments) > 7:
            return None
        true = right(*arguments)
        rstd = 1 / np.sqrt(_shaped(var, x) + eps)
        x_hat = (x - _shaped(mean, x)) * rstd
        inner = grad_y - with_mean * _mean(grad_y) - with_variance * x_hat * _mean(grad_y * x_hat)
        return (_shaped(weight, x) * rstd * inner, *true[1:])


_FORMULA = "grad_x = weight/sqrt(var + eps) * (grad_y - grad_bias/m - x_hat*grad_weight/m)"
_batch_norm_terms("mean and variance are taken as constants: both mean terms are missing", False, False, _FORMULA)
_batch_norm_terms("the term of the mean, grad_bias/m, is missing", False, True, _FORMULA)
_batch_norm_terms("the term of the variance, x_hat*grad_weight/m, is missing", True, False, _FORMULA)


@mistake(
    "batch_norm.grad", name="the sums are not divided by m", remedy=f"m is the number of values per channel: {_FORMULA}"
)
def _(right: Plant, *arguments: Any) -> Any:
    grad_y, x, mean, var, weight, eps, fixed = arguments[:7]
    if fixed:
        return None
    rstd = 1 / np.sqrt(_shaped(var, x) + eps)
    x_hat, count = (x - _shaped(mean, x)) * rstd, x.size / x.shape[1]
    inner = grad_y - count * _mean(grad_y) - x_hat * count * _mean(grad_y * x_hat)
    return (_shaped(weight, x) * rstd * inner, *right(*arguments)[1:])


@mistake(
    "batch_norm.grad",
    name="the statistics are differentiated though they are fixed",
    remedy="fixed: grad_x = weight/sqrt(var + eps) * grad_y",
)
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:6], False, *arguments[7:]) if arguments[6] else None


@mistake("batch_norm.grad", name="the weight is forgotten", remedy=_FORMULA)
def _(right: Plant, grad_y: Array, x: Array, mean: Array, var: Array, weight: Any, *rest: Any) -> Any:
    return right(grad_y, x, mean, var, None, *rest)


@mistake(
    "batch_norm.grad",
    name="x is taken instead of x_hat",
    remedy="grad_weight = sum of grad_y * x_hat, x_hat = (x - mean)/sqrt(var + eps)",
)
def _(right: Plant, *arguments: Any) -> Any:
    grad_y, x = arguments[:2]
    axes = (0, *range(2, x.ndim))
    true = right(*arguments)
    return (true[0], (grad_y * x).sum(axes).astype(x.dtype), *true[2:])


# ------------------------------------------------------ softmax, cross-entropy


@mistake(
    "softmax.forward",
    "softmax.grad",
    "log_softmax.forward",
    "log_softmax.grad",
    name="the axis is wrong",
    remedy="sums run along axis",
)
def _(right: Plant, *arguments: Any) -> Any:
    *arrays, axis = arguments
    other = (axis + 1) % arrays[0].ndim
    return right(*arrays, other)


@mistake(
    "softmax.grad",
    name="only the diagonal of the Jacobian is used",
    remedy="grad_x_i = y_i * (grad_y_i - sum over k of grad_y_k*y_k)",
)
def _(right: Plant, grad_y: Array, y: Array, axis: int) -> Any:
    return grad_y * y * (1 - y)


@mistake(
    "cross_entropy.forward",
    name="class weights are forgotten",
    remedy="the loss of a sample is weighted by its label's weight",
)
@mistake("cross_entropy.grad", name="class weights are forgotten", remedy="q holds the weight of the label")
def _(right: Plant, *arguments: Any) -> Any:
    *first, _, ignore, smoothing = arguments
    return right(*first, None, ignore, smoothing)


@mistake(
    "cross_entropy.forward",
    "cross_entropy.grad",
    name="label smoothing is forgotten",
    remedy="q_c = (1 - s)*weight_t*[c = t] + s/C*weight_c",
)
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments[:-1], 0.0)


@mistake(
    "cross_entropy.grad",
    name="the label is not subtracted: p alone",
    remedy="the gradient of a logit is p - 1 for the label, p for the others",
)
def _(right: Plant, grad_losses: Array, log_p: Array, *rest: Any) -> Any:
    return grad_losses[:, None] * np.exp(log_p)


@mistake(
    "cross_entropy.grad",
    name="the gradient of the losses is forgotten",
    remedy="multiply row m by grad_losses[m]: the chain rule",
)
def _(right: Plant, grad_losses: Array, *rest: Any) -> Any:
    return right(np.ones_like(grad_losses), *rest)


@mistake(
    "cross_entropy.grad", name="log p is taken for p", remedy="the second argument holds logarithms: p = exp(log p)"
)
def _(right: Plant, grad_losses: Array, log_p: Array, target: Array, *rest: Any) -> Any:
    onehot = np.arange(log_p.shape[1]) == target[:, None]
    return grad_losses[:, None] * (log_p - onehot)


@mistake(
    "cross_entropy.grad",
    name="divided by the batch size",
    remedy="the mean is taken outside, and is in grad_losses already",
)
def _(right: Plant, grad_losses: Array, *rest: Any) -> Any:
    return right(grad_losses / len(grad_losses), *rest)


@mistake(
    "cross_entropy.forward",
    name="the samples to be ignored are counted",
    remedy="a sample whose label is ignore_index has loss 0",
)
@mistake(
    "cross_entropy.grad",
    name="the samples to be ignored are counted",
    remedy="a sample whose label is ignore_index has gradient 0",
)
def _(right: Plant, *arguments: Any) -> Any:
    at = next(i for i, a in enumerate(arguments) if isinstance(a, np.ndarray) and a.dtype.kind == "i")
    target, ignore = arguments[at], arguments[-2]
    counted = np.where(target == ignore, arguments[at - 1].shape[1] + ignore if ignore < 0 else target, target)
    return right(*arguments[:at], np.maximum(counted, 0), *arguments[at + 1 : -2], -(10**9), arguments[-1])


# ------------------------------------------------------------------- dropout


@mistake(
    "dropout.forward",
    "dropout.grad",
    name="what is kept is not divided by 1 - p",
    remedy="y = x / (1 - p) where kept: the expected value stays",
)
def _(right: Plant, x: Array, second: Any, third: Any) -> Any:
    return _scaled(right, 1 - (second if isinstance(second, float) else third), x, second, third)


@mistake(
    "dropout.forward",
    "dropout.grad",
    name="divided by p instead of 1 - p",
    remedy="p is the probability to drop, so 1 - p is kept",
)
def _(right: Plant, x: Array, second: Any, third: Any) -> Any:
    p = second if isinstance(second, float) else third
    return _scaled(right, (1 - p) / p, x, second, third)


@mistake("dropout.grad", name="the mask is inverted", remedy="keep says what was kept: gradients pass where it is True")
def _(right: Plant, grad_y: Array, keep: Array, p: float) -> Any:
    return right(grad_y, ~keep, p)


@mistake(
    "dropout.forward",
    name="the mask says what is dropped",
    remedy="the second result is True where an element was kept: random >= p",
)
def _(right: Plant, x: Array, p: float, seed: int) -> Any:
    y, keep = right(x, p, seed)
    return y, ~keep


@mistake("dropout.grad", name="the mask is missing", remedy="what was dropped gets no gradient")
def _(right: Plant, grad_y: Array, keep: Array, p: float) -> Any:
    return grad_y / (1 - p)


def _scaled(right: Plant, factor: float, *arguments: Any) -> Any:
    result = right(*arguments)
    return (result[0] * factor, result[1]) if isinstance(result, tuple) else result * factor
