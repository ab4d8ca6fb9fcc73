"""STL-10."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..download import download as fetch
from ..files import CorruptDataError, OfficialFile, corrupt, unpack
from ..locations import DatasetNotFoundError, data_places, find_data
from .vision import InMemoryDataset

SPLITS = ("train", "train+unlabeled", "unlabeled", "test")
IMAGE = 3 * 96 * 96


class STL10(InMemoryDataset):
    """Photographs, 96 x 96 in colour, ten classes: 5,000 training and 8,000 test images, 100,000 without a class.

    Source: Coates, Lee, Ng, "An Analysis of Single Layer Networks in Unsupervised
    Feature Learning", AISTATS (2011). Reads the authors' binary files
    (``stl10_binary``). The images without a class are read from the disk as they
    are asked for.

    Parameters
    ----------
    root : path, optional
        Where to look first, and where a download goes. Then ``$MINICNN_DATA`` and
        the user's cache are tried; see :func:`minicnn.data.find_data`.
    split : {"train", "train+unlabeled", "unlabeled", "test"}
    folds : int from 0 to 9, optional
        One of the authors' ten choices of 1,000 training images, for comparisons with few labels.
    transform : callable, optional
        From a PIL image to what the sample shall hold, ``transforms.ToTensor()`` for example.
    target_transform : callable, optional
        The same for the class number.
    download : bool, default False
        Fetch the files if they are found nowhere (2.6 GB).

    Attributes
    ----------
    data : numpy.ndarray (N, 96, 96, 3) of uint8
        The images.
    targets : numpy.ndarray (N,) of int64
        The class numbers from 0 to 9, -1 for images without a class. ``labels`` is the same.
    classes : list of str
        The classes' names.
    class_to_idx : dict
        From a class's name to its number.

    Raises
    ------
    DatasetNotFoundError
        If the files are found nowhere and ``download`` is False.
    CorruptDataError
        If a file is truncated, or images and labels do not belong together.
    DownloadError
        If no mirror gives the archive.

    Examples
    --------
    >>> STL10.classes[:3]
    ['airplane', 'bird', 'car']
    >>> STL10("data", split="train", folds=0)  # doctest: +SKIP
    Dataset STL10
        Number of datapoints: 1000
        Root location: data
        Split: train
    """

    mirrors: tuple[str, ...] = ("http://ai.stanford.edu/~acoates/stl10/", "https://cs.stanford.edu/~acoates/stl10/")
    archive = OfficialFile("stl10_binary.tar.gz", "91f7769df0f17e558f3565bffb0c7dfb", 2640397119)
    files = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "unlabeled_X.bin", "fold_indices.txt")
    classes: ClassVar[list[str]] = [
        "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: str = "train",
        folds: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        if split not in SPLITS:
            raise ValueError(f"STL10: split is one of {', '.join(map(repr, SPLITS))}; got {split!r}")
        if folds is not None and (folds not in range(10) or not split.startswith("train")):
            raise ValueError(
                f"STL10: folds is a number from 0 to 9, for the training images; got folds={folds!r}, split={split!r}"
            )
        self.split = split
        self.folds = folds
        self.folder = self._download() if download else find_data("stl10", root)
        self.data, self.targets = self._labelled() if split != "unlabeled" else self._unlabelled()
        if split == "train+unlabeled":
            more, none = self._unlabelled()
            self.data, self.targets = np.concatenate([self.data, more]), np.concatenate([self.targets, none])

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class numbers, by torchvision's name."""
        return self.targets  # type: ignore[no-any-return]

    def _labelled(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images and class numbers of the training or the test set."""
        part = "test" if self.split == "test" else "train"
        images, path = self._images(f"{part}_X.bin"), self._path(f"{part}_y.bin")
        labels = np.fromfile(path, np.uint8).astype(np.int64) - 1  # the files count from 1
        if len(labels) != len(images):
            raise CorruptDataError(
                f"{self.folder}: {len(images)} images in {part}_X.bin, but {len(labels)} labels in {path.name}; the "
                "files do not belong together"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise CorruptDataError(
                f"{path}: holds labels from {labels.min() + 1} to {labels.max() + 1}; expected 1 to {len(self.classes)}"
            )
        if self.folds is None:
            return images, labels
        chosen = self._fold(len(images))
        return images[chosen], labels[chosen]

    def _unlabelled(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        images = self._images("unlabeled_X.bin")
        return images, np.full(len(images), -1)

    def _images(self, name: str) -> NDArray[np.uint8]:
        """(N, 96, 96, 3) on the disk; the file holds columns after columns, (N, 3, 96 of x, 96 of y)."""
        path = self._path(name)
        size = path.stat().st_size
        if size == 0 or size % IMAGE:
            raise corrupt(path, f"expected images of {IMAGE} bytes each", range(size))
        return np.memmap(path, np.uint8, "r").reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)

    def _fold(self, n: int) -> NDArray[np.int64]:
        path = self._path("fold_indices.txt")
        lines = path.read_text().splitlines()
        try:
            chosen = np.array(lines[self.folds or 0].split(), np.int64)
        except (IndexError, ValueError):
            chosen = np.empty(0, np.int64)
        if not chosen.size or not 0 <= chosen.min() <= chosen.max() < n:
            raise CorruptDataError(
                f"{path}: expected ten lines of numbers from 0 to {n - 1}; line {(self.folds or 0) + 1} is no such line"
            )
        return chosen

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise DatasetNotFoundError(f"{self.folder} lacks {name}; load the dataset with download=True")
        return path

    def _download(self) -> Path:
        try:
            return find_data("stl10", self.root)
        except DatasetNotFoundError:
            place = data_places(self.root)[0]
            archive = fetch(self.archive, self.mirrors, place)
            unpack(archive, place / "stl10_binary", self.files)
            archive.unlink()
            return place / "stl10_binary"

    def extra_repr(self) -> str:
        """The line about the split."""
        return f"Split: {self.split}"
