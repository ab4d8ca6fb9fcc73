"""A pool of memory for large arrays, because fresh memory is slow.

The operating system hands out memory by the page (4 KiB), and each page only when it is first touched: it stops the
program, finds a page, fills it with zeros and goes on. Writing a fresh array of 1 MiB so takes up to 20 times
as long as writing it again. A network allocates the same sizes in every step; so what one step gives back, the next
one takes, and after the first step there are no new pages.

How an array finds its way back. ``empty`` returns an ordinary array, whose ``base`` is an *owner*, whose base is the
block of memory. Views of the array, views of these, buffers and the arrays of other libraries on it all keep
the array alive, and it keeps the owner. When the last of them is gone the owner is destroyed, and gives the block back.

- Sizes are rounded up to one of 8 classes between a power of two and the next, so that an idle block fits every
  request of its class. Before a new block is made, an idle one may serve that is up to a quarter larger.
- In use and idle together are at most ``KEEP`` times what was in use at the worst moment, but no more than ``SPARE``
  bytes beyond that, and ``LEAST`` bytes in any case: the blocks that have been idle for longest go back to the
  operating system first; but before one goes for a new one, a larger idle one is cut in two, which become one again
  when both are idle. ``empty_cache`` returns all idle ones. (If a tenth were kept, training MobileNetV2 would take new
  memory in every step, and a fifth more time. Of one image through it, which has arrays of 26 sizes, fresh memory took
  more than half of the time. When larger blocks served whole, VGG-16 held 0.36 GB of unused ends.)
- Nobody ever waits. An owner may be destroyed at any point of any thread (the garbage collector decides), even
  inside of the pool: it only appends the block to a list, which the next allocation puts away. An allocation
  that finds another one in the pool takes memory that is not pooled.

Every array from here starts at a multiple of 16 bytes (64 if it is large), and at least ``SLACK`` bytes behind its last
element may be read and written, whatever they contain: a vector instruction may go past the end of a row.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import threading
from collections import defaultdict, deque
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from .arrays import Array, on_device

LARGE = 2**14  # bytes; smaller arrays are not pooled: the C library has their pages at hand
SLACK = 256  # bytes behind an array: four of the widest vectors
FIT = 1.25  # how much larger than needed a block may be, before a new one is made
KEEP = 1.5  # in use and idle together, as a share of that peak (with 1.1 MobileNetV2 trains a fifth slower),
SPARE = 3 * 2**27  # and bytes beyond that peak at most: VGG-16 and ResNet-50 take no new memory with so many
STRETCH = 32  # times an array is the most that is cut for it, and stays while a part is in use (16: too few for VGG-16)
LEAST = 2**28  # bytes that may be kept in any case: a small network's arrays of all sizes
PAGE = 2**12
HUGE = 2**22  # from here on the system is asked for pages of 2 MiB, as NumPy does: fewer stops (measured: 5 to 8 times)


def size_class(size: int) -> int:
    """Bytes of the block for an array of ``size`` bytes: whole eighths of a power of two.

    Examples
    --------
    >>> size_class(2**20 - SLACK), size_class(2**20) == 2**20 + 2**17
    (1048576, True)
    """
    size += SLACK
    unit = 1 << (size.bit_length() - 4)
    if unit < PAGE:
        unit = PAGE
    return -(-size // unit) * unit


class _Block:
    """Memory from the operating system, which gets it back when this object is destroyed; or a part of such a block.

    Attributes
    ----------
    start, size : int
        Bytes of ``memory``.
    whole : _Block or None
        What this is a part of.
    root : int
        Bytes from the system that this is a part of, or a part of a part.
    other : _Block or None
        The other part.
    stored : int
        When it became idle, as a running number.
    """

    __slots__ = ("memory", "other", "root", "size", "start", "stored", "whole")

    def __init__(self, size: int, whole: _Block | None = None, start: int = 0) -> None:
        self.size, self.start, self.stored = size, start, 0
        self.whole = whole
        self.root: int = size if whole is None else whole.root
        self.other: _Block | None = None
        self.memory: Any = self._from_system(size) if whole is None else whole.memory

    @staticmethod
    def _from_system(size: int) -> mmap.mmap:
        if hasattr(mmap, "MAP_PRIVATE"):  # else a forked process would share the memory with its parent
            memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        else:
            memory = mmap.mmap(-1, size)
        if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a kernel without huge pages
                memory.madvise(mmap.MADV_HUGEPAGE)
        return memory

    def cut(self, size: int) -> tuple[_Block, _Block]:
        """Two parts, the first of this size."""
        first = _Block(size, self, self.start)
        second = _Block(self.size - size, self, self.start + size)
        first.other, second.other = second, first
        return first, second


class MemoryStats(NamedTuple):
    """What :func:`memory_stats` returns.

    Attributes
    ----------
    in_use, idle : int
        Bytes of the blocks that hold arrays, and bytes kept for the next ones.
    peak : int
        The most that was in use since the start, or since :func:`empty_cache`.
    hits, misses : int
        How many arrays got an idle block, and for how many one had to be made.
    """

    in_use: int
    idle: int
    peak: int
    hits: int
    misses: int


class _Pool:
    """Idle blocks by size, and the count of all."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.returned: deque[_Block] = deque()  # by owners; not put away yet
        self.idle: defaultdict[int, deque[_Block]] = defaultdict(deque)  # by size; the oldest on the left
        self.total = 0  # bytes in use and idle
        self.in_use = 0
        self.peak = 0
        self.requests = 0
        self.misses = 0

    def take(self, size: int) -> _Block | None:
        """A block of this size, or None if the pool is busy: nobody waits for it."""
        if not self.turn.acquire(False):
            return None
        try:
            if self.returned:
                self.put_away()
            self.requests += 1
            blocks = self.idle[size]  # the one used last may still be in the processor's cache
            block = blocks.pop() if blocks else self.larger(size, FIT * size) or self.make(size)
            self.in_use += block.size
            if self.in_use > self.peak:
                self.peak = self.in_use
            return block
        finally:
            self.turn.release()

    def larger(self, size: int, most: float) -> _Block | None:
        """An idle block that is somewhat too large."""
        fitting = [other for other, blocks in self.idle.items() if blocks and size < other <= most]
        return self.idle[min(fitting)].pop() if fitting else None

    def part(self, size: int) -> _Block | None:
        """A part of an idle block that is not too large; the rest of it stays idle."""
        fitting = [b for n, blocks in self.idle.items() if n > size for b in blocks if b.root <= STRETCH * size]
        if not fitting:
            return None
        block = min(fitting, key=lambda b: b.size)
        self.idle[block.size].remove(block)
        part, rest = block.cut(size)
        self.keep(rest)
        return part

    def make(self, size: int) -> _Block:
        """A new block; but where that would mean to give up others, a part of a larger one if there is.

        If memory is short, all idle ones are given up.
        """
        peak = max(self.peak, self.in_use + size)
        most = max(min(int(KEEP * peak), peak + SPARE), LEAST)
        if self.total + size > most and (block := self.part(size)):
            return block
        self.misses += 1
        for limit in (most, 0):
            self.shrink(limit - size)
            try:
                block = _Block(size)
            except (OSError, ValueError, OverflowError):  # no memory, or an absurd size
                continue
            self.total += size
            return block
        raise MemoryError(f"cannot allocate an array of {size / 2**30:,.2f} GiB: there is not so much memory")

    def put_away(self) -> None:
        """Make the returned blocks idle ones."""
        returned, idle = self.returned, self.idle
        while returned:
            block = returned.popleft()
            self.in_use -= block.size
            while (other := block.other) is not None and other in idle[other.size]:
                idle[other.size].remove(other)
                block.other = other.other = None  # no circle that would wait for the garbage collector
                block = block.whole  # type: ignore[assignment]  # a part has one
            self.keep(block)

    def keep(self, block: _Block) -> None:
        """Make a block an idle one."""
        block.stored = self.requests
        self.idle[block.size].append(block)

    def shrink(self, most: int) -> None:
        """Destroy the blocks that have been idle for longest, until there are at most so many bytes in all."""
        while self.total > most:
            whole = (block for blocks in self.idle.values() for block in blocks if block.whole is None)
            if (oldest := min(whole, key=lambda block: block.stored, default=None)) is None:
                break
            self.idle[oldest.size].remove(oldest)
            self.total -= oldest.size
            del oldest

    def tidy(self, release: bool = False) -> None:
        """Put returned blocks away, and destroy the idle ones if asked to; nothing if the pool is busy."""
        if self.turn.acquire(False):
            try:
                self.put_away()
                if release:
                    self.shrink(0)
                    self.peak = self.in_use  # what is kept follows the use from now on
            finally:
                self.turn.release()


