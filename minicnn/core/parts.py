"""What a tensor is made of besides its array: a shape, an edge to its history, a version count, hooks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .function import Function
    from .tensor import Tensor


def remember_names(kind: type[Any], names: Iterable[str]) -> None:
    """Let Python know what attributes the instances of a class may get, so that they need no dictionary each.

    Up to 3.12 it keeps their values in a row, in an order that all instances share, but only those whose names one of
    the first thirty instances had. (A dictionary more for each piece of memory and each node of a graph, which the
    garbage collector goes through; a network that has predicted before it is trained had them.)
    """
    with suppress(TypeError, AttributeError):  # a class that does not allow that goes without
        first = object.__new__(kind)  # not as the class itself may have it: it may ask for arguments
        for name in names:
            object.__setattr__(first, name, None)


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple that prints as PyTorch's and can count its elements."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements of a tensor of this shape."""
        return prod(self)

    def __getitem__(self, key: Any) -> Any:
        item = tuple.__getitem__(self, key)
        return Size(item) if isinstance(key, slice) else item

    def __repr__(self) -> str:
        return f"minicnn.Size({list(self)})"


class Edge(NamedTuple):
    """Where the gradient of one input goes: output ``index`` of ``node``, or a leaf's ``.grad``."""

    node: Function | None
    index: int  # type: ignore[assignment]
    leaf: Tensor | None


class AccumulateGrad:
    """The end of a path in the graph that ``next_functions`` shows: adds to the ``.grad`` of ``variable``, a leaf."""

    next_functions: tuple[Any, ...] = ()

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def name(self) -> str:
        """PyTorch's name for it."""
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


class Versions:
    """Counts the changes in place of one piece of memory; shared by all tensors on it.

    Attributes
    ----------
    count : int
    shares : Versions, optional
        Of tensors on the same memory that count for themselves, as ``x.data`` does.
    exposed : bool
        The memory was handed in or out as a NumPy array or an address, and can be changed unseen.
    address_known : bool
        It was an address, so nobody can tell when it has been forgotten.
    writes : int
        How often the memory may have been changed, by any tensor on it.
    derived : tuple, optional
        What was computed from these numbers and others, with what tells whether it still holds.
    """

    count = 0
    writes = 0
    derived: Any = None
    shares: Versions | None = None
    exposed = False
    address_known = False
    _readers: list[Any] | None = None  # see add_reader

    @property
    def memory(self) -> Versions:
        """The one for all tensors on this memory, counting for themselves or not: it knows the readers."""
        found = self
        while found.shares is not None:
            found = found.shares
        return found

    def share(self, other: Versions) -> None:
        """From now on the tensors of this count lie in the memory of ``other``'s."""
        if (memory := other.memory) is not self.memory:
            self.before_change()
            self.shares = memory

    def add_reader(self, reader: Any) -> None:
        """Call ``array()`` of a reader (a weak reference), once, before this memory changes.

        A reader is a result that waits to be computed from it, or whoever has computed something and wants to know.
        """
        readers = self._readers
        if readers is None:
            readers = self._readers = []
        elif len(readers) >= 16 and not len(readers) & (len(readers) - 1):  # sometimes: at 16, 32, 64 ...
            readers[:] = [r for r in readers if r() is not None]
        readers.append(reader)

    def before_change(self) -> None:
        """Tell the readers: what still waits to read this memory is computed, for its numbers are about to change."""
        memory = self if self.shares is None else self.memory
        memory.writes += 1
        if memory._readers:
            readers, memory._readers = memory._readers, None
            for reader in readers:
                if (found := reader()) is not None:
                    found.array()


remember_names(Versions, ("count", "writes", "derived", "shares", "exposed", "address_known", "_readers"))


_hook_ids = itertools.count()


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook out again."""

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self._hooks, self.id = hooks, next(_hook_ids)
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook out; a second time does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
