"""Checks of arguments before anything is computed: what was expected, what came, and the fix."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from ...core.errors import DTypeError, ShapeError
from ...core.tensor import Tensor
from ...ops.operands import as_tensor


def floating(operation: str, value: Any, name: str = "input") -> Tensor:
    """``value`` as a tensor of floating-point numbers."""
    x = as_tensor(value, name, operation)
    if not x.is_floating_point():
        fix = "x.float() / 255" if x._array.dtype == np.uint8 else "x.float()"
        raise DTypeError(f"{operation}: {name} must hold floating-point numbers; got {x.dtype}. Fix: {fix}")
    return x


def same_dtype(operation: str, input: Tensor, **others: Any) -> list[Tensor | None]:
    """The other tensors (or None), which must have the input's element type."""
    checked: list[Tensor | None] = []
    for name, value in others.items():
        if value is None:
            checked.append(None)
            continue
        other = value if isinstance(value, Tensor) else as_tensor(value, name, operation)
        if other._form.dtype != input._form.dtype:
            raise DTypeError(
                f"{operation}: the input is {input.dtype} but {name} is {other.dtype}. "
                f"Fix: x.to({other.dtype}), or convert the model with {_conversion(input)}"
            )
        checked.append(other)
    return checked


def _conversion(x: Tensor) -> str:
    return {"float64": "model.double()", "float16": "model.half()"}.get(x.dtype.name, "model.float()")


def image(operation: str, value: Any) -> tuple[Tensor, bool]:
    """An input (N, C, H, W), or (C, H, W) with a batch axis added, and whether one was."""
    x = floating(operation, value)
    if x.ndim == 3:
        return x.unsqueeze(0), True
    if x.ndim != 4:
        raise ShapeError(
            f"{operation}: expected an input of shape (N, C, H, W) or (C, H, W); got {tuple(x.shape)}. Fix: {_axes(x)}"
        )
    return x, False


def _axes(x: Tensor) -> str:
    if x.ndim == 2:
        return "x[None, None] for one grey image, or x.reshape(N, C, H, W) for flattened ones"
    return "x.reshape(N, C, H, W)"


def on_image(operation: str, value: Any, compute: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply ``compute`` to (N, C, H, W), and drop the batch axis again if it was added."""
    x, added = image(operation, value)
    y = compute(x)
    return y.squeeze(0) if added else y


def probability(operation: str, p: float) -> None:
    """``p`` must be a number in [0, 1]."""
    if not isinstance(p, Real):
        raise TypeError(f"{operation}: p must be a probability between 0 and 1; got {p!r}, a {type(p).__name__}")
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{operation}: p must be a probability between 0 and 1; got {p}")


def depth_mode(operation: str, mode: str) -> None:
    """``mode`` of stochastic depth: who shares a draw."""
    if mode not in ("batch", "row"):
        raise ValueError(
            f"{operation}: mode must be 'batch' (one draw for all samples) or 'row' (one for each); got {mode!r}"
        )


def per_channel(operation: str, channels: int, **vectors: Tensor | None) -> None:
    """Vectors must have one number for each channel."""
    for name, vector in vectors.items():
        if vector is not None and vector._form.shape != (channels,):
            raise ShapeError(
                f"{operation}: {name} must have one number per channel, shape ({channels},); got {tuple(vector.shape)}"
            )
