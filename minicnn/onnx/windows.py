"""Convolution, its transpose, patches as columns, fully connected layers, products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.conv import Conv2d, ConvGradInput
from ..ops.linalg import Einsum, Linear, MatMul
from ..ops.unfold import Fold, Unfold
from .graph import Graph
from .table import register_translator
from .tracing import Operation


def window_attributes(window: Any) -> dict[str, Any]:
    """The geometry of a window, as ONNX writes it: all beginnings of the padding first, then all ends."""
    (top, bottom), (left, right) = window.padding
    return {
        "kernel_shape": list(window.kernel_size),
        "strides": list(window.stride),
        "pads": [top, left, bottom, right],
        "dilations": list(window.dilation),
    }


@register_translator(Conv2d)
def conv(graph: Graph, operation: Operation, x: str, weight: str, bias: str | None = None) -> str:
    function = operation.function
    return graph.node("Conv", x, weight, bias, group=function.groups, **window_attributes(function.window))


@register_translator(ConvGradInput)
def conv_transpose(graph: Graph, operation: Operation, x: str, weight: str) -> str:
    function = operation.function
    return _transpose(graph, x, weight, function.window, function.groups)


def _transpose(graph: Graph, x: str, weight: str, window: Any, groups: int) -> str:
    """A transposed convolution; ``window`` is that of the convolution whose gradient it is, from H x W to h x w."""
    shortest = [  # the smallest H that the window maps to h
        (h - 1) * s - sum(pads) + d * (k - 1) + 1
        for h, s, pads, d, k in zip(
            window.output_size, window.stride, window.padding, window.dilation, window.kernel_size, strict=True
        )
    ]
    extra = [size - least for size, least in zip(window.input_size, shortest, strict=True)]
    attributes = window_attributes(window) | {"output_padding": extra, "group": groups}
    return graph.node("ConvTranspose", x, weight, **attributes)


def _unit_filters(channels: int, window: Any, kind: Any) -> Any:
    """(C*KH*KW, 1, KH, KW): for each channel, filters that pick one pixel of the window each."""
    kh, kw = window.kernel_size
    one_channel = np.eye(kh * kw, dtype=kind).reshape(kh * kw, 1, kh, kw)
    return np.tile(one_channel, (channels, 1, 1, 1))


@register_translator(Unfold)
def unfold(graph: Graph, operation: Operation, x: str) -> str:
    """Patches as columns: the convolution whose filters pick one pixel each."""
    window, value, (y,) = operation.function.window, operation.inputs[0], operation.outputs
    n, channels = value.sizes[:2]
    filters = graph.constant(_unit_filters(channels, window, y.dtype))
    planes = graph.node("Conv", x, filters, group=channels, **window_attributes(window))
    return graph.reshape(planes, (n, y.sizes[1], *window.output_size), y.sizes)


@register_translator(Fold)
def fold(graph: Graph, operation: Operation, columns: str) -> str:
    """Columns summed back: the transpose of that convolution."""
    window, value, (y,) = operation.function.window, operation.inputs[0], operation.outputs
    n, rows, _ = value.sizes
    channels = y.sizes[1]
    filters = graph.constant(_unit_filters(channels, window, y.dtype))
    planes = graph.reshape(columns, value.sizes, (n, rows, *window.output_size))
    return _transpose(graph, planes, filters, window, channels)


@register_translator(Linear)
def linear(graph: Graph, operation: Operation, x: str, weight: str, bias: str | None) -> str:
    return graph.node("Gemm", x, weight, bias, transB=1)


@register_translator(MatMul)
def matmul(graph: Graph, operation: Operation, a: str, b: str) -> str:
    return graph.node("MatMul", a, b)


@register_translator(Einsum)
def einsum(graph: Graph, operation: Operation, *operands: str) -> str:
    function = operation.function
    return graph.node("Einsum", *operands, equation=",".join(function.inputs) + "->" + function.output)
