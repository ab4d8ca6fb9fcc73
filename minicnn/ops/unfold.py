"""im2col and col2im: patches as columns, and columns summed back. Each is the other's gradient."""

from __future__ import annotations

from typing import Any

from minicnn_kernels.geometry import Window2d
from minicnn_kernels.registry import call

from ..core.function import Function
from ..core.tensor import Tensor


class Unfold(Function):
    """(N, C, H, W) -> (N, C*KH*KW, OH*OW)."""

    differentiable = True

    def __init__(self, window: Window2d) -> None:
        self.window = window

    def forward(self, x: Any) -> Any:
        return call("im2col", x, self.window)

    def backward(self, grad_columns: Tensor) -> Tensor:
        return Fold(self.window)(grad_columns)


class Fold(Function):
    """(N, C*KH*KW, OH*OW) -> (N, C, H, W); overlaps are summed."""

    differentiable = True

    def __init__(self, window: Window2d) -> None:
        self.window = window

    def forward(self, columns: Any) -> Any:
        return call("col2im", columns, self.window)

    def backward(self, grad_x: Tensor) -> Tensor:
        return Unfold(self.window)(grad_x)
