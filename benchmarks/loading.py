"""Loading: does a DataLoader that decodes and augments photos keep a training step of AlexNet fed?

The photos are JPEGs of 180 x 180 pixels, as they are or augmented, brought to 227 x 227. First the loader runs alone:
images per second with 0, 1 and 2 workers (threads). Then AlexNet trains on what it gives, and a step is compared with
one on a batch that is there already: the difference is the waiting, and what the workers take of the processors.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .harness import Timing, Turn, take_turn, timing, wait_until_idle
from .settings import Settings
from .workers import Worker

BATCH, SIDE = 32, 227
PHOTOS, PIXELS = 640, 180
DATA = "dogs_vs_cats_small"
WORKERS = (0, 1, 2)
STEPS = 6  # of a turn
ROUNDS = 3


@dataclass(frozen=True)
class LoadingRow:
    """One way of loading; ``workers`` None: the same batch again and again."""

    name: str
    workers: int | None
    rate: float  # images per second, the loader alone
    step: Timing


def pipelines() -> dict[str, Any]:
    """The transforms that are compared, by what they do."""
    from minicnn.data import transforms as T

    end = [T.ToTensor(), T.Normalize(T.presets.IMAGENET_MEAN, T.presets.IMAGENET_STD)]
    crop = [T.RandomResizedCrop(SIDE), T.RandomHorizontalFlip()]
    affine = T.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), interpolation=T.InterpolationMode.BILINEAR, fill_mode="reflect")
    return {
        "resized": T.Compose([T.Resize((SIDE, SIDE)), *end]),
        "cropped, mirrored": T.Compose([*crop, *end]),
        "and colours, rotation with reflection": T.Compose([*crop, T.ColorJitter(0.2, 0.2, 0.2), affine, *end]),
    }


def photos(folder: Path) -> tuple[Path, str]:
    """Real photos where there are some, or else pictures with about as much detail; and what they are."""
    from PIL import Image

    from minicnn.data import DatasetNotFoundError, find_data

    try:
        return find_data(DATA) / "train", "photos of dogs and cats"
    except DatasetNotFoundError:
        pass
    rng = np.random.default_rng(0)
    for i in range(PHOTOS):
        path = folder / "photos" / str(i % 2) / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8))
        coarse.resize((PIXELS, PIXELS), Image.Resampling.BICUBIC).save(path, quality=90)
    return folder / "photos", "generated pictures"


class Loading:
    """AlexNet, and loaders of photos, in a process of their own."""

    def __init__(self, folder: Path, threads: int) -> None:
        import minicnn
        from minicnn import models, nn, optim
        from minicnn.data import datasets

        minicnn.set_num_threads(threads)
        minicnn.manual_seed(0)
        self.model = models.alexnet(num_classes=2)
        self.optimizer = optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9)
        self.criterion = nn.CrossEntropyLoss()
        place, self.what = photos(folder)
        self.sets = {name: datasets.ImageFolder(place, transform) for name, transform in pipelines().items()}
        self.ready = next(self._batches("resized", 0))

    def described(self) -> str:
        """Which photos."""
        return self.what

    def rate(self, name: str, workers: int) -> float:
        """Images per second of the loader alone, from the second batch on."""
        batches = self._batches(name, workers)
        next(batches)
        start = time.perf_counter()
        for _ in range(PHOTOS // BATCH):
            next(batches)
        return PHOTOS / (time.perf_counter() - start)

    def steps(self, name: str, workers: int | None) -> Turn:
        """Some training steps; those that find batches made before them are not counted."""
        batches = self._batches(name, workers) if workers is not None else None

        def step() -> None:
            images, labels = self.ready if batches is None else next(batches)
            loss = self.criterion(self.model(images), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

        return take_turn(step, STEPS, 2 * (workers or 0) + 1)

    def _batches(self, name: str, workers: int) -> Iterator[Any]:
        """Batches of pass after pass."""
        from minicnn.data import DataLoader

        loader = DataLoader(self.sets[name], BATCH, shuffle=True, num_workers=workers, drop_last=True)
        while True:
            yield from loader


def measure(folder: Path, settings: Settings) -> tuple[str, list[LoadingRow]]:
    """Which photos, and all ways of loading them, in turns."""
    ways: list[tuple[str, int | None]] = [("no loading", None)]
    ways += [(name, workers) for name in pipelines() for workers in WORKERS]
    with Worker(Loading, folder, settings.threads) as loading:
        what = f"{loading.ask('described')}, {settings.threads} threads, {os.cpu_count()} processors"
        loading.ask("steps", "resized", None)  # compiles
        rates = {}
        for name, workers in ways[1:]:
            wait_until_idle(settings.patience / len(ways))
            rates[name, workers] = loading.ask("rate", name, workers)
        turns: dict[tuple[str, int | None], list[Turn]] = {way: [] for way in ways}
        for _ in range(min(settings.rounds, ROUNDS)):
            for way in ways:
                turns[way].append(loading.ask("steps", *way))
    return what, [LoadingRow(*way, rates.get(way, 0.0), timing(turns[way])) for way in ways]
