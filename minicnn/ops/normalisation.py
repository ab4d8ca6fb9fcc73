"""Normalisation: subtract a mean, divide by a standard deviation, then scale and shift.

What differs is the set of numbers that mean and variance are taken over::

    batch norm      N, H, W    of each channel           (running averages in evaluation)
    layer norm      the last dimensions of each sample
    group norm      C/G, H, W  of each group of channels of each sample
    instance norm   H, W       of each channel of each sample: group norm with G = C

Sources: Ioffe & Szegedy 2015; Ba, Kiros & Hinton 2016; Wu & He 2018;
Ulyanov, Vedaldi & Lempitsky 2016. Local response normalisation divides by the
neighbouring channels instead: Krizhevsky et al. 2012, section 3.3.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from minicnn_kernels.addition import add
from minicnn_kernels.epilogue import NONE
from minicnn_kernels.prologue import Prologue
from minicnn_kernels.registry import call

from ..core import device as devices
from ..core.deferred import Deferred, may_wait, waiting
from ..core.function import Function
from ..core.tensor import Tensor
from .deferrable import Deferrable
from .joins import Join, add_up, normalized_join, waiting_join
from .loading import gradients_of_parts

CONVOLUTIONS = ("conv2d.forward", "conv2d.forward_normalized")  # whose bias is the last of what they read


class BatchNorm(Deferrable):
    """Normalise each channel by the batch's own mean and variance, which are kept as ``mean`` and ``var``."""

    computes_again = True
    _joined = False  # whether the input is a concatenation that waits

    def __init__(self, eps: float) -> None:
        self.eps = eps

    @property
    def adds_up(self) -> bool:
        return self._joined

    @property
    def takes_waiting_gradient(self) -> bool:
        return self._joined

    @np.errstate(all="ignore")
    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        x, weight, bias = inputs
        join = waiting_join(x)  # type: ignore[arg-type]
        if join is None or join.dtype.itemsize < 4 or not may_wait(inputs):
            return super().evaluate(inputs, recording)
        self._joined = True
        self.mean, self.var = join.statistics()
        self.bias = None if bias is None else bias._array.copy()
        self.save(join, None if weight is None else weight._array)
        return normalized_join(join, (self.mean, self.var), (weight, bias), self.eps, self)

    @np.errstate(all="ignore")
    def prepare(self, x: Any, weight: Any, bias: Any) -> Any:
        self.mean, self.var = call("batch_norm.statistics", x)
        self.bias = None if bias is None else bias.copy()  # that of now
        self.save(x, weight)
        return "batch_norm.normalize", (x, self.mean, self.var, weight, bias, self.eps), x.shape

    def backward(self, grad_y: Any) -> Any:
        return self.gradients(grad_y)[:-1]

    def gradients(self, grad_y: Any, y: Tensor | None = None, *clamp: Any) -> tuple[Any, ...]:
        """Those of the inputs, and of a residual; ``y`` and the kernel's next arguments if a clamp came after."""
        x, weight = self.saved
        clamped: tuple[Any, ...] = ()
        if y is not None:  # what still waits is computed again from x
            clamped = None if y._deferred is not None else y._array, *clamp, self.bias
        if self._joined:
            return self._gradients_of_join(grad_y, x, weight, *clamped)
        constants = self.mean, self.var, weight, self.eps
        return call("batch_norm.grad", grad_y, x, *constants, False, *clamped)  # type: ignore[no-any-return]

    def _gradients_of_join(self, grad_y: Any, join: Join, weight: Any, *clamped: Any) -> tuple[Any, ...]:
        """The same; that of the input is added to the one ``so_far``."""
        _, low, high, _, plain, _ = clamped or (None, -inf, inf, False, True, None)
        so_far, constants = self.so_far, (self.mean, self.var, weight)
        if join.parts is not None and plain and (so_far is None or so_far._form.dtype == grad_y.dtype):
            compute = gradients_of_parts(grad_y, join.parts, Prologue(*constants, self.bias, self.eps, low, high))
            return *add_up(so_far, join, self.mean, compute), None
        if isinstance(grad_y, Deferred):
            grad_y = grad_y.array()
        grad_x, *others = call("batch_norm.grad", grad_y, join.array(), *constants, self.eps, False, *clamped)
        return grad_x if so_far is None else add(so_far._array, grad_x), *others


class BatchNormFixed(Deferrable):
    """Normalise each channel by a given mean and variance, which are constants.

    After a convolution that waits it is part of that, if no gradient is needed: a scale and a shift of each channel.
    """

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        x, *constants = inputs
        join = waiting_join(x)  # type: ignore[arg-type]
        if join is not None and not recording and may_wait(constants):
            arrays = [None if t is None else t._array for t in constants]
            return normalized_join(join, arrays[:2], constants[2:], self.eps, self)
        before = waiting(x)  # type: ignore[arg-type]
        if recording or before is None or before.operation not in CONVOLUTIONS or before.epilogue is not NONE:
            return super().evaluate(inputs, recording)
        if before.dtype.itemsize < 4 or not may_wait(constants):  # a scale in float16 would be too coarse
            return super().evaluate(inputs, recording)
        return before.scaled(*folded(before, constants, self.eps), constants, self)

    def prepare(self, x: Any, mean: Any, var: Any, weight: Any, bias: Any) -> Any:
        self.save(x, mean, var, weight)
        return "batch_norm.normalize", (x, mean, var, weight, bias, self.eps), x.shape

    def backward(self, grad_y: Any) -> Any:
        return self.gradients(grad_y)[:-1]

    def gradients(self, grad_y: Any, y: Tensor | None = None, *clamp: Any) -> tuple[Any, ...]:
        """Those of the inputs, and of a residual; ``y`` and the kernel's next arguments if a clamp came after."""
        x, mean, var, weight = self.saved
        clamped = () if y is None else (y._array, *clamp)
        gradients = call("batch_norm.grad", grad_y, x, mean, var, weight, self.eps, True, *clamped)
        grad_x, grad_weight, grad_bias, grad_residual = gradients
        return grad_x, None, None, grad_weight, grad_bias, grad_residual


