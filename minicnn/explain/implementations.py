"""All the ways in which one kernel call can be computed, each run, timed, and held against exact arithmetic."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import minicnn_kernels
import numpy as np
from minicnn_kernels import available_backends, registry, set_conv_algorithm, use_backend
from minicnn_kernels.conv_algorithms import ALGORITHMS
from minicnn_kernels.threads import get_num_threads
from minicnn_kernels.watching import Call, arrays

from . import with_torch

LOOP = 1e-6  # seconds of one step of the reference's loops in Python, about
MODEL = 1e-7  # the same of a CUDA kernel whose threads take turns on the CPU
ROUNDS = 5  # the implementations take turns, since the speed of a machine drifts


@dataclass
class Implementation:
    """One row of a comparison.

    Attributes
    ----------
    name : str
        ``reference``, ``numpy``, ``numba, winograd``, ``PyTorch 2.8.0``.
    source : str
        File and line, or the name in PyTorch.
    difference : float or None
        Largest difference from float64 arithmetic, as a share of the largest number of the result.
    seconds : float or None
        Median over the calls.
    calls : int
    note : str
        Why it did not run.
    """

    name: str
    source: str = ""
    difference: float | None = None
    seconds: float | None = None
    calls: int = 0
    note: str = ""


class Way(NamedTuple):
    """An implementation that can run: ``function()`` computes, inside ``switches``."""

    row: Implementation
    function: Callable[[], Any]
    switches: tuple[Callable[[], Any], ...]

    def times(self, count: int) -> tuple[list[float], Any]:
        """Seconds of each of some calls, and the last result."""
        found = []
        with ExitStack() as stack:
            for switch in self.switches:
                stack.enter_context(switch())
            for _ in range(count):
                before = time.perf_counter()
                result = self.function()
                found.append(time.perf_counter() - before)
        return found, result


@cache
def machine_peak(threads: int) -> Any:
    """The machine's measured limits (:class:`minicnn_kernels.numba_cpu.peak.Peak`), or a text that says why not."""
    if registry.missing("numba") is not None:
        return "numba is not installed"
    from minicnn_kernels.numba_cpu import peak

    return peak.measure_peak(threads) if peak.JIT else "NUMBA_DISABLE_JIT is set"


def implementations(call: Call, seconds: float, limit: float) -> list[Implementation]:
    """Run every implementation of a kernel call, each for about so many seconds."""
    exact = first_array(_exactly(call))
    found = list(ways(call, limit))
    runnable = [way for way in found if isinstance(way, Way)]
    times: dict[int, list[float]] = {}
    for way in runnable:
        if way.row.name.startswith(("numba", "CUDA")):
            way.times(1)  # compiles
        times[id(way)], result = way.times(1)
        way.row.difference = difference(first_array(result), exact)
    for _ in range(ROUNDS):
        for way in runnable:
            once = min(times[id(way)])
            if once < seconds:
                times[id(way)] += way.times(max(int(seconds / ROUNDS / max(once, 1e-7)), 1))[0]
    for way in runnable:
        own = times[id(way)]
        way.row.seconds, way.row.calls = float(np.median(own[1:] or own)), len(own)
    return [way.row if isinstance(way, Way) else way for way in found]


def ways(call: Call, limit: float) -> Iterator[Way | Implementation]:
    """What can run, and what cannot with the reason."""
    for backend in available_backends():
        with use_backend(backend):
            kernel, why = registry.select(call.operation, call.arguments)
        if kernel.backend != backend:
            yield Implementation(backend, note=why)
        elif backend == "reference" and (needed := _steps(call) * LOOP) > limit:
            note = f"left out: its loops would take about {needed:.0f} s; limit={needed * 2:.0f} runs them"
            yield Implementation(backend, source_of(kernel.function), note=note)
        elif call.operation in ("conv2d.forward", "conv2d.grad_input", "conv2d.grad_weight") and kernel.details:
            for algorithm in ALGORITHMS[1:]:
                yield _algorithm(call, kernel, algorithm)
        else:
            yield _way(call, backend, kernel.function, (lambda backend=backend: use_backend(backend),))  # type: ignore[misc]
    yield _cuda_on_cpu(call, limit)
    yield _in_torch(call)


