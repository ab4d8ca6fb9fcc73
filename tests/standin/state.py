"""What the stand-in counts, and what it can be told: how much memory a device has, how many devices there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class StandInError(AssertionError):
    """The code under test did what a GPU would let pass and answer with wrong numbers."""


class NotModelled(AttributeError):  # noqa: N818 - not an error of the code under test
    """The real CuPy has it; this stand-in does not, yet."""


@dataclass
class State:
    """One for the process; `reset` at the start of every test.

    ``counts`` has ``"kernel launches"`` (ours), ``"library calls"`` (CuPy's functions, cuBLAS), ``"allocations"``,
    copies (``"host to device"``, ``"device to host"``, ``"device to device"``), ``"synchronisations"``,
    ``"graph launches"`` and ``"captured"`` (what went into a graph instead of being run).
    """

    counts: Counter[str] = field(default_factory=Counter)
    devices: int = 2
    memory: int = 1 << 34  # bytes of each device
    capabilities: dict[int, str] = field(default_factory=dict)  # of a device, where it is not "90"
    checked: bool = False  # run kernels with the executor's checks of bounds and races

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


STATE = State()


@contextmanager
def memory_limit(size: int) -> Iterator[None]:
    """Devices of ``size`` bytes: an allocation beyond raises OutOfMemoryError.

    What is held already counts.
    """
    before, STATE.memory = STATE.memory, size
    try:
        yield
    finally:
        STATE.memory = before


@contextmanager
def checked_kernels() -> Iterator[None]:
    """Run kernels with the executor's checks: bounds, shared memory that nobody wrote, races."""
    before, STATE.checked = STATE.checked, True
    try:
        yield
    finally:
        STATE.checked = before


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """The counts of a block alone."""
    before = STATE.counts.copy()
    inside: Counter[str] = Counter()
    try:
        yield inside
    finally:
        inside.update(STATE.counts)
        inside.subtract(before)
        for name in [name for name, count in inside.items() if count == 0]:
            del inside[name]
