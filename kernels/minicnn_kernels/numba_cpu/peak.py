"""What this machine can do at most, measured: multiply-adds in registers, bytes from and to memory.

A kernel's time can be held against it (the *roofline*: Williams, Waterman & Patterson, 2009)::

    limit = max(floating-point operations / peak FLOP/s, bytes of all arrays / peak bytes/s)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..threads import get_num_threads, set_num_threads
from .jit import JIT, parallel, serial_no_alias, serial_reordered, share, unsigned
from .vector.builder import Code
from .vector.call import call
from .vector.compiled import address
from .vector.target import host

TURNS = 10_000_000  # about 0.1 s of multiply-adds in registers
NUMBERS = 2**25  # float32 in each array of the bandwidth: 128 MiB, more than any cache
APART = 64  # numbers between the places that two threads write: no cache line is shared
REPEATS = 5
LATENCY = 8  # multiply-adds that must be under way at once, at the least: half as many cycles, two per cycle


@dataclass(frozen=True)
class Peak:
    """Limits of this machine with so many threads, measured: float32 operations and bytes per second."""

    flops: float
    read: float
    triad: float

    def seconds(self, flops: float, moved: float) -> float:
        """The least time that so many operations and bytes take: the longer of the two."""
        return max(flops / self.flops, moved / self.triad)


def multiply_adds(name: str, lanes: int, accumulators: int) -> str:
    """LLVM's text of a loop that multiplies and adds in registers and touches no memory: ``v = v*x + y``."""
    code = Code(name, 2, 4, lanes)
    turns, place = code.arguments
    x, y = code.load_number(place), code.load_number(code.at(place, 4))
    start = [code.constant(k) for k in range(accumulators)]
    ends = code.loop(code.integer(0), turns, 1, start, lambda _, values: [code.fma(v, x, y) for v in values])
    total = ends[0]
    for value in ends[1:]:
        total = code.add(total, value)
    code.store(total, place)
    return code.finish()


@parallel
def _compute(thread, kernel, turns, place, threads):  # type: ignore[no-untyped-def]
    for t in share(thread, threads):
        call(kernel, (turns, place + t * APART * 4))


def compute(turns: int, threads: int) -> tuple[float, Array]:
    """Multiply and add on each thread; return how many operations that is, and the sums, a row for each thread."""
    target = host()
    lanes, accumulators = target.lanes(4), max(LATENCY, target.registers - LATENCY)
    name = f"multiply_adds_{lanes}_{accumulators}"
    kernel = address(name, lambda: multiply_adds(name, lanes, accumulators))
    places = np.full((threads, APART), 0.5, np.float32)  # two factors, in whose place the sums are written
    _compute(kernel, turns, places.ctypes.data, threads)
    return 2.0 * turns * accumulators * lanes * threads, places[:, :lanes]


@serial_reordered
def _sum(a, start, end):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(unsigned(start), unsigned(end)):
        total += a[i]
    return total


@parallel
def _read(thread, sums, a, threads):  # type: ignore[no-untyped-def]
    for t in share(thread, threads):
        sums[t * APART] = _sum(a, a.size * t // threads, a.size * (t + 1) // threads)


@serial_no_alias
def _add(a, b, c, start, end):  # type: ignore[no-untyped-def]
    for i in range(unsigned(start), unsigned(end)):
        a[i] = b[i] + np.float32(1.5) * c[i]


@parallel
def _triad(thread, a, b, c, threads):  # type: ignore[no-untyped-def]
    for t in share(thread, threads):
        _add(a, b, c, a.size * t // threads, a.size * (t + 1) // threads)


def _least(function: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls: nothing can be faster than the machine."""
    function()
    times = []
    for _ in range(REPEATS):
        before = time.perf_counter()
        function()
        times.append(time.perf_counter() - before)
    return min(times)


def measure_peak(threads: int | None = None) -> Peak:
    """Measure multiply-adds in registers, and reading from and writing to memory (triad: ``a = b + 1.5*c``).

    It takes some seconds and 400 MB. ``threads``: default as many as the kernels use.
    """
    if not JIT:
        raise RuntimeError("measure_peak: NUMBA_DISABLE_JIT=1 is set, and uncompiled loops say nothing of the machine")
    before = get_num_threads()
    set_num_threads(threads or before)
    try:
        return _measure(threads or before)
    finally:
        set_num_threads(before)


def _measure(threads: int) -> Peak:
    operations, _ = compute(1, threads)
    flops = operations * TURNS / _least(lambda: compute(TURNS, threads))
    a, b, c = (np.ones(NUMBERS, np.float32) for _ in range(3))
    sums = np.zeros(threads * APART, np.float32)
    read = a.nbytes / _least(lambda: _read(sums, a, threads))
    return Peak(flops, read, 3 * a.nbytes / _least(lambda: _triad(a, b, c, threads)))
