"""Timing several ways of computing the same thing in turns, on a machine that others may use too.

The speed of a shared machine drifts, so the sides take turns: A B C A B C ... A turn

1. rests, until the threads of the side before it have stopped spinning;
2. makes some calls that are not counted, unless one call is so long that it does not matter;
3. times single calls.

The figure of a side is the median of all its calls, and what is reported are ratios of medians. What other programs
(and, on a virtual machine, other guests) use of the processors meanwhile is measured: a round that they disturb is
repeated, as long as patience lasts, and the share is reported beside the figures.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REST = 0.1  # seconds: spinning threads of the other side go to sleep
WARM = 0.02  # seconds of calls that are not counted, at the start of a turn
LONG = 0.1  # seconds: a call from which on none is left uncounted
MOST = 500  # calls in a turn
ENOUGH = 20  # seconds of a case after which fewer rounds, but at least FEWEST, will do
FEWEST = 3
QUIET = 0.1  # share of the machine that others may use
LOOK = 0.2  # seconds: how long one looks whether the machine is idle


@dataclass(frozen=True)
class Turn:
    """Seconds of each call, and the seconds of processor time that other programs used meanwhile."""

    times: list[float]
    others: float
    wall: float


Side = Callable[[int, int], Turn]  # calls that are counted, calls before them that are not


@dataclass(frozen=True)
class Timing:
    """Median and quartiles of the seconds of one call; ``others`` is their share of the machine meanwhile."""

    median: float
    low: float
    high: float
    calls: int
    others: float


def busy_seconds() -> float:
    """Processor time that this machine has spent on anything, also on its neighbours (0 where it is not known)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def take_turn(function: Callable[[], object], calls: int, warm: int = 0) -> Turn:
    """Rest, warm up, time single calls."""
    time.sleep(REST)
    for _ in range(warm):
        function()
    busy, own, start = busy_seconds(), time.process_time(), time.perf_counter()
    times = []
    for _ in range(calls):
        before = time.perf_counter()
        function()
        times.append(time.perf_counter() - before)
    wall, own = time.perf_counter() - start, time.process_time() - own
    return Turn(times, max(busy_seconds() - busy - own, 0.0), wall)


def wait_until_idle(seconds: float) -> float:
    """Wait until nothing else runs, at most so long; return how long it took."""
    start = time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        busy = busy_seconds()
        time.sleep(LOOK)
        if busy_seconds() - busy < QUIET * LOOK * _cores():
            break
    return passed


def measure(
    sides: Mapping[str, Side], rounds: int = 7, seconds: float = 2.0, patience: float = 20.0
) -> dict[str, Timing]:
    """Time the sides in turns.

    Parameters
    ----------
    sides : mapping from name to function
        Each makes so many calls and returns a :class:`Turn`.
    rounds : int, default 7
        Turns of each side; fewer if a call takes seconds.
    seconds : float, default 2
        Measured time of each side, all turns together; a turn has at least one call.
    patience : float, default 20
        Seconds spent in all on waiting for an idle machine and on rounds that others disturbed.
    """
    patience -= wait_until_idle(patience)
    once = {name: side(1, 1).times[0] for name, side in sides.items()}  # the call before it compiles and allocates
    rounds = min(rounds, max(int(ENOUGH / sum(once.values())), FEWEST))
    calls = {name: min(max(int(seconds / rounds / t), 1), MOST) for name, t in once.items()}
    warm = {name: 0 if t > LONG else min(int(WARM / t) + 1, MOST) for name, t in once.items()}
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    done = 0
    while done < rounds:
        patience -= wait_until_idle(patience)
        start = time.perf_counter()
        now = {name: side(calls[name], warm[name]) for name, side in sides.items()}
        if patience > 0 and _share(list(now.values())) > QUIET:
            patience -= time.perf_counter() - start
            continue
        for name, turn in now.items():
            turns[name].append(turn)
        done += 1
    return {name: timing(found) for name, found in turns.items()}


def timing(turns: list[Turn]) -> Timing:
    """Median and quartiles over the calls of all turns."""
    times = [t for turn in turns for t in turn.times]
    low, _, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return Timing(statistics.median(times), low, high, len(times), _share(turns))


def _share(turns: list[Turn]) -> float:
    """Others' part of what the machine could have computed in these turns."""
    return sum(turn.others for turn in turns) / (sum(turn.wall for turn in turns) * _cores())


def _cores() -> int:
    return os.cpu_count() or 1


def in_turns(**functions: Callable[[], Any]) -> dict[str, Side]:
    """Sides that are functions of this process."""
    return {
        name: lambda calls, warm, function=function: take_turn(function, calls, warm)  # type: ignore[misc]
        for name, function in functions.items()
    }
