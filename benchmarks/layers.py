"""Where a training step, or inference, spends its time: every kernel call, beside what the machine could do at best.

The registry gives each kernel to its caller; here it gives a kernel that is timed. Calls of the same operation on the
same shapes are one row. Its *limit* is the time that the machine needs at least, by its measured peaks (the
*roofline*: Williams, Waterman & Patterson, 2009)::

    limit = max(floating-point operations / peak FLOP/s, bytes of all arrays / peak bytes/s)

and the row's share is limit / time. Operations are those of the definition, two per multiply-add: Winograd's
convolution needs fewer, so its share may exceed 100 %. So may that of arrays which are still in a cache.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from minicnn_kernels import registry

from .networks import Network
from .sides import Inference, Training


@dataclasses.dataclass
class Row:
    """Calls of one operation on the same shapes; seconds of all of them in one step."""

    operation: str
    what: str
    calls: float
    seconds: float
    flops: float
    moved: float  # bytes


@dataclasses.dataclass(frozen=True)
class Profile:
    """Rows in the order of their first call; ``step`` is the whole step's time."""

    name: str
    rows: list[Row]
    step: float


def arrays(value: Any) -> Iterator[np.ndarray]:
    """All arrays in an argument or a result."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays(part)


def describe(operation: str, arguments: tuple[Any, ...], result: Any) -> tuple[str, float]:
    """What a call works on, and its floating-point operations (0 where memory is what counts)."""
    shapes = [a.shape for a in arrays(arguments)]
    if operation in _FILTERS:
        w_shape, y_shape = _FILTERS[operation](arguments, result)
        window, groups = next((a, b) for a, b in pairwise(arguments) if hasattr(a, "stride"))
        return _convolution(w_shape, y_shape, window, groups), 2.0 * prod(y_shape) * prod(w_shape[1:])
    if operation == "matmul":
        a, b = shapes[0], shapes[1]
        return " @ ".join("x".join(map(str, shape)) for shape in (a, b)), 2.0 * prod(result.shape) * a[-1]
    return "x".join(map(str, max(shapes, key=prod))) if len(shapes) < _MANY else f"{len(shapes)} arrays", 0.0


_MANY = 9  # more arrays are a list of parameters
_FILTERS: dict[str, Callable[[tuple[Any, ...], Any], tuple[Any, Any]]] = {  # shapes of w and y
    "conv2d.forward": lambda arguments, y: (arguments[1].shape, y.shape),
    "conv2d.grad_input": lambda arguments, _: (arguments[1].shape, arguments[0].shape),
    "conv2d.grad_weight": lambda arguments, grad_w: (grad_w.shape, arguments[0].shape),
}


def _convolution(w: tuple[int, ...], y: tuple[int, ...], window: Any, groups: int) -> str:
    text = f"{w[2]}x{w[3]} {w[1] * groups}->{w[0]} at {window.input_size[0]}x{window.input_size[1]}"
    if window.stride != (1, 1):
        text += f" /{window.stride[0]}"
    return text + (f", {groups} groups" if groups > 1 else "")


@contextmanager
def timed_kernels(record: Callable[[str, tuple[Any, ...], Any, float], None]) -> Iterator[None]:
    """Let ``record`` see every kernel call: operation, arguments, result, seconds; but no call inside a call."""
    select, inside = registry.select, False

    def timed(operation: str, arguments: tuple[Any, ...]) -> tuple[Any, str]:
        found, why = select(operation, arguments)

        def function(*arguments: Any) -> Any:
            nonlocal inside
            if inside:
                return found.function(*arguments)
            inside = True
            before = time.perf_counter()
            try:
                result = found.function(*arguments)
            finally:
                inside = False
            record(operation, arguments, result, time.perf_counter() - before)
            return result

        return dataclasses.replace(found, function=function), why

    registry.select = timed
    try:
        yield
    finally:
        registry.select = select


class Profiled:
    """One network in a process of its own, with its kernels timed: a training step, or inference with a batch."""

    def __init__(self, network: Network, folder: Path, threads: int, inference: int | None = None) -> None:
        self.step: Callable[[], object]
        if inference is None:
            self.name = f"{network.name}, training step, batch {network.batch}"
            self.step = Training(network, folder, threads, "minicnn")
        else:
            self.name = f"{network.name}, inference, batch {inference}"
            self.step = Inference(network, folder, threads, inference, "minicnn")

    def profile(self, steps: int) -> Profile:
        """The median of each call's seconds over several steps, and of others in which nothing is written down."""
        self.step()
        whole, all_calls = [], []
        for _ in range(steps):
            calls: list[tuple[str, str, float, float, float]] = []

            def record(operation: str, arguments: tuple[Any, ...], result: Any, seconds: float) -> None:
                what, flops = describe(operation, arguments, result)
                moved = {a.ctypes.data: a.nbytes for a in arrays((arguments, result))}  # in place: once
                calls.append((operation, what, seconds, flops, float(sum(moved.values()))))  # noqa: B023

            with timed_kernels(record):
                self.step()
            all_calls.append(calls)
            before = time.perf_counter()
            self.step()
            whole.append(time.perf_counter() - before)
        return Profile(self.name, gather(all_calls), float(np.median(whole)))


def gather(all_calls: list[list[tuple[str, str, float, float, float]]]) -> list[Row]:
    """Median over the steps of each row's sum over its calls."""
    rows: dict[tuple[str, str], Row] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    for number, calls in enumerate(all_calls):
        for operation, what, spent, flops, moved in calls:
            key = operation, what
            row = rows.setdefault(key, Row(operation, what, 0, 0.0, 0.0, 0.0))
            row.calls, row.flops, row.moved = row.calls + 1, row.flops + flops, row.moved + moved
            seconds.setdefault(key, [0.0] * len(all_calls))[number] += spent
    for key, row in rows.items():
        row.calls, row.flops, row.moved = (v / len(all_calls) for v in (row.calls, row.flops, row.moved))
        row.seconds = float(np.median(seconds[key]))
    return list(rows.values())
