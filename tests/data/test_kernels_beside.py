"""Workers that use the compiled kernels while the loop that they feed trains: the same numbers as without workers."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.data import DataLoader, Dataset


class Blurred(Dataset):
    """Noise through a convolution, which runs in the worker."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[minicnn.Tensor, int]:
        noise = np.random.default_rng(index).standard_normal((1, 3, 40, 40)).astype(np.float32)
        with minicnn.no_grad():
            blurred = nn.functional.conv2d(minicnn.from_numpy(noise), minicnn.full((16, 3, 3, 3), 1 / 27), padding=1)
            return nn.functional.max_pool2d(blurred, 2)[0], index % 4


def trained(**workers) -> list[float]:
    """Losses of two epochs."""
    minicnn.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)
    )
    optimizer = minicnn.optim.SGD(model.parameters(), 0.1)
    losses = []
    loader = DataLoader(Blurred(), 6, **workers)
    for _ in range(2):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_workers_beside_kernels(mode) -> None:
    alone = trained()
    assert len(set(alone)) == 8
    assert trained(num_workers=2, worker_mode=mode, timeout=120) == alone
