"""Which calls have stages, and which results are written into a concatenation by those who compute them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..onnx.tracing import Value
from ..ops.activations import BOUNDS, Rectifier
from ..ops.joining import Cat
from ..ops.linalg import Linear
from ..ops.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from ..ops.shaping import Reshape
from .peephole import Call

Place = tuple[Value, int]  # a concatenation, and the first of its channels


def operation_of(call: Call) -> tuple[str, tuple[Any, ...]] | None:
    """The operation whose stages compute a call, and its arguments; None if there are none."""
    function, inputs = call.made_of, call.arguments
    if isinstance(call.function, str):
        return call.function, inputs
    if isinstance(function, MaxPool2d) and not function.with_indices:
        return "max_pool2d.values", (*inputs, function.window)
    if isinstance(function, (AvgPool2d, AdaptiveAvgPool2d)):
        return f"{function.name_of_kernel}.forward", (*inputs, function.size_or_window, *function.settings)
    if isinstance(function, Rectifier):
        return "clamp", (*inputs, *BOUNDS[function.kind])
    if isinstance(function, Linear):
        return "linear", (*inputs, None)[:3]
    if (
        isinstance(function, Reshape)
        and len(call.outputs[0].shape) == 2
        and call.outputs[0].shape[0] == inputs[0].shape[0]
    ):
        return "flatten", inputs
    return None


def can_be_laid(value: Any) -> bool:
    """Whether it can lie in the arena: a result (N, C, H, W) or (N, K) in float32, not empty."""
    return (
        isinstance(value, Value) and len(value.shape) in (2, 4) and value.dtype == np.float32 and prod(value.shape) > 0
    )


def is_image(value: Any) -> bool:
    """Whether it is one of (N, C, H, W)."""
    return can_be_laid(value) and len(value.shape) == 4


def joined(call: Call) -> bool:
    """Whether a call joins images along their channels."""
    return isinstance(call.made_of, Cat) and call.made_of.axis in (1, -3) and all(map(is_image, call.arguments))


def may_be_same_memory(call: Call) -> bool:
    """Whether the result may be the argument, seen with another shape: a reshape, or an average of single pixels."""
    if not isinstance(call.made_of, (Reshape, AdaptiveAvgPool2d)):
        return False
    (x, *_), (value,) = call.arguments, call.outputs
    return bool(value.shape == x.shape or (value.shape == x.shape[:2] and x.shape[2:] == (1, 1)))


def places_in_joins(calls: Sequence[Call]) -> dict[Value, Place]:
    """Which values are written into a concatenation, and which concatenations are parts of others."""
    place: dict[Value, Place] = {}
    made = {value for call in calls for value in call.outputs}
    for call in reversed(calls):
        if not joined(call):
            continue
        (whole,), parts = call.outputs, call.arguments
        starts = np.cumsum([0, *[v.shape[1] for v in parts]]).tolist()
        known = [place.get(v) for v in parts]
        if whole not in place and all(p is not None for p in known):
            parent, first = known[0]  # type: ignore[misc]
            if known == [(parent, first + start) for start in starts[:-1]]:
                place[whole] = parent, first
                continue
        for v, start in zip(parts, starts, strict=False):
            if v in made and v not in place and v is not whole:
                place[v] = whole, start
    return place
