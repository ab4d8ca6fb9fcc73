"""Activation functions: each number on its own, except softmax, which couples those along an axis."""

from __future__ import annotations

from typing import Any

from minicnn_kernels.registry import call

from ..core.dtype import as_dtype
from ..core.errors import DTypeError
from ..core.function import Function
from ..core.tensor import Tensor
from .indexing import write
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

    differentiable = True

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


class ReLUInPlace(ActivationOfOutput):
    """max(x, 0), written over x."""

    inplace = True

    def forward(self, x: Any) -> Any:
        call("relu.forward", x, x)
        self.save(x)
        return x


class ActivationGrad(Function):
    """``kind.grad``: grad_y times the derivative, as a function of both."""

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
    return ActivationOfOutput("relu")(floating(input, "relu"))


def relu_(input: Tensor) -> Tensor:
    """``max(x, 0)`` in place."""
    x = floating(input, "relu_")
    return write(x, ..., relu(x)) if x._is_view() else ReLUInPlace("relu")(x)


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
