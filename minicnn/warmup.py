"""Compiling ahead: small networks that use the kernels which networks usually use, trained for two steps each; and all
loops of compiled models.

The kernels are then in the cache on disk. Run it once after installing, or when an image of a container is built.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from minicnn_kernels import registry

from . import nn, optim
from .core.dtype import dtype as element_type
from .core.dtype import float32, float64
from .core.grad_mode import no_grad
from .core.tensor import Tensor, from_numpy
from .ops.joining import cat


class _Residual(nn.Module):
    """Two convolutions with normalisation beside a shortcut: the block of a ResNet."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and channels == out_channels
            else nn.Sequential(nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.shortcut(x))


class _Branches(nn.Module):
    """Two convolutions of the same input, joined: the block of an Inception network, of SqueezeNet and DenseNet."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.small, self.large = nn.Conv2d(channels, 32, 1), nn.Conv2d(channels, 32, 3, padding=1)
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(channels, 16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.small(x).relu(), self.large(x).relu(), self.pooled(x)], dim=1)


def _networks() -> dict[str, Callable[[], nn.Module]]:
    """For 3 x 64 x 64 pixels, 10 classes."""
    return {
        "convolutions, ReLU, max pooling, dropout, linear layers": lambda: nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(),
            nn.MaxPool2d(3, 2), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(6), nn.Flatten(),
            nn.Dropout(), nn.Linear(2304, 64), nn.ReLU(), nn.Linear(64, 10),
        ),
        "residual blocks, batch normalisation": lambda: nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
            _Residual(64, 64, 1), _Residual(64, 128, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
        ),
        "branches that are joined, average pooling": lambda: nn.Sequential(
            nn.Conv2d(3, 32, 3, 2), nn.ReLU(), _Branches(32), nn.BatchNorm2d(80), nn.ReLU(), nn.Conv2d(80, 32, 1),
            nn.AvgPool2d(2, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
        ),
        "depthwise and grouped convolutions, ReLU6": lambda: nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(),
            nn.Conv2d(32, 32, 3, 1, 1, groups=32, bias=False), nn.BatchNorm2d(32), nn.ReLU6(),
            nn.Conv2d(32, 32, 3, 2, 1, groups=32, bias=False), nn.BatchNorm2d(32), nn.ReLU6(),
            nn.Conv2d(32, 32, 3, 1, 1, groups=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
        ),
    }  # fmt: skip


Optimizers = Callable[[list[nn.Parameter]], optim.Optimizer]


def _train(model: nn.Module, kind: element_type, optimizer_of: Optimizers) -> None:
    """Two steps of training (an optimiser's first is special), then inference in batches of 8 and of 1."""
    random = np.random.default_rng(0)
    model.to(kind)
    x, labels = from_numpy(random.standard_normal((8, 3, 64, 64))).to(kind), from_numpy(random.integers(0, 10, 8))
    optimizer = optimizer_of(list(model.parameters()))
    for _ in range(2):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(x), labels).backward()
        optimizer.step()
    model.eval()
    with no_grad():
        nn.functional.softmax(model(x), dim=1)
        model(x[:1])
        nn.functional.relu_(nn.functional.relu(x))  # where it is not joined to what is before


class Warmed(NamedTuple):
    """What compiling ahead took, and what it left."""

    seconds: float
    folder: str | None  # None: there is no directory that can be written
    files: int
    size: int  # bytes

    def __str__(self) -> str:
        if self.folder is None:
            kept = "nothing is kept, for there is no directory that can be written (see NUMBA_CACHE_DIR)"
        else:
            kept = f"the compiled kernels are in {self.folder}: {self.files} files, {self.size / 2**20:.1f} MiB"
        return f"{self.seconds:.0f} s; {kept}"


def warmup(dtype: str = "float32", say: Callable[[str], object] = print) -> Warmed:
    """Compile what usual networks need, and say where the compiled kernels are.

    Parameters
    ----------
    dtype : {"float32", "float64"}
    say : callable, default print
        Is given a line for each network.

    Raises
    ------
    BackendError
        If Numba, which compiles, is not installed.
    """
    start = time.perf_counter()
    kind = {"float32": float32, "float64": float64}[dtype]
    optimizers: tuple[Optimizers, ...] = (
        optim.Adam,
        partial(optim.SGD, lr=0.01, momentum=0.9),
        partial(optim.SGD, lr=0.01),
        optim.AdamW,
    )
    networks = _networks()
    with registry.use_backend("numba"):
        for number, (what, optimizer_of) in enumerate(zip(networks, optimizers, strict=True), 1):
            say(f"[{number}/{len(networks)}] {what} ...")
            _train(networks[what](), kind, optimizer_of)
        from minicnn_kernels.numba_cpu import cache
        from minicnn_kernels.numba_cpu.staged.launch import compile_all

        compile_all()

    files = [path for folder in cache.folders for path in folder.glob("*") if path.suffix in (".nbi", ".nbc", ".o")]
    folder = os.path.commonpath(cache.folders) if cache.folders else None
    return Warmed(time.perf_counter() - start, folder, len(files), sum(path.stat().st_size for path in files))
