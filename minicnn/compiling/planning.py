"""Calls as stages: all decisions of the kernels made once, results in one arena, and a single launch for many calls.

``minicnn_kernels.stages`` tells what a stage is. Here is decided where each result lies:

- results that are needed at different times share memory;
- what is concatenated along the channels is written where the concatenation lies, by those who compute it, so that
  joining costs nothing. From the last concatenation to the first: in a DenseNet each one is then the beginning of the
  next, and they are all one array.

Calls that no stage is known for run as always, between two launches.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from minicnn_kernels.epilogue import NONE, Epilogue
from minicnn_kernels.memory import empty
from minicnn_kernels.registry import active_backend
from minicnn_kernels.stages import (
    ITEMSIZE,
    Buffer,
    Laid,
    Stages,
    launchers,
    pixels_of_channels,
    rows_of_numbers,
    stager,
)

from ..onnx.tracing import Value
from ..ops.activations import BOUNDS, Rectifier
from ..ops.joining import Cat
from ..ops.linalg import Linear
from ..ops.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from ..ops.shaping import Reshape
from .peephole import Call
from .watching import changed, remember

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


class Plan:
    """The stages of a program.

    Parameters
    ----------
    inputs : sequence of (Value, array)
        The arguments, and arrays of the same strides as those of all runs.
    calls : sequence of Call
    tensors : dict
        By name: parameters and buffers. They must keep their arrays, see :meth:`holds`.
    folds : dict of Value to Folded
        By the values of their scales and shifts.
    """

    def __init__(
        self,
        inputs: Sequence[tuple[Value, Any]],
        calls: Sequence[Call],
        outputs: Sequence[Value],
        tensors: dict[str, Any],
        folds: dict[Value, Any],
    ) -> None:
        self.calls, self.tensors, self.folds = calls, tensors, folds
        self.place = places_in_joins(calls)
        self.stages = Stages()
        self.laid: dict[Value, Laid] = {}
        self.given: list[Buffer] = []
        self.sources: dict[int, list[Any]] = {}  # tensors that preparations read, by calls
        self.foreign: set[int] = set()
        self.put: dict[int, list[Value]] = {}  # results of a foreign call that stages read
        self.fetch: dict[int, list[Value]] = {}  # results of stages that a foreign call reads
        for value, array in inputs:
            buffer = Buffer(0, 0, given=True)
            self.given.append(buffer)
            if array.dtype == np.float32 and array.ndim == 4 and array.size:
                self.laid[value] = Laid(buffer, 0, array.shape, tuple(s // ITEMSIZE for s in array.strides))
        self.ends: list[int] = []  # how many stages are written down after each call
        for i, call in enumerate(calls):
            self.stages.call = i
            if not self._staged(call):
                self._foreign(i, call)
            self.ends.append(len(self.stages.runs))
        for value in outputs:
            self._keep(value)
        self.outputs = [v for v in outputs if v in self.laid and not self.laid[v].buffer.given]
        self.complete = not self.foreign and len(self.outputs) == len(outputs)  # all results are those of stages
        self._finish()

    def __len__(self) -> int:
        return len(self.calls) - len(self.foreign)

    def _place(self, value: Value) -> Laid:
        """Where a result lies."""
        if value not in self.laid:
            if value in self.place:
                whole, first = self.place[value]
                self.laid[value] = self._place(whole).part(first, value.shape[1])
            else:
                buffer = self.stages.buffer(prod(value.shape) * ITEMSIZE)
                lie = pixels_of_channels if len(value.shape) == 4 else rows_of_numbers
                self.laid[value] = lie(buffer, *value.shape)  # type: ignore[operator]
        found = self.laid[value]
        found.buffer.last = max(found.buffer.last, self.stages.call)
        return found

    def _argument(self, argument: Any) -> Any:
        """What a stager is given: for a result where it lies, for a constant or a parameter its array."""
        if not isinstance(argument, Value):
            return argument
        if argument in self.folds:
            return self.folds[argument]
        if argument.name is not None:
            return self.tensors[argument.name]._array
        if argument.array is not None:
            return argument.array
        return self._place(argument) if argument in self.laid else argument

    def _staged(self, call: Call) -> bool:
        if len(call.outputs) != 1 or not can_be_laid(call.outputs[0]):
            return False
        if joined(call):
            return self._joined(call)
        if self._is_same_memory(call):
            return True
        found = operation_of(call)
        write = None if found is None else stager(found[0])
        if found is None or write is None:
            return False
        arguments = [self._argument(a) for a in found[1]]
        if call.fold is not None or call.residual is not None or (call.low, call.high) != (NONE.low, NONE.high):
            scale = None if call.fold is None else self.folds[call.fold.scale]
            residual = None if call.residual is None else self._argument(call.residual)
            arguments.append(Epilogue(scale, residual, call.low, call.high))
        if not write(self.stages, self._place(call.outputs[0]), *arguments):
            return False
        if self.stages.call in self.stages.preparations:
            names = [v.name for v in call.reads() if v.name is not None]
            sources = [self.tensors[name] for name in names]
            if call.fold is not None:
                sources += [self.tensors[v.name] for v in call.fold.sources if v is not None and v.name is not None]
            self.sources[self.stages.call] = sources
        return True

    def _is_same_memory(self, call: Call) -> bool:
        """Whether the result is the argument, seen with another shape."""
        value, (x, *_) = call.outputs[0], call.arguments
        if not isinstance(call.made_of, (Reshape, AdaptiveAvgPool2d)) or x not in self.laid or value in self.place:
            return False
        laid = self.laid[x]
        if value.shape == x.shape:
            seen = laid
        elif len(value.shape) == 2 and x.shape[2:] == (1, 1) and laid.whole:
            seen = rows_of_numbers(laid.buffer, *value.shape)._replace(start=laid.start)
        else:
            return False
        if laid.buffer.given:
            return False
        self.laid[value] = seen
        self._place(x)
        return True

    def _joined(self, call: Call) -> bool:
        """Copy those parts into a concatenation that are not there already."""
        copy = stager("copy")
        whole = self._place(call.outputs[0])
        if copy is None or any(v not in self.laid for v in call.arguments):
            return False
        start = 0
        for v in call.arguments:
            there, part = self._place(v), whole.part(start, v.shape[1])
            if there != part:
                copy(self.stages, part, there)
            start += v.shape[1]
        return True

    def _foreign(self, i: int, call: Call) -> None:
        self.foreign.add(i)
        for value in call.reads():
            self._keep(value)
            if value in self.laid and not self.laid[value].buffer.given:
                self.fetch.setdefault(i, []).append(value)
        read = {v for later in self.calls[i + 1 :] if operation_of(later) or joined(later) for v in later.reads()}
        for value in call.outputs:
            if can_be_laid(value) and value in read:
                self._place(value)
                self.put.setdefault(i, []).append(value)
            else:
                self.laid.pop(value, None)

    def _keep(self, value: Value) -> None:
        """Others may see this memory until the end: views of it."""
        if value in self.laid:
            self.laid[value].buffer.last = len(self.calls)

    def _finish(self) -> None:
        """Make launches of the stages between two foreign calls."""
        self.size = self.stages.lay_out()
        launch = launchers[active_backend()]
        self.parts: list[Any] = []  # launches, and numbers of foreign calls
        first = 0
        for i, end in enumerate(self.ends):
            if i in self.foreign:
                if end > first:
                    self.parts.append(launch(self.stages.runs[first:end]))
                self.parts.append(i)
                first = end
        if len(self.stages.runs) > first:
            self.parts.append(launch(self.stages.runs[first:]))
        self.launches = [part for part in self.parts if not isinstance(part, int)]
        self.address = -1
        self.prepared: dict[int, Any] = dict.fromkeys(self.stages.preparations)
        self.preparing = {
            i: [launch([step]) if isinstance(step, tuple) else step for step in steps]
            for i, steps in self.stages.preparations.items()
        }
        names = {v.name for call in self.calls for v in _all_reads(call) if v.name is not None}
        self.read = [self.tensors[name] for name in names]
        self.arrays = [t._array for t in self.read]
        self.known: list[Any] | None = None

    def current(self) -> bool:
        """Whether all that was computed from the weights still holds."""
        return self.known is not None and not changed(self.known)

    def holds(self) -> bool:
        """Whether the weights are in the memory that the stages read."""
        return all(t._array is array for t, array in zip(self.read, self.arrays, strict=True))

    def prepare(self) -> None:
        """Compute from the weights what has not been, or from other numbers."""
        self.known = remember(self.read)
        for i, known in self.prepared.items():
            if known is None or changed(known):
                self.prepared[i] = remember(self.sources[i])
                for step in self.preparing[i]:
                    step()

    def run(self, arrays: Sequence[Any], foreign: Any) -> Any:
        """All calls. ``foreign(i, fetched)`` runs one that has no stages, and returns its results."""
        arena = empty((self.size,), np.uint8)
        address = arena.ctypes.data
        if address != self.address:
            self.address = address
            for launch in self.launches:
                launch.lie_in_arena(address)
        for buffer, array in zip(self.given, arrays, strict=True):
            place = array.__array_interface__["data"][0]
            for launch in self.launches:
                launch.lie_at(buffer, place)

        def seen(value: Value) -> Any:
            laid = self.laid[value]
            start = laid.buffer.offset + laid.start * ITEMSIZE
            return np.ndarray(laid.shape, np.float32, arena, start, [s * ITEMSIZE for s in laid.strides])

        for part in self.parts:
            if isinstance(part, int):
                results = foreign(part, {value: seen(value) for value in self.fetch.get(part, ())})
                for value in self.put.get(part, ()):
                    np.copyto(seen(value), results[value])
            else:
                part()
        return arena, {value: seen(value) for value in self.outputs}


def _all_reads(call: Call) -> list[Value]:
    fold = () if call.fold is None else call.fold.sources
    return [v for v in (*call.reads(), *fold) if v is not None]
