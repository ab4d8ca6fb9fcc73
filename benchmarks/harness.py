"""Interleaved timing of two implementations of the same thing.

The speed of a shared machine drifts, so the two sides take turns: A B A B ...
Each turn lets the other side's threads come to rest, warms up, and then times
single calls; the figure of a side is the median of all its calls, and the
result is the ratio of the medians.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

REST = 0.03  # seconds: spinning threads of the other side go to sleep
WARM = 0.02  # seconds of calls that are not counted, at the start of a turn


@dataclass(frozen=True)
class Case:
    """One comparison. ``flops``: floating-point operations of one call, if that is a useful figure."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    flops: float | None = None


@dataclass(frozen=True)
class Measurement:
    """Median seconds of both sides; ``ratio`` above 1 means that minicnn is faster."""

    name: str
    ours: float
    theirs: float
    ours_spread: tuple[float, float]  # quartiles
    theirs_spread: tuple[float, float]
    flops: float | None

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours


def _turn(function: Callable[[], object], calls: int) -> list[float]:
    time.sleep(REST)
    start = time.perf_counter()
    function()
    while time.perf_counter() - start < WARM:
        function()
    times = []
    for _ in range(calls):
        before = time.perf_counter()
        function()
        times.append(time.perf_counter() - before)
    return times


def measure(case: Case, rounds: int = 7, seconds: float = 2.0) -> Measurement:
    """Time both sides in turns, ``seconds`` in all for each side."""
    sides = {"ours": case.ours, "theirs": case.theirs}
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    calls = {}
    for name, function in sides.items():
        function()  # compiles, allocates
        calls[name] = min(max(int(seconds / rounds / min(_turn(function, 2))), 1), 500)
    for _ in range(rounds):
        for name, function in sides.items():
            times[name] += _turn(function, calls[name])
    quartiles = {name: statistics.quantiles(t, n=4) if len(t) > 1 else [t[0]] * 3 for name, t in times.items()}
    return Measurement(
        case.name,
        statistics.median(times["ours"]),
        statistics.median(times["theirs"]),
        (quartiles["ours"][0], quartiles["ours"][2]),
        (quartiles["theirs"][0], quartiles["theirs"][2]),
        case.flops,
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def table(measurements: Sequence[Measurement]) -> str:
    """A Markdown table of the measurements."""
    lines = [
        "| case | minicnn ms (quartiles) | PyTorch ms (quartiles) | PyTorch / minicnn | minicnn GFLOP/s |",
        "|---|---|---|---|---|",
    ]
    for m in measurements:
        ours, theirs = (
            f"{_milliseconds(t)} ({_milliseconds(low)}-{_milliseconds(high)})"
            for t, (low, high) in ((m.ours, m.ours_spread), (m.theirs, m.theirs_spread))
        )
        rate = f"{m.flops / m.ours / 1e9:.0f}" if m.flops else ""
        lines.append(f"| {m.name} | {ours} | {theirs} | {m.ratio:.2f} | {rate} |")
    return "\n".join(lines)


def machine(threads: int) -> dict[str, str]:
    """What the figures were measured on."""
    import numba
    import numpy
    import torch

    import minicnn

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
        flags = fields.get("flags", "").split()
        width = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
        number = f"family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"
        model = f"{fields.get('model name', model)} ({number}) {width}"
    return {
        "cpu": f"{model}, {os.cpu_count()} cores",
        "threads on both sides": str(threads),
        "python": platform.python_version(),
        "minicnn": f"{minicnn.__version__}, backend {minicnn.active_backend()}",
        "pytorch": torch.__version__,
        "numpy / numba": f"{numpy.__version__} / {numba.__version__}",
    }


def as_json(measurements: Sequence[Measurement], description: dict[str, str]) -> str:
    """Everything measured, for a program to read."""
    rows = [{**asdict(m), "ratio": m.ratio} for m in measurements]
    return json.dumps({"machine": description, "measurements": rows}, indent=1)
