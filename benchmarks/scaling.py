"""How the time of a training step grows with the batch, the image and the depth, in minicnn and in PyTorch.

Batch and image: ResNet-18. Depth: a chain of equal layers, each a 3 x 3 convolution of 64 channels and a ReLU; if
nothing depends on what came before, each layer costs the same and the time is a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from . import harness
from .networks import NETWORKS, Network, weights_path, write_weights
from .settings import Settings
from .sides import Training, Way
from .workers import Worker

RESNET = next(network for network in NETWORKS if network.model == "resnet18")
CHAIN = Network("chain", "chain", batch=16, side=32, classes=10)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
SIDES = (32, 64, 112, 160, 224, 320, 448)
DEPTHS = (2, 4, 8, 16, 32)
WAY = Way(channels_last=True, fused=True)
ROUNDS = 3
SECONDS = 0.5


@dataclass(frozen=True)
class Point:
    """A training step of one size on both sides."""

    value: int
    ours: harness.Timing
    theirs: harness.Timing
    images: int

    @property
    def ratio(self) -> float:
        return self.theirs.median / self.ours.median


@dataclass(frozen=True)
class Sweep:
    """Points of one series: what grows, and what stays."""

    grows: str
    stays: str
    points: list[Point]


class Sizes:
    """A training step whose size can be changed; in a process of its own."""

    def __init__(self, folder: Path, threads: int, library: str) -> None:
        self.settings = folder, threads, library, WAY if library == "torch" else Way()

    def use(self, network: Network) -> None:
        """Take this network from now on."""
        self.step = None  # lets go of the memory of the one before
        self.step = Training(network, *self.settings)

    def __call__(self) -> float:
        return self.step()  # type: ignore[misc]


def series() -> list[tuple[str, str, list[tuple[int, Network]]]]:
    """What grows, what stays, and the network at each value."""
    return [
        ("batch", "ResNet-18, images of 224 x 224", [(n, replace(RESNET, batch=n)) for n in BATCHES]),
        ("image side", "ResNet-18, batch 4", [(s, replace(RESNET, batch=4, side=s)) for s in SIDES]),
        (
            "layers",
            "chain of 3 x 3 convolutions of 64 channels with ReLU, batch 16, 32 x 32",
            [(d, replace(CHAIN, model=f"chain{d}")) for d in DEPTHS],
        ),
    ]


def measure(folder: Path, settings: Settings) -> list[Sweep]:
    """Measure all series."""
    sweeps = []
    with (
        Worker(Sizes, folder, settings.threads, "minicnn") as ours,
        Worker(Sizes, folder, settings.threads, "torch") as theirs,
    ):
        for grows, stays, networks in series():
            points = []
            print(f"... {grows}", flush=True)
            for value, network in networks:
                if not weights_path(network, folder).exists():
                    with Worker(write_weights, network, folder) as writer:
                        writer.wait()
                for side in (ours, theirs):
                    side.ask("use", network)
                sides = {"ours": ours, "theirs": theirs}
                found = harness.measure(sides, ROUNDS, SECONDS, settings.patience)
                points.append(Point(value, found["ours"], found["theirs"], network.batch))
            sweeps.append(Sweep(grows, stays, points))
    return sweeps
