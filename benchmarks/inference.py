"""Inference: each network in minicnn, ONNX Runtime, OpenVINO and PyTorch, with the same weights.

PyTorch exports the network (``torch.onnx.export``); the other two read that file. All sides take turns, each in a
process of its own, after their outputs have been compared.
"""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .harness import Timing, measure
from .networks import Network
from .settings import Settings
from .sides import Inference, OnnxRuntime, OpenVino, Way, export_onnx
from .training import check_same
from .workers import Worker, WorkerError

EAGER, OURS = "minicnn", "minicnn.compile"
PACKAGES = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}
WAYS = (Way(), Way(channels_last=True), Way(frozen=True))


@dataclass(frozen=True)
class InferenceRow:
    """Times of all sides; PyTorch's ways are sides named ``PyTorch, ...``."""

    name: str
    batch: int
    times: dict[str, Timing]
    failures: dict[str, str] = field(default_factory=dict)

    def best_of_pytorch(self) -> str:
        """The name of the fastest of PyTorch's ways."""
        return min(
            (name for name in self.times if name.startswith("PyTorch")), key=lambda name: self.times[name].median
        )

    def ratio(self, other: str) -> float:
        """The other side's time / that of the compiled model."""
        return self.times[other].median / self.times[OURS].median


def missing() -> dict[str, str]:
    """Which of the other engines cannot be measured here, and why."""
    return {
        name: f"the package is not installed (pip install {package})"
        for name, package in PACKAGES.items()
        if importlib.util.find_spec(package) is None
    }


def rows(network: Network, folder: Path, settings: Settings) -> list[InferenceRow]:
    """Measure one network, with its batch and with single images."""
    batches = (network.batch, 1)
    with Worker(export_onnx, network, folder, batches) as exporter:
        exporter.wait()
    return [_row(network, batch, folder, settings) for batch in batches]


def _row(network: Network, batch: int, folder: Path, settings: Settings) -> InferenceRow:
    makers: dict[str, tuple[Any, ...]] = {
        EAGER: (Inference, "minicnn"),
        OURS: (Inference, "minicnn", Way(compiled=True)),
    }
    makers |= {f"PyTorch, {way}": (Inference, "torch", way) for way in WAYS}
    makers |= {"ONNX Runtime": (OnnxRuntime,), "OpenVINO": (OpenVino,)}
    failures = missing()
    with ExitStack() as stack:
        sides: dict[str, Worker] = {}
        for name, (make, *rest) in makers.items():
            if name not in failures:
                worker = Worker(make, network, folder, settings.threads, batch, *rest)
                sides[name] = stack.enter_context(worker)
        expected = sides[EAGER].ask("output")
        for name in list(sides):
            try:
                check_same(f"{network.name}, {name}", sides[name].ask("output"), expected)
            except WorkerError as error:
                failures[name] = error.reason()
                del sides[name]
        times = measure(sides, settings.rounds, settings.seconds, settings.patience)
    return InferenceRow(network.name, batch, times, failures)
