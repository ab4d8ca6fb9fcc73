"""Memory of the devices: guarded and poisoned blocks, pools that count and reuse them, pinned memory of the host."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import hooks, spec
from .state import STATE, NotModelled, StandInError
from .streams import Device, Stream, current_device, current_stream, host_waits, perform

UNIT = 512  # bytes; what CuPy's pools round up to
GUARD, PATTERN = 64, 0xAB
POISON = 0xFF  # NaN in every float type, -1 in signed integers

_held: dict[int, int] = defaultdict(int)  # bytes by device
_blocks: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()  # by address


def free_and_total(device: int) -> tuple[int, int]:
    return STATE.memory - _held[device], STATE.memory


class Block:
    """A piece of a device's memory, between two guards. Poisoned whenever it is handed out."""

    def __init__(self, size: int, device: int) -> None:
        if _held[device] + size > STATE.memory:
            raise spec.cuda_error(spec.OUT_OF_MEMORY)
        self.size, self.device_id = size, device
        self._raw = np.empty(size + 2 * GUARD + UNIT, np.uint8)
        self._at = -(self._raw.ctypes.data + GUARD) % UNIT + GUARD  # aligned as cudaMalloc does
        self.ptr = self._raw.ctypes.data + self._at
        self.bytes = self._raw[self._at : self._at + size]
        self.in_use = self.guarded = size  # bytes that were asked for; where the guard begins
        self.alive, self._account = True, _held  # alive: the driver has not got it back
        _held[device] += size

    def hand_out(self, size: int) -> None:
        self.in_use = self.guarded = size
        _blocks[self.ptr] = self  # anew: the garbage collector clears weak references before a pool takes a block back
        self._raw[self._at - GUARD : self._at] = PATTERN
        self._raw[self._at + size : self._at + self.size + GUARD] = PATTERN
        rubbish = self.bytes[:size]
        rubbish[:] = POISON
        capture = current_stream()._capture
        if (
            capture is not None
        ):  # at each launch there is rubbish again, and in between the block serves other arrays too
            capture.work.append(lambda: rubbish.fill(POISON))
            self.guarded = self.size

    def guards(self, what: str) -> Callable[[], None]:
        """A check that nothing was written outside of the array that has the block now."""
        end = self.size if current_stream().is_capturing() else self.guarded
        before, behind = (
            self._raw[self._at - GUARD : self._at],
            self._raw[self._at + end : self._at + self.size + GUARD],
        )

        def check() -> None:
            if (before != PATTERN).any() or (behind != PATTERN).any():
                side = "behind the end" if (before == PATTERN).all() else "before the start"
                raise StandInError(f"{what} wrote {side} of an array of {end} bytes")

        return check

    def check_alive(self, what: str) -> None:
        if not self.alive:
            raise spec.cuda_error(spec.ILLEGAL_ADDRESS)

    def give_back(self) -> None:
        """To the driver, for good: who touches it from now on is told of an illegal address."""
        if self.alive:
            self.alive = False
            self._account[self.device_id] -= self.size


class Memory:
    """``cupy.cuda.Memory``: taken from the driver; goes back there with the last reference to it."""

    def __init__(self, size: int) -> None:
        self._is(Block(size, current_device()), size)
        self.block.hand_out(size)

    def _is(self, block: Block, size: int) -> None:
        self.block, self.size = block, size
        self.ptr, self.device_id = block.ptr if size else 0, block.device_id
        self.device = Device(self.device_id)

    def __del__(self) -> None:
        if (block := getattr(self, "block", None)) is not None:
            block.give_back()


class PooledMemory(Memory):
    """``cupy.cuda.PooledMemory``: does not keep the pool alive, to which its memory belongs."""

    def __init__(self, memory: Memory, size: int, pool: MemoryPool) -> None:
        self._is(memory.block, size)
        self.block.hand_out(size)
        self.pool = weakref.ref(pool)

    def __del__(self) -> None:
        if (pool := self.pool()) is not None:
            pool._take_back(self.block, id(self))


class UnownedMemory(Memory):
    """``cupy.cuda.UnownedMemory``: that of somebody else, who is kept alive."""

    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1) -> None:
        if ptr == 0 and device_id < 0:
            raise RuntimeError("Device ID is required for null pointers.")
        block = _blocks.get(ptr) if ptr else Block(0, device_id)
        if block is None:
            raise NotModelled("UnownedMemory of what does not begin a block of memory")
        self._is(block, size)
        self._owner = owner

    def __del__(self) -> None:
        """Whose it is gives it back."""


