"""A folder of tiny photos, and a model that was trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn.cli import main


def fill(folder: Path, count: int, size: tuple[int, int] = (40, 36)) -> None:
    """Dark cats and bright dogs."""
    rng = np.random.default_rng(0)
    for name, low in (("cat", 0), ("dog", 160)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(low, low + 90, (size[1], size[0], 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "photos"
    for part, count in (("train", 6), ("validation", 2), ("test", 3)):
        fill(folder / part, count)
    return folder


@pytest.fixture(scope="session")
def run_folder(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `minicnn train` wrote; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "lenet5"
    flags = ["--epochs", "3", "--batch-size", "4", "--lr", "0.01", "--output", str(folder), "--workers", "0"]
    assert main(["train", "lenet5", str(photos), *flags]) == 0
    return folder
