"""Operations of the registry, computed by the CUDA kernels on the CPU: to compare, and to see that all agree.

Each function takes the arguments of its operation, brings them into the memory that the kernel wants, and launches
it as a GPU would be told to. What is here is what a convolutional network mostly does; in float32, one group.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from math import prod
from typing import Any

import numpy as np

from ...arrays import Array
from ...epilogue import NONE, Epilogue
from ...geometry import Window2d
from ..catalog import find
from . import run

OPERATIONS: dict[str, tuple[str, Callable[..., Any]]] = {}
"""By operation: a kernel's name in the table, and the function that launches it."""


def _computes(operation: str, kernel: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS[operation] = kernel, function
        return function

    return register


def declines(operation: str, arguments: tuple[Any, ...]) -> str | None:
    """Why an operation is not computed here, or None.

    Examples
    --------
    >>> declines("relu.forward", (np.zeros(3, np.float32),))
    >>> declines("relu.forward", (np.zeros(3),))
    'its arrays are float32 here, not float64'
    """
    if operation not in OPERATIONS:
        return "no CUDA kernel is launched for it on the CPU"
    first = arguments[0]
    if first.dtype != np.float32:
        return f"its arrays are float32 here, not {first.dtype}"
    if operation.startswith("conv2d") and arguments[_GROUPS[operation]] != 1:
        return "its kernel is for one group of channels"
    if operation == "max_pool2d.forward" and prod(arguments[1].kernel_size) > 256:
        return "its kernel counts 256 taps at most"
    return None


def place(kernel: str) -> str:
    """File and line of a kernel's definition, as ``minicnn_kernels/cuda/kernels/im2col.cu:12``."""
    entry = find(kernel)
    lines = (files("minicnn_kernels.cuda") / "kernels" / entry.file).read_text("utf-8").splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "__global__" in text and f" {entry.function}(" in text)
    return f"minicnn_kernels/cuda/kernels/{entry.file}:{line}"


_GROUPS = {"conv2d.forward": 4, "conv2d.grad_input": 3, "conv2d.grad_weight": 3}  # which argument it is
_STRICT = "conv2d.{}.strict.1"  # float's full precision, one channel copied at a time: any number of channels


def _sliding(window: Window2d) -> dict[str, int]:
    (stride_h, stride_w), (dilation_h, dilation_w) = window.stride, window.dilation
    pads = {"pad_h": window.padding[0][0], "pad_w": window.padding[1][0]}
    return {
        "stride_h": stride_h, "stride_w": stride_w, **pads, "dilation_h": dilation_h, "dilation_w": dilation_w
    }  # fmt: skip


def _last(x: Array) -> Array:
    """(N, C, H, W) with the channels last."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _first(x: Array) -> Array:
    return x.transpose(0, 3, 1, 2)


@_computes("conv2d.forward", _STRICT.format("forward"))
def conv2d_forward(
    x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue = NONE
) -> Array:
    """As an implicit matrix product on the model of a tensor core."""
    y = np.empty((len(x), *window.output_size, len(w)), np.float32)  # (N, OH, OW, O)
    scale, residual, low, high = epilogue
    weight = w if scale is None else w * scale[:, None, None, None]
    added = None if residual is None else _last(residual)
    arrays: dict[str, Any] = {"x": _last(x), "weight": _last(weight), "bias": bias, "residual": added, "y": y}
    run(OPERATIONS["conv2d.forward"][0], **arrays, **_sliding(window), low=low, high=high, checked=False)
    return _first(y)


@_computes("conv2d.grad_input", _STRICT.format("grad_input"))
def conv2d_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int) -> Array:
    """The gradient of the input, gathered."""
    grad_x = np.empty((len(grad_y), *window.input_size, w.shape[1]), np.float32)
    arrays: dict[str, Any] = {"grad_y": _last(grad_y), "weight": _last(w), "grad_x": grad_x}
    run(OPERATIONS["conv2d.grad_input"][0], **arrays, **_sliding(window), checked=False)
    return _first(grad_x)


@_computes("conv2d.grad_weight", _STRICT.format("grad_weight"))
def conv2d_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """The gradient of the weights, the pixels in one part."""
    parts = np.empty((1, grad_y.shape[1], *window.kernel_size, x.shape[1]), np.float32)
    arrays: dict[str, Any] = {"grad_y": _last(grad_y), "x": _last(x), "parts": parts}
    run(OPERATIONS["conv2d.grad_weight"][0], **arrays, **_sliding(window), checked=False)
    return _first(parts[0])


@_computes("max_pool2d.forward", "max_pool2d.forward")
def max_pool2d_forward(x: Array, window: Window2d) -> tuple[Array, Array]:
    """The largest value under each window, and the tap that saw it."""
    shape = *x.shape[:2], *window.output_size
    y, winner = np.empty(shape, np.float32), np.empty(shape, np.uint8)
    kernel_h, kernel_w = window.kernel_size
    sizes = {"kernel_h": kernel_h, "kernel_w": kernel_w}
    run("max_pool2d.forward", x=np.ascontiguousarray(x), y=y, winner=winner, **sizes, **_sliding(window), checked=False)
    return y, winner


@_computes("im2col", "im2col")
def im2col(x: Array, window: Window2d) -> Array:
    """The column matrix (N, C*KH*KW, OH*OW)."""
    columns = np.empty((*x.shape[:2], *window.kernel_size, *window.output_size), np.float32)
    run("im2col", x=np.ascontiguousarray(x), columns=columns, **_sliding(window), checked=False)
    return columns.reshape(len(x), -1, prod(window.output_size))


@_computes("relu.forward", "relu.forward")
def relu_forward(x: Array) -> Array:
    """``max(x, 0)``."""
    y = np.empty(x.shape, np.float32)
    run("relu.forward", x=np.ascontiguousarray(x).reshape(-1), y=y.reshape(-1), parameter=0.0, checked=False)
    return y
