"""What is known about tensors, kept by the memory they lie in.

A tensor is recognised by its place in memory and its shape, so that another tensor on the same memory
(``x.detach()``, the array inside a Function of one's own) is recognised too. What is known about an array is
forgotten when the array is freed, for its memory may then be given to another one.
"""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

from minicnn_kernels.arrays import address

from ..core.recording import Step
from ..core.tensor import Tensor
from ..ops.indexing import SetItem
from .follow import Sees, carried

Place = tuple[int, tuple[int, ...], tuple[int, ...]]
T = TypeVar("T")


def _owner(array: Any) -> Any:
    """The array that owns the memory a view lies in."""
    while isinstance(array.base, type(array)):
        array = array.base
    return array


def _place(t: Tensor) -> Place:
    return address(t._array), tuple(t.shape), t._array.strides


def joined(a: Sees, b: Sees) -> Sees:
    """What two tensors see together."""
    return {**a, **b, **{axis: a[axis].joined(b[axis]) for axis in a.keys() & b.keys()}}


class Notes(Generic[T]):
    """A note on each tensor that is alive, by its place in memory."""

    def __init__(self) -> None:
        self._notes: dict[int, dict[Place, T]] = {}  # by owner
        self._alive: dict[int, weakref.ref[Any]] = {}

    def put(self, t: Tensor, note: T) -> None:
        """Write down what is known about a tensor."""
        owner = _owner(t._array)
        key = id(owner)
        if key not in self._notes:
            self._notes[key] = {}
            self._alive[key] = weakref.ref(owner, lambda _: self._forget(key))
        self._notes[key][_place(t)] = note

    def _forget(self, key: int) -> None:
        del self._notes[key], self._alive[key]

    def on_memory_of(self, t: Tensor) -> dict[Place, T]:
        """All notes on tensors that share the memory; empty, if it has not been met."""
        return self._notes.get(id(_owner(t._array)), {})

    def get(self, t: Tensor) -> T | None:
        """What is known about a tensor, if anything."""
        return self.on_memory_of(t).get(_place(t))


class Memory:
    """The fields of all tensors that are alive, and how many bytes were newly taken."""

    def __init__(self) -> None:
        self._fields: Notes[Sees] = Notes()

    def enter(self, t: Tensor, sees: Sees) -> None:
        """Write down what a tensor sees."""
        self._fields.put(t, sees)

    def knows(self, t: Tensor) -> bool:
        """Whether the memory that a tensor lies in has been met."""
        return bool(self._fields.on_memory_of(t))

    def sees(self, t: Tensor) -> Sees:
        """What a tensor sees; nothing, if it was not made from an image."""
        return self._fields.get(t) or {}

    def follow(self, step: Step) -> int:
        """Take a step into account; returns the bytes of new memory that its results take."""
        function = step.function
        given = [{} if x is None else self.sees(x) for x in step.inputs]
        if isinstance(function, SetItem) and function.whole:
            given[0] = {}  # overwritten
        sees: Sees = {}
        for which, fields in enumerate(given):
            sees = joined(sees, {axis: carried(step, which, field) for axis, field in fields.items()})
        if function.inplace:
            self._write(step.outputs[0], sees)
            return 0
        taken = 0
        for t in step.outputs:
            taken += 0 if function.is_view or self.knows(t) else t.nbytes
            self.enter(t, self.sees(t) or sees)  # known: the result of operations inside a Function of one's own
        return taken

    def _write(self, base: Tensor, sees: Sees) -> None:
        """A tensor was changed in place: views of it may now see what was written."""
        changed = sees != self.sees(base)
        self.enter(base, sees)
        on_memory = self._fields.on_memory_of(base)
        for place in on_memory.keys() - {_place(base)} if changed else ():
            on_memory[place] = joined(on_memory[place], {axis: field.merged() for axis, field in sees.items()})
