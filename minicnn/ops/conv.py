"""Convolution and transposed convolution.

The gradients of a convolution are convolutions again, so three Functions call
each other in a circle and can be differentiated any number of times::

    Conv2d(x, w)            gradient of x: ConvGradInput     gradient of w: ConvGradWeight
    ConvGradInput(gy, w)    gradient of gy: Conv2d           gradient of w: ConvGradWeight
    ConvGradWeight(gy, x)   gradient of gy: Conv2d           gradient of x: ConvGradInput

Each of the three is linear in both of its inputs; that is why the circle closes.
A transposed convolution is ConvGradInput run forward.

Source: Dumoulin & Visin, *A guide to convolution arithmetic for deep learning*, 2016.
"""

from __future__ import annotations

from typing import Any

from minicnn_kernels.geometry import Window2d
from minicnn_kernels.registry import call

from ..core.deferred import Deferred, may_wait
from ..core.function import Function
from ..core.grad_mode import is_fusion_enabled
from ..core.tensor import Tensor
from .deferrable import Deferrable
from .loading import before_convolution, kernel_that_loads, loaded


class _Convolution(Function):
    differentiable = on_arrays = takes_arrays = True

    def __init__(self, window: Window2d, groups: int) -> None:
        self.window, self.groups = window, groups


class Conv2d(Deferrable, _Convolution):
    """y = w * x + bias (cross-correlation)."""

    takes_waiting = leaves_waiting = True

    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        before_convolution(inputs[0])  # type: ignore[arg-type]
        before = loaded(inputs[0]._deferred)  # type: ignore[union-attr]
        if before is None or not may_wait(inputs):
            return super().evaluate(inputs, recording)
        (x, parts, prologue), others = before, [t for t in inputs[1:] if t is not None]
        w, bias, *_ = *[t._array for t in others], None
        arguments = parts, w, bias, self.window, self.groups, prologue
        kernel = kernel_that_loads("conv2d.forward_normalized", arguments)
        if kernel is None:
            return super().evaluate(inputs, recording)
        self.save(x if self.needs_grad[1] else None, w if self.needs_grad[0] else None)
        shape = len(parts[0]), len(w), *self.window.output_size
        memories = (*x.memories, *[t._versions.memory for t in others])
        return Deferred(kernel.operation, arguments, shape, x.dtype, memories, (self,), kernel=kernel.function)

    def prepare(self, x: Any, w: Any, bias: Any = None) -> Any:
        self.save(x if self.needs_grad[1] else None, w if self.needs_grad[0] else None)
        shape = (len(x), len(w), *self.window.output_size)
        return "conv2d.forward", (x, w, bias, self.window, self.groups), shape

    @property
    def continues_sum(self) -> bool:
        return is_fusion_enabled()

    def backward(self, grad_y: Tensor) -> Any:
        x, w = self.saved
        grads = (
            self._grad_input(grad_y, w) if self.needs_grad[0] else None,
            ConvGradWeight(self.window, self.groups)(grad_y, x) if self.needs_grad[1] else None,
        )
        if len(self.needs_grad) == 2:
            return grads
        return (*grads, ConvGradBias()(grad_y) if self.needs_grad[2] else None)

    def _grad_input(self, grad_y: Any, w: Any) -> Any:
        """What the input receives; it waits if the next step takes it so."""
        if self.hands_over and self._plain and is_fusion_enabled():
            arguments = grad_y, w, self.window, self.groups
            shape = len(grad_y), w.shape[1] * self.groups, *self.window.input_size
            return Deferred("conv2d.grad_input", arguments, shape, grad_y.dtype, (), ())
        return ConvGradInput(self.window, self.groups, self.so_far)(grad_y, w)


class ConvGradInput(_Convolution):
    """What a convolution's input receives: grad_y spread by the window it was gathered with.

    It is added to ``so_far``, if that is given, while it is at hand. That is not differentiated.
    """

    def __init__(self, window: Window2d, groups: int, so_far: Tensor | None = None) -> None:
        super().__init__(window, groups)
        self._more = () if so_far is None else (so_far._array,)

    def forward(self, grad_y: Any, w: Any) -> Any:
        self.save(grad_y if self.needs_grad[1] else None, w if self.needs_grad[0] else None)
        return call("conv2d.grad_input", grad_y, w, self.window, self.groups, *self._more)

    def backward(self, grad_x: Tensor) -> Any:
        grad_y, w = self.saved
        return (
            Conv2d(self.window, self.groups)(grad_x, w) if self.needs_grad[0] else None,
            ConvGradWeight(self.window, self.groups)(grad_y, grad_x) if self.needs_grad[1] else None,
        )


class ConvGradWeight(_Convolution):
    """What a convolution's weight receives: grad_y correlated with the input."""

    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        grad_y, x = inputs
        found = None if recording else self._loading(grad_y._array, x._deferred)  # type: ignore[union-attr]
        return super().evaluate(inputs, recording) if found is None else found

    def _loading(self, grad_y: Any, x: Deferred | None) -> Any:
        """The result without the numbers of ``x``, which waits; None if that is not possible."""
        before = loaded(x)
        if before is None:
            return None
        _, parts, prologue = before
        arguments = grad_y, parts, self.window, self.groups, prologue
        kernel = kernel_that_loads("conv2d.grad_weight_normalized", arguments)
        return None if kernel is None else kernel.function(*arguments)

    def forward(self, grad_y: Any, x: Any) -> Any:
        if isinstance(x, Deferred):
            found = self._loading(grad_y, x)
            if found is not None:
                return found
            x = x.array()
        self.save(grad_y if self.needs_grad[1] else None, x if self.needs_grad[0] else None)
        return call("conv2d.grad_weight", grad_y, x, self.window, self.groups)

    def backward(self, grad_w: Tensor) -> Any:
        grad_y, x = self.saved
        return (
            Conv2d(self.window, self.groups)(x, grad_w) if self.needs_grad[0] else None,
            ConvGradInput(self.window, self.groups)(grad_y, grad_w) if self.needs_grad[1] else None,
        )


class ConvGradBias(Function):
    """What a bias receives: the sum over batch and positions."""

    takes_arrays = True
    differentiable = True

    def forward(self, grad_y: Any) -> Any:
        self.shape = grad_y.shape
        return call("conv2d.grad_bias", grad_y)

    def backward(self, grad_bias: Tensor) -> Tensor:
        return grad_bias.reshape(1, -1, 1, 1).expand(*self.shape)


def conv2d(x: Tensor, w: Tensor, bias: Tensor | None, window: Window2d, groups: int) -> Tensor:
    """Convolve; the window comes from :func:`minicnn_kernels.geometry.conv_window`."""
    function = Conv2d(window, groups)
    return function(x, w) if bias is None else function(x, w, bias)


def conv_transpose2d(x: Tensor, w: Tensor, bias: Tensor | None, window: Window2d, groups: int) -> Tensor:
    """Transposed convolution; the window is that of the convolution whose gradient it is."""
    y = ConvGradInput(window, groups)(x, w)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)
