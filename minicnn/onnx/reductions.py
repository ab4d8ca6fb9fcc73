"""Many numbers to one, and running totals."""

from __future__ import annotations

import numpy as np

from ..ops.extremes import Extreme
from ..ops.ordering import CumSum, Prod
from ..ops.reductions import LogSumExp, Mean, Norm, Sum, Var
from .agreement import Batch
from .graph import Graph
from .table import register_translator, untranslatable
from .tracing import Operation

_NAMES = {Sum: "ReduceSum", Mean: "ReduceMean", LogSumExp: "ReduceLogSumExp", Prod: "ReduceProd"}


def _reduce(graph: Graph, operation: Operation, kind: str, x: str, keepdim: bool | None = None) -> str:
    function = operation.function
    keep = function.keepdim if keepdim is None else keepdim
    if not function.axes:  # of a 0-d tensor
        return x
    return graph.node(kind, x, graph.ints(*function.axes), keepdims=int(keep))


@register_translator(*_NAMES)
def reduction(graph: Graph, operation: Operation, x: str) -> str:
    return _reduce(graph, operation, _NAMES[type(operation.function)], x)


@register_translator(Extreme)
def extreme(graph: Graph, operation: Operation, x: str) -> str:
    largest = operation.function.largest
    return _reduce(graph, operation, "ReduceMax" if largest else "ReduceMin", x)


@register_translator(Norm)
def norm(graph: Graph, operation: Operation, x: str) -> str:
    p, like = operation.function.p, operation.outputs[0]
    if p in (1, 2):
        return _reduce(graph, operation, f"ReduceL{p}", x)
    powers = graph.node("Pow", graph.node("Abs", x), graph.number(p, like))
    return graph.node("Pow", _reduce(graph, operation, "ReduceSum", powers), graph.number(1 / p, like))


@register_translator(Var)
def variance(graph: Graph, operation: Operation, x: str) -> str:
    """The mean of ``(x - mean)^2``, times ``n / (n - correction)``; or its root."""
    function = operation.function
    sizes, like = operation.inputs[0].sizes, operation.outputs[0]
    centred = graph.node("Sub", x, _reduce(graph, operation, "ReduceMean", x, keepdim=True))
    y = _reduce(graph, operation, "ReduceMean", graph.node("Mul", centred, centred))
    if function.correction:
        if any(isinstance(sizes[axis], Batch) for axis in function.axes):
            raise untranslatable(
                operation, "divides by n - 1, and n grows with the batch. Fix: unbiased=False, or dynamic_axes={}"
            )
        count = function.count(operation.inputs[0])
        freedom = count - function.correction
        y = graph.node("Mul", y, graph.number(count / freedom if freedom > 0 else np.inf, like))
    return graph.node("Sqrt", y) if function.root else y


@register_translator(CumSum)
def cumsum(graph: Graph, operation: Operation, x: str) -> str:
    return graph.node("CumSum", x, graph.ints(operation.function.axis))