_pool = _Pool()


def _after_fork() -> None:
    """In a forked process: another thread of the parent may have been in the pool, and will never come out."""
    _pool.turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Owner(np.ndarray):
    """Holds a block for one array and its views."""

    __slots__ = ("block",)
    block: _Block

    def __del__(self, give_back: Any = _pool.returned.append) -> None:
        try:
            block = self.block
        except AttributeError:  # a view of an owner, such as a.base[2:]
            return
        give_back(block)


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array with arbitrary contents, as ``np.empty`` does, from the pool if it is large.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype

    Examples
    --------
    >>> a = empty((256, 256), np.float32)
    >>> before = memory_stats().hits
    >>> del a  # its memory becomes idle,
    >>> b = empty((65000,), np.float32)  # and serves an array of nearly the same size
    >>> memory_stats().hits - before
    1
    """
    return _array(shape if isinstance(shape, tuple) else (shape,), np.dtype(dtype), None)


def empty_like(x: Array) -> Array:
    """Return an array of the shape, element type and memory order of ``x``, with arbitrary contents.

    For an array on a device, one there, from the pool that CuPy keeps.

    Examples
    --------
    >>> channels_last = np.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2)
    >>> empty_like(channels_last).strides == channels_last.strides
    True
    """
    if on_device(x):
        axes = memory_order(x)
        y = np.empty([x.shape[axis] for axis in axes], x.dtype, like=x)
        return y.transpose(sorted(range(x.ndim), key=axes.__getitem__))
    if x.flags.c_contiguous:
        return _array(x.shape, x.dtype, None)
    strides, step = [0] * x.ndim, x.itemsize
    for axis in sorted(range(x.ndim), key=lambda axis: (abs(x.strides[axis]), -axis)):  # the innermost first
        strides[axis], step = step, step * x.shape[axis]
    return _array(x.shape, x.dtype, tuple(strides))


def _array(shape: tuple[int, ...], kind: np.dtype[Any], strides: tuple[int, ...] | None) -> Array:
    size = prod(shape) * kind.itemsize
    if kind.hasobject or size < 0:  # NumPy must set the pointers to None; or refuse a negative size
        return np.empty(shape, kind)
    if size >= LARGE and (block := _pool.take(size_class(size))) is not None:
        owner = np.ndarray.__new__(_Owner, size, np.uint8, block.memory, block.start)
        owner.block = block
        return np.ndarray(shape, kind, owner, 0, strides)
    return np.ndarray(shape, kind, np.empty(size + SLACK, np.uint8), 0, strides)


def memory_order(x: Array) -> list[int]:
    """The axes of ``x`` from the largest stride to the smallest."""
    return sorted(range(x.ndim), key=lambda axis: -x.strides[axis])


def dense(x: Array) -> bool:
    """Whether the elements of ``x`` lie side by side, in whatever order of the axes."""
    return x.flags.c_contiguous or x.transpose(memory_order(x)).flags.c_contiguous


def _references(x: Array) -> int:
    """How often the object is referred to that ``x`` is a view of."""
    base = x.base
    return sys.getrefcount(base)


_ONE = _references(np.empty(2)[:])  # if ``x`` alone does


def alone(x: Array) -> bool:
    """Whether all memory of ``x`` can be reached through ``x`` only: no other view, and no part that it leaves out.

    Examples
    --------
    >>> a = empty((3, 2), np.float32).T
    >>> alone(a), alone(a[1:])
    (True, False)
    """
    if x.base is None:
        return True
    if on_device(x):  # CuPy's views have the array itself as their base, through however many views
        return dense(x) and x.base.nbytes == x.nbytes and _references(x) == _ONE
    if not dense(x):  # it has gaps, or the same memory twice
        return False
    size = x.nbytes
    while x.base is not None and type(x) is not _Owner:
        if type(x.base) not in (np.ndarray, _Owner) or not size <= x.base.nbytes <= size + SLACK:
            return False
        if _references(x) != _ONE:
            return False
        x = x.base
    return True


def memory_stats() -> MemoryStats:
    """Return how much memory the pool of large arrays has in use and idle, and how well it works.

    Examples
    --------
    >>> stats = memory_stats()
    >>> stats.in_use <= stats.peak
    True
    """
    _pool.tidy()
    hits = _pool.requests - _pool.misses
    return MemoryStats(_pool.in_use, _pool.total - _pool.in_use, _pool.peak, hits, _pool.misses)


def empty_cache() -> None:
    """Return all idle memory of the pool to the operating system.

    Arrays are not touched. The next step is slower, for it needs fresh memory.

    Examples
    --------
    >>> empty_cache()
    >>> memory_stats().idle
    0
    """
    _pool.tidy(release=True)
