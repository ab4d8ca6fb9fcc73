"""Kernel calls written down once, to be run many times: what a compiled model is made of.

A kernel call does two things: it decides how to cut its work, from shapes and strides, and it computes. Where the
same shapes come again and again, the decisions can be made once. A *stage* is what is left of a call then: a
compiled function, how many tasks it has, and the integers that it reads (sizes, strides, and where arrays are)::

    for task in range(tasks):           # dealt to all threads
        loop(task, thread, words)

A whole network is a list of stages, run by a single launch: between two of them the threads wait for each other some
tenths of a microsecond, instead of being sent to sleep and woken up again.

The results of stages lie in one piece of memory, the *arena*, each in a :class:`Buffer` of it; which buffers share
a place is decided when all stages are known. So an array is a :class:`Laid`: a buffer and a place in it. A part of the
channels of a larger array is a Laid too, and so convolutions write into the concatenation of their results.

What can be computed from weights alone, as packed panels or Winograd's transform, is written down apart
(:meth:`Stages.prepare`), and computed again only when the weights have changed.

All numbers are float32. A backend's function that writes down the stages of an operation is registered by
:func:`staged`, and takes a :class:`Stages`, the Laid of the result, and the kernel's arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .arrays import Array
from .registry import active_backend

ITEMSIZE = 4  # bytes of a float32
LINE = 64  # bytes; buffers begin at a multiple


class Buffer:
    """Memory of the arena, or of an array that each run is given.

    Attributes
    ----------
    size : int
        Bytes.
    first, last : int
        The calls during which it holds something.
    offset : int
        Bytes from the beginning of the arena.
    given : bool
        It is not in the arena: each run has another array there.
    whole : bool
        It holds all images of a batch, where a stage is given some of them at a time.
    """

    whole = False

    def __init__(self, size: int, call: int, given: bool = False) -> None:
        self.size, self.first, self.last, self.offset = -(-size // LINE) * LINE, call, call, 0
        self.given = given


class Memories:
    """The arrays that buffers lie in: the arena, and one for each buffer that is given.

    Parameters
    ----------
    given : sequence of Buffer

    Attributes
    ----------
    ids : array of int64
        The ``id`` of each array, the arena's first; to be set before a run, during which they must be alive.
    """

    def __init__(self, given: Sequence[Buffer]) -> None:
        self._numbers = {id(buffer): number for number, buffer in enumerate(given, 1)}
        self.ids = np.zeros(1 + len(given), np.int64)

    def number(self, buffer: Buffer) -> int:
        """Which of the arrays a buffer lies in."""
        return self._numbers[id(buffer)] if buffer.given else 0


class Laid(NamedTuple):
    """An array that lies in a buffer.

    Attributes
    ----------
    buffer : Buffer
    start : int
        Numbers from the beginning of the buffer to the first one.
    shape : tuple of int
    strides : tuple of int
        In numbers.
    """

    buffer: Buffer
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def channels_last(self) -> bool:
        """Whether it is (N, C, H, W) and pixels lie one after another, each with these channels or with more."""
        if len(self.shape) != 4:
            return False
        _, _, h, w = self.shape
        sn, sc, sh, sw = self.strides
        return sc == 1 and sh == w * sw and sn == h * sh

    @property
    def whole(self) -> bool:
        """The same with no gaps at all."""
        return self.channels_last and self.strides[3] == self.shape[1]

    def lies_like(self, y: Laid) -> bool:
        """Whether both lie in the arena, with the same strides."""
        return not self.buffer.given and self.strides == y.strides

    def part(self, first: int, channels: int) -> Laid:
        """Some of the channels."""
        n, _, *rest = self.shape
        return Laid(self.buffer, self.start + first * self.strides[1], (n, channels, *rest), self.strides)


def pixels_of_channels(buffer: Buffer, n: int, c: int, h: int, w: int) -> Laid:
    """``(N, C, H, W)`` in channels-last memory from the beginning of a buffer."""
    return Laid(buffer, 0, (n, c, h, w), (h * w * c, 1, w * c, c))


class Distance(NamedTuple):
    """Bytes from the second array to the first; both lie in the arena."""

    to: Laid
    start: Laid


class Within(NamedTuple):
    """The address of one of the stage's own words."""

    number: int


def rows_of_numbers(buffer: Buffer, n: int, k: int) -> Laid:
    """``(N, K)`` from the beginning of a buffer."""
    return Laid(buffer, 0, (n, k), (k, 1))


