"""One run: the parts of the benchmarks one after the other, each printed, and written if so wished, when it is done."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from . import inference, loading, operations, results, scaling, startup, training
from .layers import STEPS, Profiled
from .networks import NETWORKS, Network, weights_path, write_weights
from .settings import Settings
from .workers import Worker

PROFILED = ("vgg16", "resnet50", "mobilenet_v2")  # without --only


class Run:
    """What is measured, how, and where the text goes."""

    def __init__(self, settings: Settings, only: list[str], folder: Path, write: bool) -> None:
        self.settings, self.only, self.folder, self.write = settings, only, folder, write

    def chosen(self, *names: str) -> bool:
        """Whether a case of these names is wanted."""
        return not self.only or any(text.lower() in name.lower() for text in self.only for name in names)

    def networks(self) -> Iterator[Network]:
        """Those that are wanted, one after another, with its weights in the folder."""
        for network in NETWORKS:
            if self.chosen(network.name, network.model):
                print(f"... {network.name}", flush=True)
                if not weights_path(network, self.folder).exists():
                    with Worker(write_weights, network, self.folder) as writer:
                        writer.wait()
                yield network
                for path in self.folder.glob("*.onnx*"):
                    path.unlink()

    def section(self, title: str, text: str) -> None:
        """Print a section, and put it into RESULTS.md."""
        print(f"\n## {title}\n\n{text}", flush=True)
        if self.write:
            results.RESULTS.write(title, text)

    def machine(self) -> str:
        """Measure its peaks."""
        with Worker(importlib.import_module, "benchmarks.machine") as machine:
            self.peak = machine.ask("measure_peak", self.settings.threads)
            return results.machine(machine.ask("describe", self.settings.threads, self.peak))

    def training(self) -> None:
        rows = [training.row(network, self.folder, self.settings) for network in self.networks()]
        self.section("Training", results.training(rows))

    def inference(self) -> None:
        rows = [row for network in self.networks() for row in inference.rows(network, self.folder, self.settings)]
        self.section("Inference", results.inference(rows))

    def layers(self) -> None:
        texts = [results.LAYERS]
        for network in self.networks():
            if self.only or network.model in PROFILED:
                settings = self.settings
                with Worker(Profiled, network, self.folder, settings.threads, settings.inference) as profiled:
                    texts.append(results.layers(profiled.ask("profile", STEPS), self.peak))
        self.section("Layers", "\n\n".join(texts))

    def scaling(self) -> None:
        self.section("Growth", results.growth(scaling.measure(self.folder, self.settings)))

    def startup(self) -> None:
        self.section("Start-up", results.startup(startup.measure(self.folder, self.settings)))

    def loading(self) -> None:
        self.section("Loading", results.loading(*loading.measure(self.folder, self.settings)))

    def operations(self) -> None:
        rows = [operations.row(case, self.settings) for case in operations.cases() if self.chosen(case.name)]
        self.section("Operations", results.operations(rows))