def folded(convolution: Deferred, constants: Sequence[Tensor | None], eps: float) -> tuple[Any, Any]:
    """:func:`scale_and_shift` for a convolution and the inputs of a batch norm, kept until one of them changes.

    A small network at batch 1 would spend a tenth of its time on these few numbers otherwise.
    """
    arrays = (convolution.arguments[2], *[None if t is None else t._array for t in constants])
    own = convolution.memories[-1:] if arrays[0] is not None else ()
    memories = (*own, *[t._versions.memory for t in constants if t is not None])
    state = (*memories, *[memory.writes for memory in memories], eps, convolution.dtype)
    owner = constants[1]._versions  # type: ignore[union-attr]
    known = owner.derived
    if known is not None and known[1] == state and all(a() is b for a, b in zip(known[0], arrays, strict=True)):
        return known[2]  # type: ignore[no-any-return]
    before, mean, var, weight, bias = arrays
    exact = scale_and_shift(before, mean, var, weight, bias, eps)
    scale, shift = (numbers.astype(convolution.dtype) for numbers in exact)
    owner.derived = [_weakly(a) for a in arrays], state, (scale, shift)
    return scale, shift


def _weakly(array: Any) -> Any:
    """A weak reference: one that counted would look like somebody outside who holds the array."""
    return weakref.ref(array) if array is not None else lambda: None


@np.errstate(all="ignore")
def scale_and_shift(before: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any]:
    """``(y + before - mean) / sqrt(var + eps) * weight + bias`` as ``y*scale + shift``.

    ``before`` is the bias of the convolution that made y; the arithmetic is that of float64.
    """
    scale = 1 / np.sqrt(np.add(var, eps, dtype=np.float64))
    if weight is not None:
        scale *= weight
    shift = (-mean if before is None else np.subtract(before, mean, dtype=np.float64)) * scale
    if bias is not None:
        shift += bias
    return scale, shift


class GroupNorm(Function):
    """Normalise each group of channels of each sample."""

    def __init__(self, num_groups: int, eps: float) -> None:
        self.num_groups, self.eps = num_groups, eps

    def forward(self, x: Any, weight: Any, bias: Any) -> Any:
        y, mean, rstd = call("group_norm.forward", x, self.num_groups, weight, bias, self.eps)
        self.save(x, mean, rstd, weight)
        return y

    def backward(self, grad_y: Any) -> Any:
        return call("group_norm.grad", grad_y, *self.saved, self.num_groups)


class LayerNorm(Function):
    """Normalise each row of a matrix."""

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def forward(self, x: Any, weight: Any, bias: Any) -> Any:
        y, mean, rstd = call("layer_norm.forward", x, weight, bias, self.eps)
        self.save(x, mean, rstd, weight)
        return y

    def backward(self, grad_y: Any) -> Any:
        return call("layer_norm.grad", grad_y, *self.saved)


class LocalResponseNorm(Function):
    """y_c = x_c * (k + alpha/size * sum of x^2 over the neighbouring channels)^-beta."""

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Any:
        y, scale = call("local_response_norm.forward", x, self.size, self.alpha, self.beta, self.k)
        self.save(x, scale)
        return y

    def backward(self, grad_y: Any) -> Any:
        x, scale = self.saved
        return call("local_response_norm.grad", grad_y, x, scale, self.size, self.alpha, self.beta)


def update_running(running: Tensor, batch: Any, momentum: float, correction: float = 1.0) -> None:
    """``running = (1 - momentum)*running + momentum*correction*batch``, in place and outside the graph."""
    array = running._to_change()
    with devices.beside(array):
        array *= 1 - momentum
        array += batch * (momentum * correction)


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """Batch norm over channel 1. In training the running statistics, if any, follow the batch's.

    The batch is normalised by its biased variance; the running variance
    receives the unbiased one, n/(n - 1) times as large.
    """
    if not training:
        return BatchNormFixed(eps)(x, running_mean, running_var, weight, bias)
    function = BatchNorm(eps)
    y = function(x, weight, bias)
    if running_mean is not None:
        update_running(running_mean, function.mean, momentum)
    if running_var is not None:
        count = x.numel() // len(function.var)
        update_running(running_var, function.var, momentum, count / max(count - 1, 1))
    return y


def update_from_instances(x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, momentum: float) -> None:
    """Let running statistics follow those of the single samples, averaged over the batch."""
    axes = tuple(range(2, x.ndim))
    if running_mean is not None:
        update_running(running_mean, x._array.mean(axes).mean(0), momentum)
    if running_var is not None:
        update_running(running_var, x._array.var(axes, ddof=1).mean(0), momentum)
