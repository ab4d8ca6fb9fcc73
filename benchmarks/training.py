"""Training: the whole step of each network beside PyTorch's best.

Which way of running PyTorch is its best depends on the network. So each way gets a short look first, in turns with
minicnn; the one that does best by that is measured in full, again in turns. Each process is new, so its peak memory is
that of this network alone. (minicnn's kernels are on the disk by then: compiling them takes memory too.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .harness import Timing, measure
from .networks import Network
from .settings import Settings
from .sides import Training, Way
from .workers import Worker, WorkerError

WAYS = (Way(), Way(channels_last=True), Way(fused=True), Way(channels_last=True, fused=True))
COMPILED = Way(channels_last=True, fused=True, compiled=True)
AGREEMENT = 1e-3  # of the largest score: the outputs of two libraries in float32


@dataclass(frozen=True)
class TrainingRow:
    """Both sides' time and peak memory, and how the other ways of running PyTorch did in the short look."""

    name: str
    ours: Timing
    theirs: Timing
    way: str
    our_memory: int
    their_memory: int
    looks: dict[str, float] = field(default_factory=dict)  # PyTorch's time / ours
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.theirs.median / self.ours.median


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference of two outputs, relative to the largest score."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def check_same(name: str, output: np.ndarray, expected: np.ndarray) -> None:
    """Refuse to time networks that do not compute the same."""
    off = difference(output, expected)
    if not off <= AGREEMENT:  # NaN too
        raise ArithmeticError(f"{name}: the outputs differ by {off:.1e} of the largest score")


def row(network: Network, folder: Path, settings: Settings) -> TrainingRow:
    """Measure one network."""

    def worker(library: str, *way: Way) -> Worker:
        return Worker(Training, network, folder, settings.threads, library, *way)

    looks: dict[Way, float] = {}
    failures: dict[str, str] = {}
    ways = WAYS + ((COMPILED,) if settings.compile else ())
    with worker("minicnn") as ours:
        expected = ours.ask("output")
        for way in ways:
            try:
                with worker("torch", way) as theirs:
                    check_same(f"{network.name}, PyTorch, {way}", theirs.ask("output"), expected)
                    found = measure({"ours": ours, "theirs": theirs}, 1, 0.3, settings.patience)
                    looks[way] = found["theirs"].median / found["ours"].median
            except WorkerError as error:
                failures[str(way)] = error.reason()
    best = min(looks, key=looks.__getitem__)
    with worker("minicnn") as ours, worker("torch", best) as theirs:
        found = measure({"ours": ours, "theirs": theirs}, settings.rounds, settings.seconds, settings.patience)
        memory = ours.ask("peak_memory"), theirs.ask("peak_memory")
    return TrainingRow(
        network.name,
        found["ours"],
        found["theirs"],
        str(best),
        *memory,
        {str(w): r for w, r in looks.items()},
        failures,
    )