class MemoryPointer:
    """``cupy.cuda.MemoryPointer``."""

    def __init__(self, mem: Memory, offset: int) -> None:
        self.mem, self._offset = mem, offset
        self.ptr, self.device_id, self.device = mem.ptr + offset, mem.device_id, mem.device

    def __int__(self) -> int:
        return self.ptr

    def __add__(self, offset: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self._offset + offset)

    @staticmethod
    def block_at(address: int) -> Block | None:
        """The block that an address lies in."""
        for block in list(_blocks.values()):
            if block.ptr <= address <= block.ptr + block.size:
                return block
        return None

    def view(self, size: int) -> np.ndarray:
        """The bytes it points to, for the stand-in itself."""
        if size > self.mem.size - self._offset:
            raise StandInError(
                f"a copy of {size} bytes, and {self.mem.size - self._offset} are left behind the pointer"
            )
        return self.mem.block.bytes[self._offset : self._offset + size]

    def copy_from_device_async(self, src: MemoryPointer, size: int, stream: Stream | None = None) -> None:
        to, source = self.view(size), src.view(size)
        perform(lambda: np.copyto(to, source), (self.mem.block, src.mem.block), "device to device", stream)

    copy_from_device = copy_from_device_async

    def copy_from_host_async(self, mem: Any, size: int, stream: Stream | None = None) -> None:
        to, source = self.view(size), _host_view(mem, size)
        perform(lambda: np.copyto(to, source), (self.mem.block,), "host to device", stream)

    def copy_from_host(self, mem: Any, size: int) -> None:
        host_waits("MemoryPointer.copy_from_host()")
        self.copy_from_host_async(mem, size)

    def copy_to_host_async(self, mem: Any, size: int, stream: Stream | None = None) -> None:
        to, source = _host_view(mem, size), self.view(size)
        perform(lambda: np.copyto(to, source), (self.mem.block,), "device to host", stream)

    def copy_to_host(self, mem: Any, size: int) -> None:
        host_waits("MemoryPointer.copy_to_host()")
        self.copy_to_host_async(mem, size)

    def copy_from(self, mem: Any, size: int) -> None:
        if isinstance(mem, MemoryPointer):
            self.copy_from_device(mem, size)
        else:
            self.copy_from_host(mem, size)

    def copy_from_async(self, mem: Any, size: int, stream: Stream | None = None) -> None:
        if isinstance(mem, MemoryPointer):
            self.copy_from_device_async(mem, size, stream)
        else:
            self.copy_from_host_async(mem, size, stream)

    def memset_async(self, value: int, size: int, stream: Stream | None = None) -> None:
        to = self.view(size)
        perform(lambda: to.fill(value), (self.mem.block,), "library calls", stream)

    memset = memset_async


def _host_view(mem: Any, size: int) -> np.ndarray:
    pointer = mem.value if isinstance(mem, ctypes.c_void_p) else int(mem)
    return np.frombuffer((ctypes.c_uint8 * size).from_address(pointer), np.uint8)