Word = int | Array | Laid | Distance | Within


class Stage(NamedTuple):
    """One compiled function and the integers that it reads; an array becomes its address."""

    loop: int  # the function's address
    tasks: int
    words: tuple[Word, ...]


class Stages:
    """The stages of a list of calls, while they are written down.

    Attributes
    ----------
    call : int
        The number of the call that writes now.
    images : int
        In the whole batch of the call that writes now, which may be given a part of it at a time.
    runs : list of Stage
    preparations : dict of int to list of (Stage or callable)
        What computes from weights alone, by the calls that need it.
    buffers : list of Buffer
    scratch_buffer : Buffer
        At the beginning of the arena: what a stage needs for itself.
    store_buffer : Buffer
        What was prepared; not in the arena, for it stays from run to run.
    store_size : int
        Its bytes.
    """

    def __init__(self) -> None:
        self.call = self.images = 0
        self.runs: list[Stage] = []
        self.preparations: dict[int, list[Stage | Callable[[], None]]] = {}
        self.buffers: list[Buffer] = []
        self.scratch_buffer = Buffer(0, 0)
        self.store_size = 0
        self.store_buffer = Buffer(0, 0, given=True)

    def run(self, loop: int, tasks: int, *words: Word) -> None:
        """Write a stage down."""
        self.runs.append(Stage(loop, tasks, words))

    def prepare(self, loop: int, tasks: int, *words: Word) -> None:
        """Write down a stage that reads weights only."""
        self.preparations.setdefault(self.call, []).append(Stage(loop, tasks, words))

    def prepare_by(self, function: Callable[[], None]) -> None:
        """The same in Python."""
        self.preparations.setdefault(self.call, []).append(function)

    def buffer(self, size: int) -> Buffer:
        """So many bytes of the arena, from this call on."""
        made = Buffer(size, self.call)
        self.buffers.append(made)
        return made

    def temporary(self, *shape: int) -> Laid:
        """An array (N, C, H, W) for this call alone, in channels-last memory."""
        return pixels_of_channels(self.buffer(prod(shape) * ITEMSIZE), *shape)  # type: ignore[call-arg]

    def scratch(self, size: int) -> Laid:
        """So many bytes for the stages of this call, which next ones use again."""
        buffer = self.scratch_buffer
        buffer.size = max(buffer.size, -(-size // LINE) * LINE)
        return Laid(buffer, 0, (), ())

    def store(self, size: int) -> Laid:
        """So many bytes for what is prepared from weights; all such memory is one piece."""
        start = self.store_size
        self.store_size += -(-size // LINE) * LINE
        return Laid(self.store_buffer, start // ITEMSIZE, (), ())

    def lay_out(self) -> int:
        """Give each buffer a place that no other one has at the same time; the size of the arena.

        Each is put into the lowest gap between those that live at its time, the first ones first.
        """
        alive: list[Buffer] = []
        for buffer in sorted(self.buffers, key=lambda b: (b.first, -b.size)):
            alive = [b for b in alive if b.last >= buffer.first]
            offset = self.scratch_buffer.size
            for other in sorted(alive, key=lambda b: b.offset):
                if other.offset + other.size <= offset:
                    continue
                if offset + buffer.size <= other.offset:
                    break
                offset = other.offset + other.size
            buffer.offset = offset
            alive.append(buffer)
        return max((b.offset + b.size for b in (self.scratch_buffer, *self.buffers)), default=0)


Stager = Callable[..., bool]
_stagers: dict[tuple[str, str], Stager] = {}


def staged(operation: str, backend: str) -> Callable[[Stager], Stager]:
    """Register what writes down the stages of an operation.

    It returns whether it has: it may decline arguments, before it has written anything.
    """

    def register(function: Stager) -> Stager:
        _stagers[operation, backend] = function
        return function

    return register


def stager(operation: str) -> Stager | None:
    """What writes down the stages of an operation on the active backend; None if it cannot."""
    return _stagers.get((operation, active_backend()))


launchers: dict[str, Callable[..., Any]] = {}
"""By backends: what makes a list of stages ready to run; ``numba_cpu/staged/launch.py`` has the one there is."""


def contiguous_numbers(arrays: Sequence[Any]) -> bool:
    """Whether these are float32 arrays (or None) that can be read where they are, and no results of other calls."""
    return all(
        a is None or (isinstance(a, np.ndarray) and a.dtype == np.float32 and a.flags.c_contiguous) for a in arrays
    )
