"""Training and inference of one network on the GPU, beside PyTorch in the same process.

A step ends when its loss is known on the CPU, an inference when its scores are. So each call waits for the GPU, and
what is timed is what the program waits for. PyTorch runs its kernels one by one (eager), in both of its memory formats
with the fused optimiser; minicnn one by one, and as a CUDA graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minicnn

from ..harness import Timing, in_turns, measure
from ..networks import NETWORKS, Network
from ..sides import Inference, Training, Way
from ..training import difference
from .peak import PRECISIONS, in_precision

BATCHES = {"alexnet": 128, "vgg16": 64, "googlenet": 64, "resnet18": 64, "resnet50": 64, "mobilenet_v2": 64}
COMPARED = tuple(
    dataclasses.replace(network, batch=BATCHES.get(network.model, network.batch))
    for network in NETWORKS
    if network.model in BATCHES or network.model == "mnist_convnet"
)
EAGER, GRAPH = "minicnn", "minicnn, graph"
EAGERLY = Way()
WAYS = (Way(fused=True), Way(channels_last=True, fused=True))
DEVICES = {"minicnn": "cuda", "torch": "cuda"}
AGREEMENT = {"tf32": 2e-2, "strict": 1e-3}  # of the largest score; TF32 keeps 10 bits of each factor


@dataclasses.dataclass(frozen=True)
class GpuRow:
    """Times of all sides in one precision; PyTorch's are named ``PyTorch, ...``."""

    name: str
    batch: int
    precision: str
    times: dict[str, Timing]
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def ours(self) -> str:
        """The faster of our ways."""
        return min((name for name in (EAGER, GRAPH) if name in self.times), key=lambda name: self.times[name].median)

    @property
    def theirs(self) -> str:
        """The fastest of PyTorch's."""
        return min((n for n in self.times if n.startswith("PyTorch")), key=lambda name: self.times[name].median)

    @property
    def ratio(self) -> float:
        """PyTorch's time / ours."""
        return self.times[self.theirs].median / self.times[self.ours].median


def graphed(side: Training | Inference) -> Callable[[], object]:
    """The side's work, captured once and replayed."""
    if isinstance(side, Training):
        step = minicnn.cuda.graph(side.step)
        return lambda: step(side.x, side.labels).item()
    with minicnn.no_grad():
        run = minicnn.cuda.graph(side.model)

    def inferred() -> np.ndarray:
        with minicnn.no_grad():
            return run(side.x).cpu().numpy()

    return inferred


def row(kind: type[Any], network: Network, precision: str, folder: Path, rounds: int, seconds: float) -> GpuRow:
    """Measure one network's training or inference (``kind``: one of the sides of the CPU's benchmarks)."""

    def made(library: str, way: Way = EAGERLY) -> Any:
        if kind is Training:
            return Training(network, folder, 1, library, way, device=DEVICES[library])
        return Inference(
            network, folder, 1, network.batch, library, dataclasses.replace(way, fused=False), DEVICES[library]
        )

    with in_precision(precision):
        ours = made("minicnn")
        expected = ours.output()
        sides: dict[str, Callable[[], object]] = {EAGER: ours}
        failures: dict[str, str] = {}
        try:
            sides[GRAPH] = graphed(made("minicnn"))
        except (RuntimeError, ValueError, TypeError) as error:  # said in the table
            failures[GRAPH] = str(error).strip().splitlines()[0]
        for way in WAYS:
            side = made("torch", way)
            off = difference(side.output(), expected)
            if not off <= AGREEMENT[precision]:  # NaN too
                raise ArithmeticError(
                    f"{network.name}, {precision}, {way}: the outputs differ by {off:.1e} of the largest score"
                )
            sides[f"PyTorch, {way}"] = side
        return GpuRow(network.name, network.batch, precision, measure(in_turns(**sides), rounds, seconds, 0), failures)


def rows(kind: type[Any], network: Network, folder: Path, rounds: int, seconds: float) -> list[GpuRow]:
    """In both precisions, giving memory back between them."""
    found = []
    for precision in PRECISIONS:
        found.append(row(kind, network, precision, folder, rounds, seconds))
        minicnn.cuda.empty_cache()
    return found
