"""Normalisation."""

from __future__ import annotations

import numpy as np

from ..ops.normalisation import BatchNorm, BatchNormFixed, GroupNorm, LayerNorm, LocalResponseNorm
from .graph import Graph
from .table import register_translator
from .tracing import Operation


def _affine(graph: Graph, operation: Operation, y: str, weight: str | None, bias: str | None) -> str:
    """``y * weight + bias`` with a number for each channel."""
    ndim = len(operation.outputs[0].sizes)
    for kind, vector in (("Mul", weight), ("Add", bias)):
        if vector is not None:
            column = graph.node("Unsqueeze", vector, graph.ints(*range(1, ndim - 1))) if ndim > 2 else vector
            y = graph.node(kind, y, column)
    return y


def _filled(graph: Graph, operation: Operation, number: float, size: int) -> str:
    return graph.constant(np.full(size, number, operation.outputs[0].dtype))


@register_translator(BatchNormFixed)
def batch_norm(
    graph: Graph, operation: Operation, x: str, mean: str, var: str, weight: str | None, bias: str | None
) -> str:
    channels = operation.outputs[0].sizes[1]
    weight = weight or _filled(graph, operation, 1, channels)
    bias = bias or _filled(graph, operation, 0, channels)
    eps = float(operation.function.eps)
    return graph.node("BatchNormalization", x, weight, bias, mean, var, epsilon=eps)


@register_translator(BatchNorm)
def batch_norm_of_batch(graph: Graph, operation: Operation, x: str, weight: str | None, bias: str | None) -> str:
    """By the batch's own statistics, which a layer without running ones uses in evaluation too."""
    y = operation.outputs[0]
    axes = [0, *range(2, len(y.sizes))]
    centred = graph.node("Sub", x, graph.node("ReduceMean", x, graph.ints(*axes)))
    var = graph.node("ReduceMean", graph.node("Mul", centred, centred), graph.ints(*axes))
    eps = graph.number(operation.function.eps, y)
    normal = graph.node("Div", centred, graph.node("Sqrt", graph.node("Add", var, eps)))
    return _affine(graph, operation, normal, weight, bias)


@register_translator(GroupNorm)
def group_norm(graph: Graph, operation: Operation, x: str, weight: str | None, bias: str | None) -> str:
    """Instance norm, where one instance is all channels of a group in a row."""
    function = operation.function
    sizes, groups = operation.outputs[0].sizes, function.num_groups
    rows = (sizes[0], groups, int(np.prod(sizes[1:])) // groups)
    scale = _filled(graph, operation, 1, groups)
    shift = _filled(graph, operation, 0, groups)
    if groups == sizes[1] and len(sizes) > 2:  # instance norm itself
        return graph.node("InstanceNormalization", x, weight or scale, bias or shift, epsilon=float(function.eps))
    instances = graph.reshape(x, sizes, rows)
    normal = graph.node("InstanceNormalization", instances, scale, shift, epsilon=float(function.eps))
    return _affine(graph, operation, graph.reshape(normal, rows, sizes), weight, bias)


@register_translator(LayerNorm)
def layer_norm(graph: Graph, operation: Operation, x: str, weight: str | None, bias: str | None) -> str:
    eps = float(operation.function.eps)
    weight = weight or _filled(graph, operation, 1, operation.outputs[0].sizes[1])
    return graph.node("LayerNormalization", x, weight, bias, axis=-1, epsilon=eps)


@register_translator(LocalResponseNorm)
def local_response_norm(graph: Graph, operation: Operation, x: str) -> str:
    """ONNX's LRN; for an even size, whose window lies one channel further in ONNX, of its parts."""
    f = operation.function
    y = operation.outputs[0]
    if f.size % 2 and len(y.sizes) == 4:
        return graph.node("LRN", x, size=f.size, alpha=float(f.alpha), beta=float(f.beta), bias=float(f.k))
    n, c = y.sizes[:2]
    plane = (n, 1, c, int(np.prod(y.sizes[2:])))
    squares = graph.reshape(graph.node("Mul", x, x), y.sizes, plane)
    before, after = f.size // 2, (f.size - 1) // 2
    means = graph.node(  # of the squares of neighbouring channels; channels that do not exist count as 0
        "AveragePool", squares, kernel_shape=[f.size, 1], pads=[before, 0, after, 0], count_include_pad=1
    )
    means = graph.reshape(means, plane, y.sizes)
    scale = graph.node("Add", graph.node("Mul", means, graph.number(f.alpha, y)), graph.number(f.k, y))
    return graph.node("Div", x, graph.node("Pow", scale, graph.number(f.beta, y)))
