"""Seeing the kernels that run: which operation, on what, by which kernel, with what result, in what time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import registry
from .arrays import Array, address, on_device

MANY = 9  # more arrays are a list of parameters


class Call(NamedTuple):
    """One kernel call that was seen."""

    operation: str
    kernel: registry.Kernel
    arguments: tuple[Any, ...]
    result: Any
    seconds: float

    @property
    def moved(self) -> int:
        """Bytes of all arrays that were read and written; memory that was changed in place counts once."""
        return sum({address(a): a.nbytes for a in arrays((self.arguments, self.result))}.values())

    def describe(self) -> tuple[str, float]:
        """What the call works on, and its floating-point operations (0 where memory is what counts)."""
        return describe(self.operation, self.arguments, self.result)


@contextmanager
def watch(record: Callable[[Call], object], clock: Callable[[], float] = time.perf_counter) -> Iterator[None]:
    """Let ``record`` see every kernel call of the process, but no call inside a call.

    The registry gives each kernel to its caller; inside this block it gives a kernel that is timed and reported. A
    GPU computes after the call has returned: there, ``clock`` must wait for it before it tells the time.

    Examples
    --------
    >>> import numpy as np
    >>> from minicnn_kernels import call, use_backend
    >>> seen = []
    >>> with use_backend("numpy"), watch(seen.append):
    ...     y = call("relu.forward", np.array([-1.0, 2.0]))
    >>> seen[0].operation, seen[0].kernel.backend, seen[0].result
    ('relu.forward', 'numpy', array([0., 2.]))
    """
    select, inside = registry.select, False

    def seen(operation: str, arguments: tuple[Any, ...]) -> tuple[registry.Kernel, str]:
        found, why = select(operation, arguments)

        def function(*arguments: Any) -> Any:
            nonlocal inside
            if inside:
                return found.function(*arguments)
            inside = True
            before = clock()
            try:
                result = found.function(*arguments)
            finally:
                inside = False
            record(Call(operation, found, arguments, result, clock() - before))
            return result

        return dataclasses.replace(found, function=function), why

    registry.select = seen
    try:
        yield
    finally:
        registry.select = select


def arrays(values: Any) -> list[Array]:
    """The arrays among arguments or results, however they are nested."""
    if isinstance(values, np.ndarray) or on_device(values):
        return [values]
    return [array for value in values for array in arrays(value)] if isinstance(values, (tuple, list)) else []


def describe(operation: str, arguments: tuple[Any, ...], result: Any) -> tuple[str, float]:
    """What a call works on, and its floating-point operations: two per multiply-add, 0 where memory is what counts."""
    shapes = [a.shape for a in arrays(arguments)]
    if operation in _FILTERS:
        w_shape, y_shape = _FILTERS[operation](arguments, result)
        window, groups = next((a, b) for a, b in pairwise(arguments) if hasattr(a, "stride"))
        return _convolution(w_shape, y_shape, window, groups), 2.0 * prod(y_shape) * prod(w_shape[1:])
    if operation == "matmul":
        a, b = shapes[0], shapes[1]
        return " @ ".join("x".join(map(str, shape)) for shape in (a, b)), 2.0 * prod(result.shape) * a[-1]
    return "x".join(map(str, max(shapes, key=prod))) if len(shapes) < MANY else f"{len(shapes)} arrays", 0.0


_FILTERS: dict[str, Callable[[tuple[Any, ...], Any], tuple[Any, Any]]] = {  # shapes of w and y
    "conv2d.forward": lambda arguments, y: (arguments[1].shape, y.shape),
    "conv2d.grad_input": lambda arguments, _: (arguments[1].shape, arguments[0].shape),
    "conv2d.grad_weight": lambda arguments, grad_w: (grad_w.shape, arguments[0].shape),
    "conv2d.forward_normalized": lambda arguments, y: (arguments[1].shape, y.shape),
    "conv2d.grad_input_normalized": lambda arguments, _: (arguments[1].shape, arguments[0].shape),
    "conv2d.grad_weight_normalized": lambda arguments, grad_w: (grad_w.shape, arguments[0].shape),
}


def _convolution(w: tuple[int, ...], y: tuple[int, ...], window: Any, groups: int) -> str:
    text = f"{w[2]}x{w[3]} {w[1] * groups}->{w[0]} at {window.input_size[0]}x{window.input_size[1]}"
    if window.stride != (1, 1):
        text += f" /{window.stride[0]}"
    return text + (f", {groups} groups" if groups > 1 else "")