class MemoryPool:
    """``cupy.cuda.MemoryPool``: keeps what was freed, and hands it out again; counts for the current device.

    All of its memory goes back to the driver with the pool, also what arrays use: their memory does not keep it alive.
    """

    def __init__(self, allocator: Callable[[int], MemoryPointer] | None = None) -> None:
        self._allocator = allocator or malloc
        self._free: dict[int, dict[int, list[Memory]]] = defaultdict(lambda: defaultdict(list))  # by device and size
        self._in_use: dict[int, Memory] = {}  # by the number of the block
        self._used: dict[int, int] = defaultdict(int)
        self._total: dict[int, int] = defaultdict(int)
        self._limit: dict[int, int] = defaultdict(int)
        self._lock = threading.RLock()

    def malloc(self, size: int) -> MemoryPointer:
        size = int(size)
        device, rounded = current_device(), -(-size // UNIT) * UNIT
        hooks.told("malloc_preprocess", device_id=device, size=size, mem_size=rounded)
        with self._lock:
            found = self._free[device][rounded]
            whole = found.pop() if found else self._from_the_driver(rounded, device)
            self._in_use[id(whole.block)] = whole
            self._used[device] += rounded
        STATE.counts["allocations"] += 1
        memory = PooledMemory(whole, size, self)
        facts = {"device_id": device, "size": size, "mem_size": rounded}
        hooks.told("malloc_postprocess", **facts, mem_ptr=memory.ptr, pmem_id=id(memory))
        return MemoryPointer(memory, 0)

    def _from_the_driver(self, size: int, device: int) -> Memory:
        """As CuPy does it: if there is no more, what the pool keeps goes back to the driver, and then once more."""
        out_of_memory = spec.real().cuda.memory.OutOfMemoryError
        limit = self._limit[device]
        if limit and self._total[device] + size > limit:
            raise out_of_memory(size, self._total[device], limit)
        for last in (False, True):
            try:
                whole: Memory = self._allocator(size).mem
                self._total[device] += size
                return whole
            except spec.real().cuda.runtime.CUDARuntimeError as error:
                if error.status != spec.OUT_OF_MEMORY:
                    raise
                if last:
                    raise out_of_memory(size, self._total[device]) from None
            self.free_all_blocks()
        raise AssertionError("not reached")

    def _take_back(self, block: Block, number: int) -> None:
        facts = {"device_id": block.device_id, "mem_size": block.size, "mem_ptr": block.ptr, "pmem_id": number}
        hooks.told("free_preprocess", **facts)
        with self._lock:
            self._used[block.device_id] -= block.size
            self._free[block.device_id][block.size].append(self._in_use.pop(id(block)))
        hooks.told("free_postprocess", **facts)

    def free_all_blocks(self, stream: Stream | None = None) -> None:
        with self._lock:
            for size, several in self._free[current_device()].items():
                self._total[current_device()] -= size * len(several)
                several.clear()

    def used_bytes(self) -> int:
        return self._used[current_device()]

    def free_bytes(self) -> int:
        return self.total_bytes() - self.used_bytes()

    def total_bytes(self) -> int:
        return self._total[current_device()]

    def n_free_blocks(self) -> int:
        return sum(map(len, self._free[current_device()].values()))

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        if (size is None) == (fraction is None):
            raise ValueError("exactly one of size and fraction is to be given")
        self._limit[current_device()] = int(STATE.memory * fraction) if fraction is not None else int(size or 0)

    def get_limit(self) -> int:
        return self._limit[current_device()]


class PinnedMemoryPool:
    """``cupy.cuda.PinnedMemoryPool``."""

    def __init__(self, allocator: Any = None) -> None:
        pass

    def malloc(self, size: int) -> Any:
        return alloc_pinned_memory(size)

    def free_all_blocks(self) -> None:
        """Nothing is kept."""

    def n_free_blocks(self) -> int:
        return 0


class _Buffers(type):
    """Of the arrays of ctypes, which have a type for each length, those below are instances."""

    def __instancecheck__(cls, x: object) -> bool:
        return getattr(x, "pinned", False) is True


class PinnedMemoryPointer(metaclass=_Buffers):
    """``cupy.cuda.PinnedMemoryPointer``: has the buffer protocol, which Python 3.11 knows of ctypes' arrays alone."""


def alloc_pinned_memory(size: int) -> Any:
    """``cupy.cuda.alloc_pinned_memory``."""
    STATE.counts["pinned allocations"] += 1
    members = {"pinned": True, "ptr": property(ctypes.addressof)}
    return type("PinnedMemoryPointer", (ctypes.c_uint8 * max(int(size), 1),), members)()


class _Allocator(threading.local):
    function: Callable[[int], MemoryPointer] | None = None


_allocator = _Allocator()
_default: list[MemoryPool] = []
_global: list[Callable[[int], MemoryPointer]] = []


def reset() -> None:
    """A driver that has given nothing out; what is left of before is not counted any more."""
    global _held
    _held = defaultdict(int)
    _default[:] = [MemoryPool()]
    _global[:] = [_default[0].malloc]
    _allocator.function = None


def get_default_memory_pool() -> MemoryPool:
    return _default[0]


def get_allocator() -> Callable[[int], MemoryPointer]:
    return _allocator.function or _global[0]


def set_allocator(allocator: Callable[[int], MemoryPointer] | None = None) -> None:
    """None: no pool."""
    if _allocator.function is not None:
        raise ValueError("Can't change the global allocator inside `using_allocator` context manager")
    _global[:] = [allocator or malloc]


@contextmanager
def using_allocator(allocator: Callable[[int], MemoryPointer] | None = None) -> Iterator[None]:
    before, _allocator.function = _allocator.function, allocator or malloc
    try:
        yield
    finally:
        _allocator.function = before


def malloc(size: int) -> MemoryPointer:
    """Straight from the driver."""
    return MemoryPointer(Memory(size), 0)


def alloc(size: int) -> MemoryPointer:
    """``cupy.cuda.alloc``: by the current allocator."""
    return get_allocator()(size)
