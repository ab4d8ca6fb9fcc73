"""Multiply-adds: what the products of an operation cost, as the factors of a number.

Counted are convolutions, transposed convolutions and products of matrices, one multiply-add for each product of two
numbers that is added up; biases, activations, normalisation and pooling are not counted. This is the convention of
the papers and of torchvision's tables.
"""

from __future__ import annotations

from functools import singledispatch
from math import prod

from ..core.function import Function
from ..core.recording import Step
from ..ops import conv, linalg
from .follow import result_of, shape_of


@singledispatch
def factors(function: Function, step: Step) -> list[int]:
    """The numbers whose product is the number of multiply-adds; none, if nothing is counted."""
    return []


def _of_filters(weight: tuple[int, ...], positions: tuple[int, ...]) -> list[int]:
    """Every weight is used at every position of every image."""
    o, c, kh, kw = weight
    n, _, h, w = positions
    return [kh, kw, c, o, h, w, *([n] if n != 1 else [])]


@factors.register
def _(function: conv.Conv2d, step: Step) -> list[int]:
    return _of_filters(shape_of(step, 1), result_of(step))


@factors.register
def _(function: conv.ConvGradInput, step: Step) -> list[int]:
    return _of_filters(shape_of(step, 1), shape_of(step, 0))


@factors.register
def _(function: conv.ConvGradWeight, step: Step) -> list[int]:
    return _of_filters(result_of(step), shape_of(step, 0))


@factors.register
def _(function: linalg.Linear, step: Step) -> list[int]:
    rows, inner = shape_of(step, 0)
    return [inner, result_of(step)[1], *([rows] if rows != 1 else [])]


@factors.register
def _(function: linalg.MatMul, step: Step) -> list[int]:
    out = result_of(step)
    return [shape_of(step, 0)[-1], out[-1], out[-2], *([prod(out[:-2])] if prod(out[:-2]) != 1 else [])]


@factors.register
def _(function: linalg.Einsum, step: Step) -> list[int]:
    return list(function.sizes.values()) if len(function.inputs) > 1 else []
