"""Activation functions: each number on its own, except softmax, which couples those along an axis."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from minicnn_kernels.registry import call

from ..core.deferred import waiting
from ..core.dtype import as_dtype
from ..core.errors import DTypeError
from ..core.function import Function
from ..core.tensor import Tensor
from .deferrable import edges_before
from .indexing import write
from .loading import rectified
from .operands import as_tensor, cast, normalize_axis, promoted

SECOND_DERIVATIVES: dict[str, Any] = {  # of what forward saved; the others are straight lines between kinks
    "sigmoid": lambda y: 1 - 2 * y,
    "tanh": lambda y: -2 * y,
    "elu": lambda x, alpha: (x <= 0) * alpha * x.clamp(max=0).exp(),
    "silu": lambda x: sigmoid(x) * sigmoid(-x) * (2 + x * (1 - 2 * sigmoid(x))),
    "hardswish": lambda x: (x.abs() < 3) * (1 / 3),
}


class Activation(Function):
    """``kind.forward`` and ``kind.grad``, with a derivative that is a function of the input."""

    differentiable = on_arrays = True

    def __init__(self, kind: str, *settings: Any) -> None:
        self.kind, self.settings = kind, settings

    @property
    def operation(self) -> str:
        return self.kind

    def forward(self, x: Any) -> Any:
        self.save(x)
        return call(f"{self.kind}.forward", x, *self.settings)

    def backward(self, grad_y: Tensor) -> Tensor:
        return ActivationGrad(self.kind, *self.settings)(grad_y, *self.saved)


class ActivationOfOutput(Activation):
    """The same where the derivative is a function of the output, so that the input can be freed."""

    def forward(self, x: Any) -> Any:
        y = call(f"{self.kind}.forward", x, *self.settings)
        self.save(y)
        return y


BOUNDS = {"relu": (0.0, inf), "relu6": (0.0, 6.0)}


class Rectifier(ActivationOfOutput):
    """``relu`` or ``relu6``: cuts to the bounds; the gradient passes strictly between them, as the result tells.

    If the input waits (:mod:`minicnn.core.deferred`), the cut becomes the end of its kernel call, or waits with it
    (:mod:`minicnn.ops.loading`). Then after a batch norm its gradient is done together with that of the batch norm and
    of the sum between them, in the passes over memory that the batch norm needs anyway.
    """

    _steps: tuple[Function, ...] = ()  # that waited

    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        deferred = waiting(inputs[0])  # type: ignore[arg-type]
        if deferred is None:
            return super().evaluate(inputs, recording)
        bounds = BOUNDS[self.kind]
        y = rectified(deferred, *bounds, recording) or deferred.clamped(*bounds)
        self.save(y)
        if recording:
            self._steps = deferred.steps
        return y

    def _record(self, edges: tuple[Any, ...], inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        super()._record(edges, inputs, outputs)
        if self._steps:
            before = edges_before(self._steps, edges[0])
            if before is not None:
                self.pass_over(self._steps, before)
            del self._steps

    def gradient(self, grad_y: Any, y: Any) -> Any:
        """The gradient of numbers that were cut to ``y``; arrays."""
        return call(f"{self.kind}.grad", grad_y, y)

    @property
    def adds_up(self) -> bool:
        return bool(self.passed_over) and self.passed_over[0].adds_up

    @property
    def takes_waiting_gradient(self) -> bool:
        return len(self.passed_over) == 1 and self.passed_over[0].takes_waiting_gradient

    def backward_of_all(self, grad_y: Any) -> Any:
        norm, *total = self.passed_over
        (y,) = self.saved
        with_residual = bool(total) and self.needs_grad[-1]
        norm.so_far = self.so_far
        try:
            grads = norm.gradients(grad_y, y, *BOUNDS[self.kind], with_residual, not total)  # type: ignore[attr-defined]
        finally:
            norm.so_far = None
        return grads if total else grads[:-1]


class RectifierInPlace(Rectifier):
    """The same, written over the input."""

    inplace = True

    def forward(self, x: Any) -> Any:
        if self.kind == "relu":
            call("relu.forward", x, x)
        else:
            np.clip(x, *BOUNDS[self.kind], out=x)
        self.save(x)
        return x


class ActivationGrad(Function):
    """``kind.grad``: grad_y times the derivative, as a function of both."""

    takes_arrays = True
    differentiable = True

    def __init__(self, kind: str, *settings: Any) -> None:
        self.kind, self.settings = kind, settings

    @property
    def operation(self) -> str:
        return f"{self.kind}.grad"

    def forward(self, grad_y: Any, saved: Any) -> Any:
        self.save(grad_y, saved)
        return call(f"{self.kind}.grad", grad_y, saved, *self.settings)

    def backward(self, grad: Tensor) -> Any:
        grad_y, saved = self.saved
        second = SECOND_DERIVATIVES.get(self.kind) if self.needs_grad[1] else None
        return (
            ActivationGrad(self.kind, *self.settings)(grad, saved) if self.needs_grad[0] else None,
            grad * grad_y * second(saved, *self.settings) if second is not None else None,
        )


class PReLU(Function):
    """x if x > 0 else weight*x, with a learnt weight for all channels or for each."""

    def forward(self, x: Any, weight: Any) -> Any:
        self.save(x, weight)
        return call("prelu.forward", x, weight)

    def backward(self, grad_y: Any) -> Any:
        x, weight = self.saved
        return call("prelu.grad", grad_y, x, weight)


class Softmax(Function):
    """e^x / sum(e^x) along an axis."""

    differentiable = True

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        y = call("softmax.forward", x, self.axis)
        self.save(y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        (y,) = self.saved
        return SoftmaxGrad(self.axis)(grad_y, y)


class SoftmaxGrad(Function):
    """y * (grad_y - sum(grad_y * y))."""

    differentiable = True

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, grad_y: Any, y: Any) -> Any:
        self.save(grad_y, y)
        return call("softmax.grad", grad_y, y, self.axis)

    def backward(self, grad: Tensor) -> Any:
        grad_y, y = self.saved
        inner = (grad * y).sum(dim=self.axis, keepdim=True)
        return (
            SoftmaxGrad(self.axis)(grad, y),
            grad * (grad_y - (grad_y * y).sum(dim=self.axis, keepdim=True)) - grad_y * inner,
        )


class LogSoftmax(Function):
    """x - log(sum(e^x)) along an axis."""

    differentiable = True

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        y = call("log_softmax.forward", x, self.axis)
        self.save(y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        (y,) = self.saved
        return LogSoftmaxGrad(self.axis)(grad_y, y)


class LogSoftmaxGrad(Function):
    """grad_y - e^y * sum(grad_y)."""

    differentiable = True

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, grad_y: Any, y: Any) -> Any:
        self.save(grad_y, y)
        return call("log_softmax.grad", grad_y, y, self.axis)

    def backward(self, grad: Tensor) -> Any:
        grad_y, y = self.saved
        p = y.exp()
        return (
            grad - (grad * p).sum(dim=self.axis, keepdim=True),
            -(grad * p) * grad_y.sum(dim=self.axis, keepdim=True),
        )


def floating(value: Any, operation: str, dtype: Any = None) -> Tensor:
    """``value`` as the floating-point tensor it must be, after conversion to ``dtype`` if that is given."""
    x = as_tensor(value, "input", operation)
    if dtype is not None:
        x = cast(x, as_dtype(dtype).numpy)
    if not x.is_floating_point():
        raise DTypeError(f"{operation}: expected a tensor of floating-point numbers; got {x.dtype}. Fix: x.float()")
    return x


def relu(input: Tensor) -> Tensor:
    """``max(x, 0)``, element by element."""
    return Rectifier("relu")(floating(input, "relu"))


def relu_(input: Tensor) -> Tensor:
    """``max(x, 0)`` in place."""
    x = floating(input, "relu_")
    return write(x, ..., relu(x)) if x._is_view() else RectifierInPlace("relu")(x)


def relu6(input: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``, element by element."""
    return Rectifier("relu6")(floating(input, "relu6"))


def relu6_(input: Tensor) -> Tensor:
    """``min(max(x, 0), 6)`` in place."""
    x = floating(input, "relu6")
    return write(x, ..., relu6(x)) if x._is_view() else RectifierInPlace("relu6")(x)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + e^-x)``, element by element."""
    return ActivationOfOutput("sigmoid")(promoted("sigmoid", input, floating=True)[0])


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent, element by element."""
    return ActivationOfOutput("tanh")(promoted("tanh", input, floating=True)[0])


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``e^x / sum(e^x)`` along ``dim``."""
    x = floating(input, "softmax", dtype)
    return Softmax(normalize_axis("softmax", dim, x.ndim))(x)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``x - log(sum(e^x))`` along ``dim``."""
    x = floating(input, "log_softmax", dtype)
    return LogSoftmax(normalize_axis("log_softmax", dim, x.ndim))(x)
