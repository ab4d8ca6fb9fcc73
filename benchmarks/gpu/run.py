"""The parts of ``python -m benchmarks gpu``, each printed, and written if so wished, when it is done."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import results
from ..layers import STEPS, profile
from ..networks import Network, weights_path, write_weights
from ..sides import Inference, Training
from . import checks, peak, report, steps

TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
CURVE = checks.TOP / "docs" / "resnet20-cifar10.png"


class Run:
    """What is measured, how, and where the text goes."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.failed: list[str] = []
        self.peaks: dict[str, Any] = {}

    def section(self, title: str, text: str) -> None:
        """Print a section, and put it into RESULTS-gpu.md."""
        print(f"\n## {title}\n\n{text}", flush=True)
        if self.args.write:
            report.RESULTS.write(title, text)

    def networks(self) -> Iterator[Network]:
        """Those that are wanted, one after another, with its weights in the folder."""
        for network in steps.COMPARED:
            names = (network.name.lower(), network.model)
            if not self.args.only or any(text.lower() in name for text in self.args.only for name in names):
                print(f"... {network.name}", flush=True)
                if not weights_path(network, self.folder).exists():
                    write_weights(network, self.folder)
                yield network

    def machine(self) -> None:
        if {"training", "inference", "layers"} & set(self.args.parts):
            self.peaks = peak.peaks()
            self.section("Machine", results.machine(peak.describe(self.peaks)))

    def tests(self) -> None:
        outcome = checks.pytest(*checks.TESTS)
        self.section("Tests", report.tests(outcome))
        if not outcome.clean:
            self.failed.append("tests")

    def sanitizer(self) -> None:
        program = checks.sanitizer()
        if program is None:
            self.section("Sanitizer", "Not run: compute-sanitizer is not installed (it comes with the CUDA toolkit).")
            return
        outcomes = {tool: checks.sanitized(program, tool) for tool in TOOLS}
        self.section("Sanitizer", report.sanitizer(outcomes))
        if not all(outcome.clean for outcome in outcomes.values()):
            self.failed.append("sanitizer")

    def _steps(self, title: str, kind: type[Any]) -> None:
        rows: list[steps.GpuRow] = []
        for network in self.networks():
            rows += steps.rows(kind, network, self.folder, self.args.rounds, self.args.seconds)
        self.section(title, report.steps(rows))

    def training(self) -> None:
        self._steps("Training", Training)

    def inference(self) -> None:
        self._steps("Inference", Inference)

    def layers(self) -> None:
        import minicnn

        def now() -> float:
            minicnn.cuda.synchronize()
            return time.perf_counter()

        texts = [results.LAYERS]
        for network in self.networks():
            for precision in peak.PRECISIONS:
                name = f"{network.name}, training step, batch {network.batch}, {precision}"
                with peak.in_precision(precision):
                    step = Training(network, self.folder, 1, "minicnn", device="cuda")
                    texts.append(results.layers(profile(name, step, STEPS, now), self.peaks[precision]))
        self.section("Layers", "\n\n".join(texts))

    def cifar(self) -> None:
        """The whole training of ResNet-20, as the example does it; its curve goes to docs."""
        output = self.folder / "cifar10"
        command = [sys.executable, str(checks.TOP / "examples" / "cifar10_resnet.py"), "--full", "--models", "resnet20"]
        command += ["--device", "cuda", "--output", str(output)]
        command += ["--data-dir", self.args.data_dir] if self.args.data_dir else []
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            self.failed.append("cifar")
            return
        minutes = (time.perf_counter() - start) / 60
        last = done.stdout.strip().splitlines()[-12:]
        self.section("ResNet-20 on CIFAR-10", "\n".join((f"{minutes:.0f} minutes in all.", "", "```", *last, "```")))
        if self.args.write:
            shutil.copy(output / "errors.png", CURVE)
