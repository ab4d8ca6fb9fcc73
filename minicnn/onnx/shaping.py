"""Shapes, orders, copies side by side, borders, sizes of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.joining import Cat
from ..ops.padding import PadConstant
from ..ops.resize import Resize
from ..ops.shaping import Expand, Permute, Reshape
from .graph import Graph
from .table import register_translator
from .tracing import Operation


@register_translator(Reshape)
def reshape(graph: Graph, operation: Operation, x: str) -> str:
    return graph.reshape(x, operation.inputs[0].sizes, operation.outputs[0].sizes)


@register_translator(Permute)
def permute(graph: Graph, operation: Operation, x: str) -> str:
    dims = list(operation.function.dims)
    return x if dims == sorted(dims) else graph.node("Transpose", x, perm=dims)


@register_translator(Expand)
def expand(graph: Graph, operation: Operation, x: str) -> str:
    (value,), (y,) = operation.inputs, operation.outputs
    return x if value.sizes == y.sizes else graph.node("Expand", x, graph.shape(y.sizes))


@register_translator(Cat)
def cat(graph: Graph, operation: Operation, *parts: str) -> str:
    return parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=operation.function.axis)


@register_translator(PadConstant)
def pad(graph: Graph, operation: Operation, x: str) -> str:
    """Negative widths crop, in ONNX too."""
    function = operation.function
    before, after = zip(*function.widths, strict=True)
    value = graph.number(function.value, operation.outputs[0]) if function.value else None
    return graph.node("Pad", x, graph.ints(*before, *after), value)


@register_translator(Resize)
def resize(graph: Graph, operation: Operation, x: str) -> str:
    """From the tables that say which pixels make a pixel, so that no runtime rounds coordinates its own way."""
    function = operation.function
    (value,), (y,) = operation.inputs, operation.outputs
    if function.kind == "resize_nearest":
        for axis, table in ((2, function.rows), (3, function.columns)):
            x = graph.node("Gather", x, graph.constant(table), axis=axis)
        return x
    rows, columns = (
        _mixing(table, size, y.dtype)
        for table, size in zip((function.rows, function.columns), value.sizes[2:], strict=True)
    )
    return graph.node("MatMul", graph.node("MatMul", graph.constant(rows.T), x), graph.constant(columns))


def _mixing(table: Any, size: int, kind: Any) -> Any:
    """(size, out): column i holds the shares of the pixels of one axis in output pixel i."""
    low, high, fraction = table
    out = np.arange(len(low))
    matrix = np.zeros((size, len(low)))
    matrix[low, out] += 1 - fraction
    matrix[high, out] += fraction  # at the border the same pixel
    return matrix.astype(kind)
