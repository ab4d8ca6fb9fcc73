"""Datasets for the tests of loaders, in a module of their own so that worker processes can import them."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from minicnn.data import Dataset, get_worker_info, sample_rng


class Noisy(Dataset):
    """Sample i is (noise, i): an augmentation that shows what it drew."""

    def __init__(self, n: int = 23) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return sample_rng().normal(size=(1, 4, 4)).astype(np.float32), index


class TwoPartError(Exception):
    """An error whose constructor does not take its args back."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__(f"{path}:{line}")
        self.line = line


class Faulty(Noisy):
    """Does something bad at one index."""

    def __init__(self, n: int, bad: int, deed: str) -> None:
        super().__init__(n)
        self.bad = bad
        self.deed = deed

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if index == self.bad:
            if self.deed == "key":
                raise KeyError("no such picture")
            if self.deed == "two":
                raise TwoPartError("labels.csv", 12)
            if self.deed == "local":
                raise type("LocalError", (Exception,), {})("of a class that cannot be pickled")
            if self.deed == "timeout":
                raise TimeoutError("the dataset's own")
            if self.deed == "exit":
                os._exit(7)
            if self.deed == "sleep":
                time.sleep(60)
        return super().__getitem__(index)


class WhoAmI(Dataset):
    """Sample i is the id of the worker that made it, or -1."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        info = get_worker_info()
        return -1 if info is None else info.id


def init_that_fails(worker_id: int) -> None:
    """A worker_init_fn with a mistake."""
    raise LookupError(f"worker {worker_id} finds nothing")


def mixup(samples: list[Any]) -> float:
    """A collate_fn that draws."""
    return float(sample_rng().random())


def values(batches: Any) -> list[Any]:
    """Batches as plain numbers."""
    return [[part.tolist() for part in batch] if isinstance(batch, list) else batch.tolist() for batch in batches]
