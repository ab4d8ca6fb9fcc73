"""What the figures were measured on, and what that machine can do at most."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from minicnn_kernels.numba_cpu.vector.builder import Code
from minicnn_kernels.numba_cpu.vector.call import call
from minicnn_kernels.numba_cpu.vector.compiled import address
from minicnn_kernels.numba_cpu.vector.target import host

import minicnn

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


@numba.njit(parallel=True)
def _compute(kernel: int, turns: int, place: int, threads: int) -> None:
    for t in numba.prange(threads):
        call(kernel, (turns, place + t * APART * 4))  # type: ignore[call-arg]


def compute(turns: int, threads: int) -> tuple[float, np.ndarray]:
    """Multiply and add on each thread; return how many operations that is, and the sums, a row for each thread."""
    target = host()
    lanes, accumulators = target.lanes(4), max(LATENCY, target.registers - LATENCY)
    name = f"multiply_adds_{lanes}_{accumulators}"
    kernel = address(name, lambda: multiply_adds(name, lanes, accumulators))
    places = np.full((threads, APART), 0.5, np.float32)  # two factors, in whose place the sums are written
    _compute(kernel, turns, places.ctypes.data, threads)
    return 2.0 * turns * accumulators * lanes * threads, places[:, :lanes]


@numba.njit(parallel=True, fastmath=True)
def _read(a: np.ndarray) -> float:
    total: Any = np.float32(0)
    for i in numba.prange(a.size):
        total += a[i]
    return total


@numba.njit(parallel=True)
def _triad(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    for i in numba.prange(a.size):
        a[i] = b[i] + np.float32(1.5) * c[i]


def _least(function: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls: nothing can be faster than the machine."""
    function()
    times = []
    for _ in range(REPEATS):
        before = time.perf_counter()
        function()
        times.append(time.perf_counter() - before)
    return min(times)


def measure_peak(threads: int) -> Peak:
    """Measure multiply-adds in registers, and reading from and writing to memory (triad: ``a = b + 1.5*c``)."""
    numba.set_num_threads(threads)
    operations, _ = compute(1, threads)
    flops = operations * TURNS / _least(lambda: compute(TURNS, threads))
    a, b, c = (np.ones(NUMBERS, np.float32) for _ in range(3))
    return Peak(flops, a.nbytes / _least(lambda: _read(a)), 3 * a.nbytes / _least(lambda: _triad(a, b, c)))


def processor() -> str:
    """Name, width of the vector registers and number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
        number = f"family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"
        name = f"{fields.get('model name', name)} ({number})"
    return f"{name}, vectors of {8 * host().vector_bytes} bits, {os.cpu_count()} cores"


def versions() -> str:
    """Of everything that is compared."""
    names = ("numpy", "numba", "torch", "onnxruntime", "openvino")
    return ", ".join((f"minicnn {minicnn.__version__}", *(f"{name} {_version(name)}" for name in names)))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def describe(threads: int, peak: Peak) -> dict[str, Any]:
    """Everything about the machine that the figures depend on."""
    return {
        "processor": processor(),
        "threads on every side": threads,
        "peak, measured": f"{peak.flops / 1e9:.0f} GFLOP/s in float32 (multiply-adds in registers), "
        f"{peak.read / 1e9:.0f} GB/s reading, {peak.triad / 1e9:.0f} GB/s in a = b + 1.5 c",
        "python": platform.python_version(),
        "versions": versions(),
    }
