"""Pooling: the largest or the mean value under a window, and the way back.

Max pooling is selection: its gradient is put where the maximum came from, and
the gradient of that is read from there again. Average pooling is linear. Both
can therefore be differentiated twice.
"""

from __future__ import annotations

import weakref
from typing import Any

from minicnn_kernels.geometry import Pair, Window2d
from minicnn_kernels.registry import call

from ..core.function import Function
from ..core.grad_mode import is_fusion_enabled
from ..core.tensor import Tensor
from .activations import Rectifier


class MaxPool2d(Function):
    """The largest value under each window and, if asked for, its place ``h*W + w``.

    What is kept is the number of the tap that saw it: one byte per output.

    Where the input is a rectifier's result, which nobody else uses, backward does both steps: whether a rectifier lets
    the gradient of a number pass is told by the number, and the largest ones are here already, a quarter as many with
    the usual windows. (A training step of a small convolutional network on MNIST takes 6 % less time.)
    """

    differentiable = on_arrays = True
    _pooled: Any = None  # the result, while backward may do both steps

    def __init__(self, window: Window2d, with_indices: bool = False) -> None:
        self.window, self.with_indices = window, with_indices

    def forward(self, x: Any) -> Any:
        y, taps = call("max_pool2d.forward", x, self.window)
        self.save(taps)
        return (y, call("max_pool2d.indices", taps, self.window)) if self.with_indices else y

    def _record(self, edges: tuple[Any, ...], inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        super()._record(edges, inputs, outputs)
        before = edges[0].node
        if isinstance(before, Rectifier) and not (before.passed_over or self.with_indices) and is_fusion_enabled():
            self.pass_over((before,), before.edges)
            if self.passed_over:
                self._pooled = outputs[0]._array
                outputs[0]._versions.memory.add_reader(weakref.ref(self))

    def array(self) -> None:
        """Somebody is about to change the result in place, without which backward goes through both steps."""
        self.one_by_one()

    def one_by_one(self) -> None:
        super().one_by_one()
        self._pooled = None

    def release(self) -> None:
        super().release()
        self._pooled = None

    def backward(self, grad_y: Tensor, _: None = None) -> Tensor:
        (taps,) = self.saved
        return MaxPoolGrad(self.window)(grad_y, taps)

    def backward_of_all(self, grad_y: Any) -> Any:
        (rectifier,), (taps,) = self.passed_over, self.saved
        passing = rectifier.gradient(grad_y, self._pooled)  # type: ignore[attr-defined]
        return call("max_pool2d.grad_input", passing, taps._array, self.window)


class MaxPoolGrad(Function):
    """Add each value where the winning tap of its window looks (gradient of taking it from there)."""

    takes_arrays = True
    differentiable = True

    def __init__(self, window: Window2d) -> None:
        self.window = window

    def forward(self, values: Any, taps: Any) -> Any:
        self.save(taps)
        return call("max_pool2d.grad_input", values, taps, self.window)

    def backward(self, grad: Tensor) -> Any:
        (taps,) = self.saved
        return Gather()(grad, Tensor._wrap(call("max_pool2d.indices", taps._array, self.window))), None


class AdaptiveMaxPool2d(Function):
    """The largest value in each of ``output_size`` bins, and its place ``h*W + w``."""

    differentiable = True

    def __init__(self, output_size: Pair) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        self.input_size = x.shape[2:]
        y, indices = call("adaptive_max_pool2d.forward", x, self.output_size)
        self.save(indices)
        return y, indices

    def backward(self, grad_y: Tensor, _: None) -> Tensor:
        (indices,) = self.saved
        return Scatter(self.input_size)(grad_y, indices)


class Scatter(Function):
    """Add each value at the place its index names (gradient of taking it from there)."""

    differentiable = True

    def __init__(self, size: Pair) -> None:
        self.size = size

    def forward(self, values: Any, indices: Any) -> Any:
        self.save(indices)
        return call("max_unpool2d.scatter", values, indices, self.size)

    def backward(self, grad: Tensor) -> Any:
        (indices,) = self.saved
        return Gather()(grad, indices), None


class Gather(Function):
    """Take the values at the places the indices name (gradient of putting them there)."""

    differentiable = True

    def forward(self, plane: Any, indices: Any) -> Any:
        self.size = plane.shape[2:]
        self.save(indices)
        return call("max_unpool2d.grad_input", plane, indices)

    def backward(self, grad: Tensor) -> Any:
        (indices,) = self.saved
        return Scatter(self.size)(grad, indices), None


class MaxUnpool2d(Function):
    """Put each value at the place its index names; zeros elsewhere."""

    differentiable = True

    def __init__(self, output_size: Pair) -> None:
        self.output_size = output_size

    def forward(self, x: Any, indices: Any) -> Any:
        self.save(indices)
        return call("max_unpool2d.forward", x, indices, self.output_size)

    def backward(self, grad_y: Tensor) -> Any:
        (indices,) = self.saved
        return Gather()(grad_y, indices), None


class _Averaging(Function):
    """A linear pooling by the kernels ``name.forward`` and ``name.grad_input``."""

    differentiable = True
    name_of_kernel = ""

    def __init__(self, size_or_window: Any, *settings: Any) -> None:
        self.size_or_window, self.settings = size_or_window, settings

    def forward(self, x: Any) -> Any:
        self.input_size = x.shape[2:]
        return call(f"{self.name_of_kernel}.forward", x, self.size_or_window, *self.settings)

    def backward(self, grad_y: Tensor) -> Tensor:
        return _Spreading(self)(grad_y)


class _Spreading(Function):
    """The gradient of an averaging, itself linear."""

    differentiable = True

    def __init__(self, averaging: _Averaging) -> None:
        self.kind, self.size_or_window, self.settings = type(averaging), averaging.size_or_window, averaging.settings
        self.place = averaging.input_size if self.kind is AdaptiveAvgPool2d else averaging.size_or_window

    def forward(self, grad_y: Any) -> Any:
        return call(f"{self.kind.name_of_kernel}.grad_input", grad_y, self.place, *self.settings)

    def backward(self, grad: Tensor) -> Tensor:
        return self.kind(self.size_or_window, *self.settings)(grad)


class AvgPool2d(_Averaging):
    """The mean under each window: ``AvgPool2d(window, count_include_pad, divisor_override)``."""

    name_of_kernel = "avg_pool2d"


class AdaptiveAvgPool2d(_Averaging):
    """The mean of each of ``output_size`` bins: ``AdaptiveAvgPool2d(output_size)``."""

    name_of_kernel = "adaptive_avg_pool2d"
