"""Cases: whole networks, a training step and inference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import minicnn

from .harness import Case


def mnist_convnet(root: Any) -> Any:
    """The network of ``examples/mnist_convnet.py``, in minicnn or in PyTorch."""
    nn = root.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(), nn.Linear(3136, 1000), nn.Linear(1000, 10),
    )  # fmt: skip


def cases(batch: int = 100) -> Iterator[Case]:
    """Training step (Adam) and inference of the MNIST ConvNet."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 1, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, batch)
    steps, inferences = [], []
    for root in (minicnn, torch):
        root.manual_seed(0)
        model = mnist_convnet(root)
        criterion = root.nn.CrossEntropyLoss()
        optimizer = root.optim.Adam(model.parameters(), lr=0.001)
        x, y = root.from_numpy(images), root.from_numpy(labels)

        def step(
            model: Any = model, criterion: Any = criterion, optimizer: Any = optimizer, x: Any = x, y: Any = y
        ) -> float:
            model.train()
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.item()

        def inference(model: Any = model, root: Any = root, x: Any = x) -> object:
            model.eval()
            with root.no_grad():
                return model(x)

        steps.append(step)
        inferences.append(inference)
    forward = 2.0 * batch * (28 * 28 * 32 * 25 + 14 * 14 * 64 * 25 * 32 + 3136 * 1000 + 1000 * 10)
    yield Case(f"MNIST ConvNet, training step, N={batch}", steps[0], steps[1], 3 * forward)
    yield Case(f"MNIST ConvNet, inference, N={batch}", inferences[0], inferences[1], forward)
