"""Pooling. ONNX runtimes do not agree on ``ceil_mode``; here it becomes padding after the image, which they do."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..ops.pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d, MaxUnpool2d
from .graph import Graph
from .table import register_translator, untranslatable
from .tracing import Operation
from .windows import window_attributes


def _beyond(window: Any) -> list[int]:
    """By how much the last windows reach beyond the padding: more than 0 with ``ceil_mode`` alone."""
    return [
        max((out - 1) * s + d * (k - 1) + 1 - (size + sum(pads)), 0)
        for out, s, d, k, size, pads in zip(
            window.output_size,
            window.stride,
            window.dilation,
            window.kernel_size,
            window.input_size,
            window.padding,
            strict=True,
        )
    ]


def _reaching(window: Any) -> Any:
    """The same window with padding up to where the last windows reach."""
    padding = tuple((a, b + more) for (a, b), more in zip(window.padding, _beyond(window), strict=True))
    return dataclasses.replace(window, padding=padding)


def _places_wanted(operation: Operation) -> bool:
    return len(operation.outputs) > 1 and operation.used[1]


def _max_pool(graph: Graph, operation: Operation, x: str, attributes: dict[str, Any]) -> Any:
    """The maxima, and if anyone reads them, their places ``h*W + w``."""
    if not _places_wanted(operation):
        y = graph.node("MaxPool", x, **attributes)
        return y if len(operation.outputs) == 1 else (y, "")
    *_, h, w = operation.inputs[0].sizes
    y, places = graph.node("MaxPool", x, outputs=2, **attributes)  # counted through all images and channels
    return y, graph.node("Mod", places, graph.ints(h * w))


@register_translator(MaxPool2d)
def max_pool(graph: Graph, operation: Operation, x: str) -> Any:
    window = _reaching(operation.function.window)
    pads = [width for widths in window.padding for width in widths]
    if max(pads) < min(window.kernel_size):
        return _max_pool(graph, operation, x, window_attributes(window))
    if _places_wanted(operation):
        raise untranslatable(
            operation, "has places of the maxima in ONNX only where the padding is below the kernel size"
        )
    top, bottom, left, right = pads  # runtimes refuse padding that a dilated window may reach
    kind = operation.inputs[0].dtype
    lowest = -np.inf if kind.kind == "f" else np.iinfo(kind).min
    padded = graph.node(
        "Pad", x, graph.ints(0, 0, top, left, 0, 0, bottom, right), graph.number(lowest, operation.inputs[0])
    )
    return _max_pool(graph, operation, padded, window_attributes(dataclasses.replace(window, padding=((0, 0), (0, 0)))))


@register_translator(AvgPool2d)
def avg_pool(graph: Graph, operation: Operation, x: str) -> str:
    """ONNX divides by the pixels of the window inside the image, or by all; so the padding that counts goes first."""
    function = operation.function
    window, (count_include_pad, divisor) = function.size_or_window, function.settings
    if divisor is not None:  # the mean over all of the window, times its size, is the sum
        mean = _average(graph, x, _reaching(window), count_include_pad=1)
        kh, kw = window.kernel_size
        return graph.node("Mul", mean, graph.number(kh * kw / divisor, operation.outputs[0]))
    if not count_include_pad:
        return _average(graph, x, _reaching(window), count_include_pad=0)
    if not any(_beyond(window)):
        return _average(graph, x, window, count_include_pad=1)
    (top, bottom), (left, right) = window.padding
    if any((top, bottom, left, right)):
        x = graph.node("Pad", x, graph.ints(0, 0, top, left, 0, 0, bottom, right))
    down, right = _beyond(window)
    window = dataclasses.replace(window, padding=((0, down), (0, right)))
    return _average(graph, x, window, count_include_pad=0)


def _average(graph: Graph, x: str, window: Any, count_include_pad: int) -> str:
    attributes = window_attributes(window)
    del attributes["dilations"]
    return graph.node("AveragePool", x, count_include_pad=count_include_pad, **attributes)


def _tiles(operation: Operation) -> dict[str, Any] | None:
    """The attributes of an ordinary pooling, if the bins are equal and do not overlap."""
    sizes, bins = operation.inputs[0].sizes[2:], operation.outputs[0].sizes[2:]
    if any(size % count for size, count in zip(sizes, bins, strict=True)):
        return None
    kernel = [size // count for size, count in zip(sizes, bins, strict=True)]
    return {"kernel_shape": kernel, "strides": kernel}


def _bins(size: int, count: int, kind: Any = np.float64) -> Any:
    """(size, count): column i holds the weights with which the pixels of one axis enter bin i.

    They are the bins' means of unit vectors.
    """
    unit_vectors = np.eye(size, dtype=kind).reshape(size, 1, size, 1)
    return AdaptiveAvgPool2d((count, 1))(Tensor._wrap(unit_vectors))._array.reshape(size, count)


@register_translator(AdaptiveAvgPool2d)
def adaptive_avg_pool(graph: Graph, operation: Operation, x: str) -> str:
    """A global mean, an ordinary pooling, or, where bins overlap, a product with a matrix for each axis."""
    (value,), (y,) = operation.inputs, operation.outputs
    if y.sizes[2:] == (1, 1):
        return graph.node("GlobalAveragePool", x)
    tiles = _tiles(operation)
    if tiles is not None:
        return graph.node("AveragePool", x, **tiles)
    rows, columns = (_bins(size, count, y.dtype) for size, count in zip(value.sizes[2:], y.sizes[2:], strict=True))
    return graph.node("MatMul", graph.node("MatMul", graph.constant(rows.T), x), graph.constant(columns))


@register_translator(AdaptiveMaxPool2d)
def adaptive_max_pool(graph: Graph, operation: Operation, x: str) -> Any:
    """An ordinary pooling, or, where bins overlap, each axis's bins gathered side by side and their maxima."""
    tiles = _tiles(operation)
    if tiles is not None:
        return _max_pool(graph, operation, x, tiles)
    if _places_wanted(operation):
        raise untranslatable(operation, "has places of the maxima in ONNX only where the bins divide the image")
    value, y = operation.inputs[0], operation.outputs[0]
    for axis in (2, 3):
        members = [np.flatnonzero(column) for column in _bins(value.sizes[axis], y.sizes[axis]).T]
        longest = max(map(len, members))
        table = np.array([np.pad(m, (0, longest - len(m)), mode="edge") for m in members])  # (bins, longest)
        gathered = graph.node("Gather", x, graph.constant(table), axis=axis)
        x = graph.node("ReduceMax", gathered, graph.ints(axis + 1), keepdims=0)
    return x, ""


@register_translator(MaxUnpool2d)
def max_unpool(graph: Graph, operation: Operation, x: str, places: str) -> str:
    (value, indices), (y,) = operation.inputs, operation.outputs
    n, c, h, w = y.sizes
    plane = (n, c, h * w)
    zeros = graph.node("Expand", graph.number(0, y), graph.shape(plane))
    flat = (n, c, int(np.prod(value.sizes[2:])))
    columns = graph.reshape(x, value.sizes, flat)
    where = graph.reshape(places, indices.sizes, flat)
    return graph.reshape(graph.node("ScatterElements", zeros, where, columns, axis=2), plane, y.sizes)
