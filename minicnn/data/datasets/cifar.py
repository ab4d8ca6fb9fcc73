"""CIFAR-10, and the reading of both formats of CIFAR's files."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..download import download as fetch
from ..files import CorruptDataError, OfficialFile, check_official, corrupt, unpack
from ..locations import DatasetNotFoundError, data_places, find_data
from .vision import InMemoryDataset

PIXELS = 3 * 32 * 32  # the planes R, G, B


class CIFAR10(InMemoryDataset):
    """Small photographs: 50,000 training and 10,000 test images, 32 x 32 in colour, ten classes.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images"
    (2009). Reads the authors' binary files (``cifar-10-batches-bin``) and their
    Python pickles (``cifar-10-batches-py``), the latter without running any code
    that they might hold.

    Parameters
    ----------
    root : path, optional
        Where to look first, and where a download goes. Then ``$MINICNN_DATA`` and
        the user's cache are tried; see :func:`minicnn.data.find_data`.
    train : bool, default True
        The training set, or the test set.
    transform : callable, optional
        From a PIL image to what the sample shall hold, ``transforms.ToTensor()`` for example.
    target_transform : callable, optional
        The same for the class number.
    download : bool, default False
        Fetch the files if they are found nowhere (the binary ones, 162 MB).

    Attributes
    ----------
    data : numpy.ndarray (N, 32, 32, 3) of uint8
        The images.
    targets : list of int
        The class numbers.
    classes : list of str
        The classes' names.
    class_to_idx : dict
        From a class's name to its number.

    Raises
    ------
    DatasetNotFoundError
        If the files are found nowhere and ``download`` is False.
    CorruptDataError
        If a file is truncated, damaged or not what its name says.
    DownloadError
        If no mirror gives the archive.

    Examples
    --------
    >>> from minicnn.data.transforms import ToTensor
    >>> test_set = CIFAR10("data", train=False, transform=ToTensor())  # doctest: +SKIP
    >>> test_set[0][0].shape  # doctest: +SKIP
    minicnn.Size([3, 32, 32])
    """

    layout = "cifar10"
    mirrors: tuple[str, ...] = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")
    archive = OfficialFile("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", 170052171)
    unpacked = "cifar-10-batches-bin"  # the archive's folder
    train_batches: tuple[str, ...] = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
    test_batches: tuple[str, ...] = ("test_batch",)
    images_per_batch = 10000
    pickles: tuple[OfficialFile, ...] = (
        OfficialFile("data_batch_1", "c99cafc152244af753f735de768cd75f", 31035704),
        OfficialFile("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec", 31035320),
        OfficialFile("data_batch_3", "54ebc095f3ab1f0389bbae665268c751", 31035999),
        OfficialFile("data_batch_4", "634d18415352ddfa80567beed471001a", 31035696),
        OfficialFile("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb", 31035623),
        OfficialFile("test_batch", "40351d587109b95175f43aff81a1287e", 31035526),
    )
    labels_of_record: tuple[str, ...] = ("labels",)  # in front of the pixels; the last is the class
    classes: ClassVar[list[str]] = [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.train = train
        self.folder = self._download() if download else find_data(self.layout, root)
        parts = [self._read(name) for name in (self.train_batches if train else self.test_batches)]
        planes = np.concatenate([images for images, _ in parts])  # (N, 3, 32, 32)
        labels = np.concatenate([numbers for _, numbers in parts])  # (N, 1 or 2)
        self.data = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        self.targets: list[int] = labels[:, -1].tolist()
        self._keep_labels(labels)

    def _keep_labels(self, labels: NDArray[Any]) -> None:
        """What a dataset does with labels beside the classes."""

    def _size(self, name: str) -> int:
        """Images in a file."""
        return self.images_per_batch

    def _limits(self) -> tuple[int, ...]:
        """How many values each label of a record can have."""
        return (len(self.classes),)

    def _read(self, name: str) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Images and labels (n, labels of a record) of one file, whichever format is there."""
        official = next((file for file in self.pickles if file.name == name), None)
        for path in (self.folder / f"{name}.bin", self.folder / name):
            if path.is_file():
                n, kinds = self._size(name), self.labels_of_record
                images, labels = (
                    read_binary(path, n, len(kinds)) if path.suffix else read_pickle(path, n, official, kinds)
                )
                for column, limit in zip(labels.T, self._limits(), strict=True):
                    if column.min() < 0 or column.max() >= limit:
                        raise CorruptDataError(
                            f"{path}: holds labels from {column.min()} to {column.max()}; expected 0 to {limit - 1}. "
                            "Delete the file and load the dataset with download=True"
                        )
                return images, labels
        raise DatasetNotFoundError(f"{self.folder} lacks {name}.bin (or {name}); load the dataset with download=True")

    def _download(self) -> Path:
        try:
            return find_data(self.layout, self.root)
        except DatasetNotFoundError:
            place = data_places(self.root)[0]
            archive = fetch(self.archive, self.mirrors, place)
            names = [f"{name}.bin" for name in (*self.train_batches, *self.test_batches)]
            unpack(archive, place / self.unpacked, names)
            archive.unlink()
            return place / self.unpacked


def read_binary(path: Path, n: int, labels: int = 1) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Images (n, 3, 32, 32) and labels (n, labels) of a file of n records: bytes of labels, then 3072 of R, G, B.

    The order of the records is free, so only size and labels can be checked, not a checksum.
    """
    content, record = np.fromfile(path, np.uint8), labels + PIXELS
    if content.size != n * record:
        raise corrupt(path, f"expected {n} records of {record} bytes, {n * record} bytes in all", content)
    records = content.reshape(n, record)
    return records[:, labels:].reshape(n, 3, 32, 32), records[:, :labels]


def read_pickle(
    path: Path, n: int, official: OfficialFile | None, kinds: tuple[str, ...] = ("labels",)
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """The same of a Python pickle: a dict with ``data`` (n, 3072) and lists of labels."""
    content = path.read_bytes()
    if official is not None:
        check_official(path, content, official)
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        data, labels = np.asarray(batch["data"]), np.column_stack([np.asarray(batch[kind]) for kind in kinds])
    except Exception as error:  # a damaged pickle can raise almost anything
        raise corrupt(path, f"not a CIFAR batch: {type(error).__name__}: {error}", content, official) from None
    if data.shape != (n, PIXELS) or data.dtype != np.uint8 or labels.shape != (n, len(kinds)):
        problem = (
            f"data {data.shape} of {data.dtype} and labels {labels.shape}, expected ({n}, 3072) of uint8 and "
            f"({n}, {len(kinds)})"
        )
        raise corrupt(path, problem, content, official)
    return data.reshape(n, 3, 32, 32), labels


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and plain values; refuses every other class or function."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR batch needs")
