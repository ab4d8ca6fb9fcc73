"""What is timed: a training step and inference of one network, in each library that can do it.

Each class is made in a process of its own (``workers.py``) from a network, the folder with its weights and the number
of threads. Calling it does the work once; ``output`` gives the network's output, which must be the same everywhere.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .networks import Network

OPTIMIZERS: dict[str, dict[str, float]] = {"SGD": {"lr": 1e-4, "momentum": 0.9}, "Adam": {"lr": 1e-3}}
AUXILIARY = 0.3  # weight of the losses of GoogLeNet's two auxiliary heads, in its paper


@dataclass(frozen=True)
class Way:
    """One way to run a network in PyTorch."""

    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    frozen: bool = False

    def __str__(self) -> str:
        return ", ".join(
            filter(
                None,
                (
                    "torch.compile" if self.compiled else "",
                    "torch.jit" if self.frozen else "",
                    "channels_last" if self.channels_last else "NCHW",
                    "fused optimiser" if self.fused else "",
                ),
            )
        )


def _start(library: str, threads: int) -> Any:
    root = importlib.import_module(library)
    root.set_num_threads(threads)
    root.manual_seed(0)
    return root


class Training:
    """The whole step: zero_grad, forward, loss, backward, optimiser; with autograd and running statistics."""

    def __init__(
        self,
        row: Network,
        folder: Path,
        threads: int,
        library: str,
        way: Way = Way(),
        batch: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.root = root = _start(library, threads)
        batch = batch or row.batch
        self.model = row.load(library, folder).train().to(device)
        self.x, self.labels = (root.from_numpy(a).to(device) for a in (row.images(batch), row.labels(batch)))
        if way.channels_last:
            self.model.to(memory_format=root.channels_last)
            self.x = self.x.contiguous(memory_format=root.channels_last)
        self.run = root.compile(self.model) if way.compiled else self.model
        self.criterion = root.nn.CrossEntropyLoss()
        fused = {"fused": True} if way.fused else {}
        self.optimizer = getattr(root.optim, row.optimizer)(
            self.model.parameters(), **OPTIMIZERS[row.optimizer], **fused
        )

    def step(self, x: Any, labels: Any) -> Any:
        """One step of the optimiser; returns the loss, a tensor."""
        self.optimizer.zero_grad()
        outputs = self.run(x)
        if isinstance(outputs, tuple):  # GoogLeNet with its auxiliary heads
            main, *others = (self.criterion(output, labels) for output in outputs)
            loss = main + AUXILIARY * sum(others)
        else:
            loss = self.criterion(outputs, labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def __call__(self) -> float:
        value = self.step(self.x, self.labels).item()
        if not math.isfinite(value):
            raise ArithmeticError(f"the loss is {value}")
        return value

    def output(self) -> np.ndarray:
        """Scores in evaluation."""
        self.model.eval()
        with self.root.no_grad():
            scores = self.model(self.x).cpu().numpy()
        self.model.train()
        return scores


class Inference:
    """Evaluation without gradients, in minicnn or PyTorch."""

    def __init__(
        self,
        row: Network,
        folder: Path,
        threads: int,
        batch: int,
        library: str,
        way: Way = Way(),
        device: str = "cpu",
    ) -> None:
        self.root = root = _start(library, threads)
        self.model = row.load(library, folder).eval().to(device)
        self.x = root.from_numpy(row.images(batch)).to(device)
        if way.channels_last:
            self.model.to(memory_format=root.channels_last)
            self.x = self.x.contiguous(memory_format=root.channels_last)
        if way.compiled:
            self.model = root.compile(self.model)
        if way.frozen:  # weights are constants: batch norms are folded, and what oneDNN can fuse is fused
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # this part of PyTorch is there to stay but no longer developed
                self.model = root.jit.optimize_for_inference(root.jit.trace(self.model, self.x))

    def __call__(self) -> np.ndarray:
        with self.root.no_grad():
            return self.model(self.x).cpu().numpy()  # asks for the numbers: minicnn may put work off until then

    output = __call__


def onnx_path(row: Network, folder: Path, batch: int) -> Path:
    """Where the exported network is kept for this run."""
    return folder / f"{row.model}_{batch}.onnx"


def export_onnx(row: Network, folder: Path, batches: tuple[int, ...]) -> None:
    """Write PyTorch's network in ONNX for each batch, by its newer exporter if the package ``onnxscript`` is there."""
    import torch

    model = row.load("torch", folder).eval()
    newer = importlib.util.find_spec("onnxscript") is not None
    for batch in batches:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the older exporter warns that it is the older one
            images = torch.from_numpy(row.images(batch))
            torch.onnx.export(
                model, (images,), str(onnx_path(row, folder, batch)), dynamo=newer, input_names=["images"]
            )


class OnnxRuntime:
    """ONNX Runtime on the exported network."""

    def __init__(self, row: Network, folder: Path, threads: int, batch: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        path = str(onnx_path(row, folder, batch))
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.x = row.images(batch)

    def __call__(self) -> np.ndarray:
        return self.session.run(None, {"images": self.x})[0]

    output = __call__


class OpenVino:
    """OpenVINO on the exported network, in float32 (on some processors it would choose bfloat16)."""

    def __init__(self, row: Network, folder: Path, threads: int, batch: int) -> None:
        import openvino

        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        model = openvino.Core().compile_model(str(onnx_path(row, folder, batch)), "CPU", settings)
        self.request = model.create_infer_request()
        self.x = row.images(batch)

    def __call__(self) -> np.ndarray:
        return next(iter(self.request.infer([self.x], share_inputs=True, share_outputs=True).values()))

    def output(self) -> np.ndarray:
        """Scores, in memory of their own."""
        return self().copy()
