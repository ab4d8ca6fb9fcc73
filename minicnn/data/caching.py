"""Samples kept in memory, so that an image is decoded once and not in every epoch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, from_numpy
from .dataset import Dataset
from .randomness import nothing_random

Transform = Callable[[Any], Any]


class CachedDataset(Dataset[Any]):
    """The samples of another dataset, kept in memory as far as a budget goes; augmentation comes after.

    The first samples that are asked for are kept until the budget is spent, the others are read anew each time: in
    training all come equally often, so none is better to keep than another. ``transform`` is applied to what was kept,
    in every epoch anew. Give it the whole augmentation, and the dataset inside none: what is random there would be
    drawn once and kept, and is refused.

    Parameters
    ----------
    dataset : Dataset
        Its samples are images, arrays or tensors, numbers, and tuples, lists or dicts of these.
    transform : callable, optional
        From the image (the first part of a sample that is a tuple) to what the sample shall hold.
    target_transform : callable, optional
        The same for the second part.
    max_bytes : int, default 2**30
        The budget: 1 GiB. A decoded image of 180 x 180 takes 97 kB, one of 500 x 375 takes 0.56 MB.

    Attributes
    ----------
    cached : int
        How many samples are kept.
    nbytes : int
        What they take.

    Raises
    ------
    RuntimeError
        If the dataset inside draws random numbers.

    Notes
    -----
    Workers that are threads share what is kept; each worker that is a process has a cache and a budget of its own, and
    loses it at the end of the epoch unless the loader has ``persistent_workers=True``.

    Examples
    --------
    >>> from minicnn.data import datasets, transforms
    >>> augment = transforms.Compose([transforms.RandomCrop(24), transforms.ToTensor()])
    >>> data = CachedDataset(datasets.FakeData(100, (3, 32, 32)), augment, max_bytes=50 * 3 * 32 * 32)
    >>> for image, label in (data[i] for i in range(100)):
    ...     pass
    >>> image.shape, 40 < data.cached < 50  # the rest is read anew each time
    (minicnn.Size([3, 24, 24]), True)
    """

    def __init__(
        self,
        dataset: Any,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        max_bytes: int = 2**30,
    ) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, (int, np.integer)) or max_bytes < 0:
            raise ValueError(
                f"CachedDataset: max_bytes is a whole number of bytes, such as 2**30 for 1 GiB; got {max_bytes!r}"
            )
        self.dataset = dataset
        self.transform = transform
        self.target_transform = target_transform
        self.max_bytes = int(max_bytes)
        self._empty()

    def _empty(self) -> None:
        self._samples: dict[int, Any] = {}
        self._full = False
        self._lock = threading.Lock()
        self.nbytes = 0

    @property
    def cached(self) -> int:
        """How many samples are kept."""
        return len(self._samples)

    @property
    def targets(self) -> Any:
        """The class numbers of the dataset inside."""
        return self.dataset.targets

    @property
    def classes(self) -> Any:
        """The classes' names of the dataset inside."""
        return self.dataset.classes

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        sample = self._samples.get(index)
        if sample is None:
            sample = self._read(index)
        sample = _copy(sample)  # whatever a transform writes into it, the kept one stays
        if not isinstance(sample, tuple):
            return sample if self.transform is None else self.transform(sample)
        parts = list(sample)
        for i, transform in enumerate((self.transform, self.target_transform)):
            if transform is not None:
                parts[i] = transform(parts[i])
        return _like(sample, parts)

    def _read(self, index: int) -> Any:
        """The sample of the dataset inside, kept if there is room."""
        inside = type(self.dataset).__name__
        with nothing_random(
            f"CachedDataset: {inside} draws random numbers, and what it draws would be kept for all epochs. Fix: "
            f"{inside}(...) without random transforms, and CachedDataset({inside}(...), transform=...) with them"
        ):
            sample = self.dataset[index]
        size = _size(sample)
        with self._lock:
            if not self._full and index not in self._samples:
                if self.nbytes + size <= self.max_bytes:
                    self._samples[index] = sample
                    self.nbytes += size
                else:
                    self._full = True
        return sample

    def __getstate__(self) -> dict[str, Any]:
        """Without what is kept: a process has a cache of its own."""
        state = vars(self).copy()
        for name in ("_samples", "_lock", "_full", "nbytes"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._empty()

    def __repr__(self) -> str:
        return f"CachedDataset({self.dataset!r}, {self.cached} of {len(self)} samples kept, {self.nbytes / 1e6:.1f} MB)"


def _is_image(part: Any) -> bool:
    return type(part).__module__.startswith("PIL.")


def _copy(part: Any) -> Any:
    """A sample that shares no memory with the kept one."""
    if isinstance(part, Tensor):
        return from_numpy(np.array(part.detach()))
    if isinstance(part, np.ndarray) or _is_image(part):
        return part.copy()
    if isinstance(part, (tuple, list)):
        return _like(part, [_copy(inner) for inner in part])
    if isinstance(part, dict):
        return {key: _copy(value) for key, value in part.items()}
    return part


def _like(example: Any, values: list[Any]) -> Any:
    """``values`` in the type of ``example``: a list, a tuple or a namedtuple."""
    return type(example)(*values) if hasattr(example, "_fields") else type(example)(values)


def _size(part: Any) -> int:
    """Bytes that a part of a sample takes, with 100 or so for the object around its data."""
    own = sys.getsizeof(part)
    if _is_image(part):
        bits = {"1": 8, "I;16": 16, "I": 32, "F": 32}.get(part.mode, 8)
        return own + part.width * part.height * len(part.getbands()) * bits // 8
    if isinstance(part, (np.ndarray, Tensor)):
        return 112 + int(np.asarray(part.detach() if isinstance(part, Tensor) else part).nbytes)
    if isinstance(part, (tuple, list)):
        return own + sum(_size(inner) for inner in part)
    if isinstance(part, dict):
        return own + sum(_size(value) for value in part.values())
    return own
