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
    Memories,
    Stages,
    launchers,
    pixels_of_channels,
    rows_of_numbers,
    stager,
)

from ..onnx.tracing import Value
from .peephole import Call
from .placing import can_be_laid, joined, may_be_same_memory, operation_of, places_in_joins
from .slicing import Slices
from .watching import Watch, changed, remember


class Plan:
    """The stages of a program.

    Parameters
    ----------
    inputs : sequence of (Value, array)
        The arguments, and arrays of the same strides as those of all runs.
    calls : sequence of Call
    tensors : dict
        By name: parameters and buffers. They must keep their arrays, see :meth:`holds`.
    folds : dict of Value to array
        Scales and shifts.
    slices : Slices, optional
        How many images each call is given at a time; all of them, if that is not said.
    """

    def __init__(
        self,
        inputs: Sequence[tuple[Value, Any]],
        calls: Sequence[Call],
        outputs: Sequence[Value],
        tensors: dict[str, Any],
        folds: dict[Value, Any],
        slices: Slices | None = None,
    ) -> None:
        self.slices = slices or Slices.of_all(calls, outputs)
        self.calls, self.tensors, self.folds = calls, tensors, folds
        self.strides = [array.strides for _, array in inputs]
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
            buffer.whole = True
            whole_numbers = all(s % ITEMSIZE == 0 for s in array.strides)
            if array.dtype == np.float32 and array.ndim == 4 and array.size and whole_numbers:
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
        """Where a result lies: those images of it that the call at work is given."""
        i = self.stages.call
        if value not in self.laid:
            if value in self.place:
                whole, first = self.place[value]
                self.laid[value] = self._place(whole).part(first, value.shape[1])
            else:
                whole_batch = value in self.slices.kept
                n = value.shape[0] if whole_batch else self.slices.images(i, value)
                buffer = self.stages.buffer(n * prod(value.shape[1:]) * ITEMSIZE)
                buffer.whole = whole_batch
                if whole_batch:  # other slices may still read what lay there before
                    buffer.first = self.slices.segment(i)[0]
                lie = pixels_of_channels if len(value.shape) == 4 else rows_of_numbers
                self.laid[value] = lie(buffer, *value.shape)  # type: ignore[operator]
        found = self.laid[value]
        last = self.slices.segment(i)[1] if found.buffer.whole else i
        found.buffer.last = max(found.buffer.last, last)
        return found._replace(shape=(self.slices.images(i, value), *value.shape[1:]))

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
        self.stages.images = call.outputs[0].shape[0]
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
        if not may_be_same_memory(call) or x not in self.laid or value in self.place:
            return False
        laid = self.laid[x]
        if laid.buffer.given or (value.shape != x.shape and not laid.whole):
            return False
        seen = laid if value.shape == x.shape else Laid(laid.buffer, laid.start, value.shape, (laid.strides[0], 1))
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
            by_stages = value in self.laid and not self.laid[value].buffer.given
            if by_stages and not any(value in put for put in self.put.values()):
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
        memories = Memories([self.stages.store_buffer, *self.given])
        self.ids = memories.ids
        self.parts: list[Any] = []  # launches, and numbers of foreign calls
        first = 0
        for i, end in enumerate(self.ends):
            if i in self.foreign or i == self.slices.segment(i)[1]:
                if end > first:
                    images, turns = self.slices.turns(i)
                    self.parts.append(launch(self.stages.runs[first:end], memories, images, turns))
                if i in self.foreign:
                    self.parts.append(i)
                first = end
        self.store = empty((self.stages.store_size,), np.uint8)
        self.ids[1] = id(self.store)
        self.prepared: dict[int, Any] = dict.fromkeys(self.stages.preparations)
        self.preparing = {
            i: [launch([step], memories) if isinstance(step, tuple) else step for step in steps]
            for i, steps in self.stages.preparations.items()
        }
        names = {v.name for call in self.calls for v in _all_reads(call) if v.name is not None}
        self.read = [self.tensors[name] for name in names]
        self.arrays = [t._array for t in self.read]
        self.watch: Watch | None = None
        self.arena: Any = None
        self.results: list[Any] = []  # where the outputs are in it

    def takes(self, arrays: Sequence[Any]) -> bool:
        """Whether these arguments lie in memory as those do that the stages read."""
        return [array.strides for array in arrays] == self.strides

    def current(self) -> bool:
        """Whether all that was computed from the weights still holds."""
        return self.watch is not None and not self.watch.over

    def holds(self) -> bool:
        """Whether the weights are in the memory that the stages read."""
        return all(t._array is array for t, array in zip(self.read, self.arrays, strict=True))

    @np.errstate(all="ignore")
    def prepare(self) -> None:
        """Compute from the weights what has not been, or from other numbers."""
        watch = Watch(self.read)  # before they are read: who writes meanwhile is noticed by the next call
        for i, before in self.prepared.items():
            if before is None or changed(before):
                self.prepared[i], now = None, remember(self.sources[i])
                for step in self.preparing[i]:
                    step()
                self.prepared[i] = now
        self.watch = watch

    def run(self, arrays: Sequence[Any], foreign: Any = None) -> Any:
        """All calls; the outputs, if these are all results of stages.

        Else ``foreign(i, fetched)`` runs a call that has no stages, and returns its results.
        """
        arena = self.arena
        if arena is None:
            arena = empty((self.size,), np.uint8)
            self.ids[0] = id(arena)
            self.results = [self.seen(value, arena) for value in self.outputs]
            self.arena = arena
        for i, array in enumerate(arrays, 2):
            self.ids[i] = id(array)
        for part in self.parts:
            if isinstance(part, int):
                results = foreign(part, {value: self.seen(value, arena) for value in self.fetch.get(part, ())})
                for value in self.put.get(part, ()):
                    np.copyto(self.seen(value, arena), results[value])
            else:
                part()
        return [result.copy(order="K") for result in self.results]

    def seen(self, value: Value, arena: Any) -> Any:
        """The array of a result in the arena."""
        laid = self.laid[value]._replace(shape=value.shape)
        start = laid.buffer.offset + laid.start * ITEMSIZE
        return np.ndarray(laid.shape, np.float32, arena, start, [s * ITEMSIZE for s in laid.strides])

    def rest(self) -> None:
        """Give the memory of the results back."""
        self.arena, self.results = None, []


def _all_reads(call: Call) -> list[Value]:
    fold = () if call.fold is None else call.fold.sources
    return [v for v in (*call.reads(), *fold) if v is not None]
