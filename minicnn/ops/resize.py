"""Resizing images: nearest neighbour and bilinear."""

from __future__ import annotations

from typing import Any

from minicnn_kernels.geometry import Pair
from minicnn_kernels.registry import call

from ..core.function import Function
from ..core.tensor import Tensor


class Resize(Function):
    """Linear maps of the plane: kernels ``kind.forward`` and ``kind.grad_input`` on index tables."""

    differentiable = True

    def __init__(self, kind: str, rows: Any, columns: Any) -> None:
        self.kind, self.rows, self.columns = kind, rows, columns

    def forward(self, x: Any) -> Any:
        self.input_size = x.shape[2:]
        return call(f"{self.kind}.forward", x, self.rows, self.columns)

    def backward(self, grad_y: Tensor) -> Tensor:
        return ResizeGrad(self.kind, self.rows, self.columns, self.input_size)(grad_y)


class ResizeGrad(Function):
    """Every output pixel's gradient sent back to the pixels it was made from."""

    differentiable = True

    def __init__(self, kind: str, rows: Any, columns: Any, input_size: Pair) -> None:
        self.kind, self.rows, self.columns, self.input_size = kind, rows, columns, input_size

    def forward(self, grad_y: Any) -> Any:
        return call(f"{self.kind}.grad_input", grad_y, self.rows, self.columns, self.input_size)

    def backward(self, grad: Tensor) -> Tensor:
        return Resize(self.kind, self.rows, self.columns)(grad)
