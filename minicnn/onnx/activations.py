"""Activation functions."""

from __future__ import annotations

from ..ops.activations import Activation, LogSoftmax, PReLU, Softmax
from ..ops.losses import LogSigmoid
from .graph import Graph
from .table import register_translator, untranslatable
from .tracing import Operation

_NAMES = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish"}
_WITH_ALPHA = {"leaky_relu": "LeakyRelu", "elu": "Elu"}


@register_translator(Activation)
def activation(graph: Graph, operation: Operation, x: str) -> str:
    function = operation.function
    kind, like = function.kind, operation.outputs[0]
    if kind in _NAMES:
        return graph.node(_NAMES[kind], x)
    if kind in _WITH_ALPHA:
        return graph.node(_WITH_ALPHA[kind], x, alpha=float(function.settings[0]))
    if kind == "relu6":
        return graph.node("Clip", x, graph.number(0, like), graph.number(6, like))
    if kind == "hardsigmoid":  # relu6(x + 3) / 6
        return graph.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    if kind == "silu":
        return graph.node("Mul", x, graph.node("Sigmoid", x))
    raise untranslatable(operation)


@register_translator(PReLU)
def prelu(graph: Graph, operation: Operation, x: str, weight: str) -> str:
    value, slopes = operation.inputs
    axes = range(1, len(value.sizes) - 1)
    if slopes.sizes != (1,) and axes:
        weight = graph.node("Unsqueeze", weight, graph.ints(*axes))  # (C, 1, 1)
    return graph.node("PRelu", x, weight)


@register_translator(Softmax)
def softmax(graph: Graph, operation: Operation, x: str) -> str:
    return graph.node("Softmax", x, axis=operation.function.axis)


@register_translator(LogSoftmax)
def log_softmax(graph: Graph, operation: Operation, x: str) -> str:
    return graph.node("LogSoftmax", x, axis=operation.function.axis)


@register_translator(LogSigmoid)
def log_sigmoid(graph: Graph, operation: Operation, x: str) -> str:
    """-log(1 + e^-x)"""
    return graph.node("Neg", graph.node("Softplus", graph.node("Neg", x)))
