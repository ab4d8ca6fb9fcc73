"""Resizing planes. Which pixels an output looks at is told by tables, which are kept on the device."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...arrays import Array, namespace, on_device
from ...geometry import Pair
from .. import runtime
from . import order
from .launch import launch, launcher

Blend = tuple[Array, Array, Array]  # low (OH,), high (OH,), fraction (OH,)


@lru_cache(1024)
def _uploaded(numbers: bytes, kind: str, device: int) -> Any:
    runtime.check_may_send()
    return runtime.cupy().asarray(np.frombuffer(numbers, kind))


def table(x: Any, numbers: Array, kind: Any) -> Array:
    """Numbers where ``x`` is, in a type; what comes from the host is copied once, and kept."""
    if on_device(x) and not on_device(numbers):
        return _uploaded(np.ascontiguousarray(numbers, kind).tobytes(), np.dtype(kind).str, int(x.device.id))
    return order.contiguous(numbers.astype(kind, copy=False))


def starts(x: Array, low: Array, size: int) -> Array:
    """The first output that looks at pixel k or behind it, for k = 0 .. size."""
    return table(x, np.searchsorted(low, namespace(low).arange(size + 1)), np.int32)


def _rising(x: Array, rows: Any, columns: Any, *_: Any) -> str | None:
    for numbers in (rows, columns):
        low = numbers[0] if isinstance(numbers, tuple) else numbers
        if isinstance(low, np.ndarray) and (low[1:] < low[:-1]).any():
            return "its kernel takes tables that rise"
    return None


@launcher("resize_nearest.forward", "resize_nearest.forward")
def resize_nearest_forward(x: Array, rows: Array, columns: Array) -> Array:
    """``y[i, j] = x[rows[i], columns[j]]``."""
    lies = order.of_planes(x)
    y = lies.empty((*x.shape[:2], len(rows), len(columns)), x)
    tables = {"rows": table(x, rows, np.int32), "columns": table(x, columns, np.int32)}
    launch("resize_nearest.forward", x=lies.planes(x), **tables, y=lies.planes(y))
    return y


@launcher("resize_nearest.grad_input", "resize_nearest.grad_input", _rising)
def resize_nearest_grad_input(grad_y: Array, rows: Array, columns: Array, input_size: Pair) -> Array:
    """A pixel collects from all outputs that copied it."""
    lies = order.of_planes(grad_y)
    grad_x = lies.empty((*grad_y.shape[:2], *input_size), grad_y)
    found = {
        "row_starts": starts(grad_y, rows, input_size[0]),
        "column_starts": starts(grad_y, columns, input_size[1]),
    }
    launch("resize_nearest.grad_input", grad_y=lies.planes(grad_y), **found, grad_x=lies.planes(grad_x))
    return grad_x


def _tables(x: Array, rows: Blend, columns: Blend) -> dict[str, Array]:
    return {
        "rows": table(x, rows[0], np.int32),
        "row_parts": table(x, rows[2], x.dtype),
        "columns": table(x, columns[0], np.int32),
        "column_parts": table(x, columns[2], x.dtype),
    }


@launcher("resize_bilinear.forward", "resize_bilinear.forward")
def resize_bilinear_forward(x: Array, rows: Blend, columns: Blend) -> Array:
    """Each pixel a mixture of four."""
    lies = order.of_planes(x)
    y = lies.empty((*x.shape[:2], len(rows[0]), len(columns[0])), x)
    launch("resize_bilinear.forward", x=lies.planes(x), **_tables(x, rows, columns), y=lies.planes(y))
    return y


@launcher("resize_bilinear.grad_input", "resize_bilinear.grad_input", _rising)
def resize_bilinear_grad_input(grad_y: Array, rows: Blend, columns: Blend, input_size: Pair) -> Array:
    """Each of the four pixels gets its share of the gradient."""
    lies = order.of_planes(grad_y)
    grad_x = lies.empty((*grad_y.shape[:2], *input_size), grad_y)
    found = {
        "row_starts": starts(grad_y, rows[0], input_size[0]),
        "column_starts": starts(grad_y, columns[0], input_size[1]),
    }
    tables = _tables(grad_y, rows, columns)
    launch("resize_bilinear.grad_input", grad_y=lies.planes(grad_y), **tables, **found, grad_x=lies.planes(grad_x))
    return grad_x
