"""Where a training step, or inference, spends its time: every kernel call, beside what the machine could do at best.

Calls of the same operation on the same shapes are one row. Its *limit* is the time that the machine needs at least,
by its measured peaks (the *roofline*: Williams, Waterman & Patterson, 2009)::

    limit = max(floating-point operations / peak FLOP/s, bytes of all arrays / peak bytes/s)

and the row's share is limit / time. Operations are those of the definition, two per multiply-add: Winograd's
convolution needs fewer, so its share may exceed 100 %. So may that of arrays which are still in a cache.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from minicnn_kernels.watching import Call, watch

from .networks import Network
from .sides import Inference, Training

STEPS = 5  # that are profiled


@dataclasses.dataclass
class Row:
    """Calls of one operation on the same shapes; seconds of all of them in one step."""

    operation: str
    what: str
    calls: float
    seconds: float
    flops: float
    moved: float  # bytes

    def __add__(self, other: Row) -> Row:
        """The calls of both."""
        sums = (getattr(self, name) + getattr(other, name) for name in ("calls", "seconds", "flops", "moved"))
        return Row(self.operation, self.what, *sums)


@dataclasses.dataclass(frozen=True)
class Profile:
    """Rows in the order of their first call; ``step`` is the whole step's time."""

    name: str
    rows: list[Row]
    step: float


class Profiled:
    """One network in a process of its own, with its kernels timed: a training step, or inference with a batch."""

    def __init__(self, network: Network, folder: Path, threads: int, inference: int | None = None) -> None:
        self.step: Callable[[], object]
        if inference is None:
            self.name = f"{network.name}, training step, batch {network.batch}"
            self.step = Training(network, folder, threads, "minicnn")
        else:
            self.name = f"{network.name}, inference, batch {inference}"
            self.step = Inference(network, folder, threads, inference, "minicnn")

    def profile(self, steps: int) -> Profile:
        """See :func:`profile`."""
        return profile(self.name, self.step, steps)


def profile(
    name: str, step: Callable[[], object], steps: int, clock: Callable[[], float] = time.perf_counter
) -> Profile:
    """The median of each call's seconds over several steps, and of others in which nothing is written down."""
    step()
    whole, all_calls = [], []
    for _ in range(steps):
        calls: list[tuple[str, str, float, float, float]] = []
        with watch(lambda call: calls.append(summed_up(call)), clock):  # noqa: B023
            step()
        all_calls.append(calls)
        before = clock()
        step()
        whole.append(clock() - before)
    return Profile(name, gather(all_calls), float(np.median(whole)))


def summed_up(call: Call) -> tuple[str, str, float, float, float]:
    """Operation, what it works on, seconds, floating-point operations, bytes; the arrays are let go of."""
    what, flops = call.describe()
    return call.operation, what, call.seconds, flops, float(call.moved)


def gather(all_calls: list[list[tuple[str, str, float, float, float]]]) -> list[Row]:
    """Median over the steps of each row's sum over its calls."""
    rows: dict[tuple[str, str], Row] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    for number, calls in enumerate(all_calls):
        for operation, what, spent, flops, moved in calls:
            key = operation, what
            row = rows.setdefault(key, Row(operation, what, 0, 0.0, 0.0, 0.0))
            row.calls, row.flops, row.moved = row.calls + 1, row.flops + flops, row.moved + moved
            seconds.setdefault(key, [0.0] * len(all_calls))[number] += spent
    for key, row in rows.items():
        row.calls, row.flops, row.moved = (v / len(all_calls) for v in (row.calls, row.flops, row.moved))
        row.seconds = float(np.median(seconds[key]))
    return list(rows.values())