def _cuda_on_cpu(call: Call, limit: float) -> Way | Implementation:
    """The project's CUDA kernel, run without a GPU: what it computes, not how fast a GPU would."""
    from minicnn_kernels.cuda.on_cpu import operations
    from minicnn_kernels.cuda.on_cpu.build import CompileError, compiler

    name, reason = "CUDA, on the CPU", operations.declines(call.operation, call.arguments)
    if reason is not None:
        return Implementation(name, note=reason)
    source, function = operations.place(operations.operations()[call.operation]), operations.launcher(call.operation)
    try:
        compiler()
    except CompileError as error:
        return Implementation(name, source, note=str(error).partition(". ")[0])
    if (needed := _steps(call) * MODEL) > limit:
        note = f"left out: threads that take turns would need about {needed:.0f} s; limit={needed * 2:.0f} runs them"
        return Implementation(name, source, note=note)
    return _way(call, name, function, ())._replace(row=Implementation(name, source))


def _algorithm(call: Call, kernel: registry.Kernel, algorithm: str) -> Way | Implementation:
    """One algorithm of the compiled convolution."""
    name = f"{kernel.backend}, {algorithm}"
    with set_conv_algorithm(algorithm):
        told = kernel.details(*call.arguments) if kernel.details else ""
    if f"algorithm {algorithm!r}" not in told:
        return Implementation(name, note=told.partition(": ")[2])
    own = f"{algorithm}_{call.operation.partition('.')[2]}"
    function = getattr(sys.modules[kernel.function.__module__], own, kernel.function)
    switches = (lambda: use_backend(kernel.backend), lambda: set_conv_algorithm(algorithm))
    return _way(call, name, kernel.function, switches)._replace(row=Implementation(name, source_of(function)))


def _way(call: Call, name: str, function: Callable[..., Any], switches: tuple[Callable[[], Any], ...]) -> Way:
    arguments = copied(call.arguments, None)
    return Way(Implementation(name, source_of(function)), lambda: function(*arguments), switches)


def _in_torch(call: Call) -> Way | Implementation:
    if (reason := with_torch.missing()) is not None:
        return Implementation("PyTorch", note=reason)
    found = with_torch.counterpart(call.operation, call.arguments)
    name = with_torch.version()
    if isinstance(found, str):
        return Implementation(name, note=found)
    return Way(Implementation(name, found.name), found.function, (lambda: with_torch.on_threads(get_num_threads()),))


def _steps(call: Call) -> float:
    """How often the reference's innermost line runs, about."""
    _, flops = call.describe()
    return flops / 2 or sum(a.size for a in arrays((call.arguments, call.result)))


def _exactly(call: Call) -> Any:
    """The result in float64 arithmetic."""
    with use_backend("numpy"):
        arguments = copied(call.arguments, np.float64)
        return registry.select(call.operation, arguments)[0].function(*arguments)


def copied(value: Any, kind: Any) -> Any:
    """Arguments with copies of their arrays, for a kernel may write into them; floating ones as ``kind``, if given."""
    if isinstance(value, np.ndarray):
        return value.astype(kind if kind is not None and value.dtype.kind == "f" else value.dtype, order="K")
    if isinstance(value, tuple):
        parts: Any = [copied(part, kind) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return [copied(part, kind) for part in value] if isinstance(value, list) else value


def first_array(result: Any) -> Any:
    """The first array of a result, as NumPy's; a copy, for the memory may be used again."""
    found = result[0] if isinstance(result, (tuple, list)) else result
    return np.array(found.numpy() if hasattr(found, "numpy") else found, dtype=np.float64)


def difference(found: Any, exact: Any) -> float:
    """The largest, as a share of the largest finite number; 0 where both are equal, infinite or NaN included."""
    if found.size == 0 or np.array_equal(found, exact, equal_nan=True):
        return 0.0
    largest = float(np.abs(exact[np.isfinite(exact)]).max(initial=0)) or 1.0
    with np.errstate(all="ignore"):
        apart = np.where((found == exact) | (np.isnan(found) & np.isnan(exact)), 0, np.abs(found - exact))
    return float(apart.max()) / largest


def source_of(function: Callable[..., Any]) -> str:
    """File and line, as ``minicnn_kernels/reference/conv.py:49``."""
    root = Path(minicnn_kernels.__file__).parents[1]
    plain = inspect.unwrap(function)
    path = Path(inspect.getsourcefile(plain) or "")
    file = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return f"{file}:{plain.__code__.co_firstlineno}"
