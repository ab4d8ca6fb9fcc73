"""A small training with everything that has a state: what the tests, and the processes that they kill, run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn import nn, optim, train
from minicnn.data import DataLoader, TensorDataset, sample_rng
from minicnn.train import Callback

CLASSES = 3


def images(n: int = 36, seed: int = 0) -> TensorDataset:
    """Noise (1, 6, 6) with a bright row that tells the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    x = rng.standard_normal((n, 1, 6, 6)).astype(np.float32)
    x[np.arange(n), 0, labels] += 2
    return TensorDataset(minicnn.from_numpy(x), minicnn.from_numpy(labels))


class Noisy:
    """A dataset with augmentation, from every source of random numbers that can be restored."""

    def __init__(self, data: TensorDataset) -> None:
        self.data = data

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        x, y = self.data[i]
        noise = sample_rng().standard_normal() + np.random.standard_normal()
        return x.numpy() + np.float32(0.1 * noise), int(y)

    def __len__(self) -> int:
        return len(self.data)


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(6 * 36, CLASSES),
    )  # fmt: skip


def mix(inputs: Any, targets: Any) -> tuple[Any, Any]:
    """MixUp, from the global generator."""
    weight = float(minicnn.rand(1).item())
    onehot = nn.functional.one_hot(targets, CLASSES).float()
    return weight * inputs + (1 - weight) * inputs.flip(0), weight * onehot + (1 - weight) * onehot.flip(0)


class Slow(Callback):
    """Time to be killed in."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_step_end(self, run: Any) -> None:
        time.sleep(self.seconds)


class Died(Exception):  # noqa: N818
    """A crash."""


class Die(Callback):
    """Crash after a step, once the checkpoint of that step would be written."""

    order = 11

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, run: Any) -> None:
        if run.step == self.step:
            raise Died


def training(folder: Path, resume: bool = False, epochs: int = 4, extra: Any = (), **options: Any) -> Any:
    """Train; returns (history, model)."""
    minicnn.manual_seed(3)
    np.random.seed(3)
    model = net()
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=24)
    data = images()
    options = {
        "scheduler": train.LRSchedule(scheduler, every="step", warmup=3),
        "metrics": ["accuracy", "f1", "confusion_matrix"],
        "accumulate": 2,
        "progress": False,
        **options,
    }
    history = train.fit(
        model,
        DataLoader(Noisy(data), batch_size=4, shuffle=True),
        DataLoader(images(20, seed=1), batch_size=8),
        optimizer=optimizer,
        epochs=epochs,
        callbacks=[
            train.EMA(0.8),
            train.BatchTransform(mix),
            train.ClipGradients(max_norm=1.0),
            train.EarlyStopping(patience=2),
            train.ReduceLROnPlateau(factor=0.5, patience=1),
            train.JSONLLogger(folder / "log.jsonl", every_steps=1),
            train.CSVLogger(folder / "log.csv"),
            train.ModelCheckpoint(folder, every_steps=2, keep=2),
            *extra,
        ],
        resume=resume,
        **options,
    )
    return history, model


def weights(model: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


if __name__ == "__main__":  # python -m tests.train.toys FOLDER SECONDS: to be killed
    print("ready", flush=True)
    training(Path(sys.argv[1]), resume=True, extra=[Slow(float(sys.argv[2]))])
