"""Arithmetic, functions of one number, choices between numbers, copies and casts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import arithmetic, choosing
from ..ops.copying import Clone
from ..ops.elementwise import Round, Unary
from ..ops.inplace import AddInto
from ..ops.operands import Cast
from .graph import Graph
from .table import register_translator, untranslatable
from .tracing import Operation

_BINARY = {
    arithmetic.Add: "Add",
    AddInto: "Add",
    arithmetic.Sub: "Sub",
    arithmetic.Mul: "Mul",
    arithmetic.Div: "Div",
    arithmetic.Pow: "Pow",
    choosing.Maximum: "Max",
    choosing.Minimum: "Min",
}
_UNARY = {
    **dict.fromkeys(("Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Sign", "Floor", "Ceil")),
    **dict.fromkeys(("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh")),
}
_LOGARITHMS = {"Log2": 2.0, "Log10": 10.0}


@register_translator(*_BINARY)
def binary(graph: Graph, operation: Operation, a: str, b: str) -> str:
    return graph.node(_BINARY[type(operation.function)], a, b)


@register_translator(arithmetic.DivFloor, arithmetic.Remainder)
def floor_division(graph: Graph, operation: Operation, a: str, b: str) -> str:
    """``floor(a / b)``, and what it leaves of a."""
    _floating(operation)
    quotient = graph.node("Floor", graph.node("Div", a, b))
    if isinstance(operation.function, arithmetic.DivFloor):
        return quotient
    return graph.node("Sub", a, graph.node("Mul", quotient, b))


@register_translator(arithmetic.DivTrunc)
def truncated_division(graph: Graph, operation: Operation, a: str, b: str) -> str:
    _floating(operation)
    return _trunc(graph, graph.node("Div", a, b))


@register_translator(arithmetic.Fmod)
def fmod(graph: Graph, operation: Operation, a: str, b: str) -> str:
    return graph.node("Mod", a, b, fmod=1)


@register_translator(arithmetic.PowNumber)
def power(graph: Graph, operation: Operation, x: str) -> str:
    exponent = operation.function.exponent
    if exponent == 2:
        return graph.node("Mul", x, x)
    return graph.node("Pow", x, graph.number(exponent, operation.outputs[0]))


@register_translator(arithmetic.Neg)
def neg(graph: Graph, operation: Operation, x: str) -> str:
    return graph.node("Neg", x)


@register_translator(Unary)
def unary(graph: Graph, operation: Operation, x: str) -> str:
    name, like = operation.name, operation.outputs[0]
    if name in _UNARY:
        return graph.node(name, x)
    if name in _LOGARITHMS:
        return graph.node("Div", graph.node("Log", x), graph.number(np.log(_LOGARITHMS[name]), like))
    if name == "Log1p":
        return graph.node("Log", graph.node("Add", x, graph.number(1, like)))
    if name == "Expm1":
        return graph.node("Sub", graph.node("Exp", x), graph.number(1, like))
    if name == "Square":
        return graph.node("Mul", x, x)
    if name == "Rsqrt":
        return graph.node("Reciprocal", graph.node("Sqrt", x))
    if name == "Trunc":
        return _trunc(graph, x)
    raise untranslatable(operation)


def _trunc(graph: Graph, x: str) -> str:
    return graph.node("Mul", graph.node("Sign", x), graph.node("Floor", graph.node("Abs", x)))


@register_translator(Round)
def rounded(graph: Graph, operation: Operation, x: str) -> str:
    decimals, like = operation.function.decimals, operation.outputs[0]
    _floating(operation)
    if decimals == 0:
        return graph.node("Round", x)
    unit = graph.number(10.0**decimals, like)
    return graph.node("Div", graph.node("Round", graph.node("Mul", x, unit)), unit)


@register_translator(choosing.Clamp)
def clamp(graph: Graph, operation: Operation, x: str, low: str | None, high: str | None) -> str:
    limits = [value for value in operation.inputs[1:] if value is not None]
    if all(value.sizes == () for value in limits):
        return graph.node("Clip", x, low, high)
    if low is not None:
        x = graph.node("Max", x, low)
    return x if high is None else graph.node("Min", x, high)


@register_translator(choosing.Where)
def where(graph: Graph, operation: Operation, condition: str, a: str, b: str) -> str:
    return graph.node("Where", condition, a, b)


@register_translator(Clone)
def clone(graph: Graph, operation: Operation, x: str) -> str:
    return x


@register_translator(Cast)
def cast(graph: Graph, operation: Operation, x: str) -> str:
    import onnx

    kind: Any = operation.outputs[0].dtype
    return graph.node("Cast", x, to=int(onnx.helper.np_dtype_to_tensor_dtype(kind)))


def _floating(operation: Operation) -> None:
    if operation.outputs[0].dtype.kind != "f":
        raise untranslatable(operation, "is translated to ONNX for floating-point numbers alone. Fix: x.float()")
