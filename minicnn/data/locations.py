"""Where datasets lie on disk."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


class DatasetNotFoundError(FileNotFoundError, RuntimeError):
    """No folder holds the dataset; the message lists where it was looked for."""


@dataclass(frozen=True)
class Layout:
    """The folders, below a place for data, that may hold a dataset, and files one of which shows that it does."""

    folders: tuple[str, ...]
    files: tuple[str, ...]


_IDX = tuple(f"{part}-{what}{end}" for part in ("train", "t10k") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")
             for end in ("", ".gz"))  # fmt: skip
_CIFAR = ("data_batch_1.bin", "test_batch.bin", "data_batch_1", "test_batch")

# The first folder is where a download goes; "" is the place itself.
LAYOUTS = {
    "mnist": Layout(("MNIST/raw", "mnist", "MNIST", "raw", ""), _IDX),
    "fashion_mnist": Layout(("FashionMNIST/raw", "fashion_mnist", "fashion-mnist", "FashionMNIST", "raw", ""), _IDX),
    "cifar10": Layout(
        ("cifar-10-batches-bin", "cifar-10-batches-py", "cifar10/cifar-10-batches-bin", "cifar10/cifar-10-batches-py",
         "cifar10", ""), _CIFAR),
    "cifar100": Layout(
        ("cifar-100-binary", "cifar-100-python", "cifar100/cifar-100-binary", "cifar100/cifar-100-python", "cifar100",
         ""), ("train.bin", "test.bin", "train", "test")),
    "stl10": Layout(
        ("stl10_binary", "stl10/stl10_binary", "stl10", ""), ("train_X.bin", "test_X.bin", "unlabeled_X.bin")),
}  # fmt: skip


def find_data(name: str, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds the files of a dataset.

    Looks in ``data_dir``, then in ``$MINICNN_DATA``, then in the user's cache
    (``~/.cache/minicnn``, or below ``$XDG_CACHE_HOME``; on macOS and Windows the
    system's folder for caches). In each it accepts the files themselves as well as
    the usual folders, ``MNIST/raw`` or ``mnist`` for example.

    Parameters
    ----------
    name : str
        "mnist", "fashion_mnist", "cifar10", "cifar100", "stl10", or the name of any folder.
    data_dir : path, optional
        Where to look first.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DatasetNotFoundError
        If none of these places holds it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = Path(place, "mnist")
    ...     folder.mkdir()
    ...     (folder / "train-images-idx3-ubyte.gz").touch()
    ...     find_data("mnist", place) == folder
    True
    """
    layout = LAYOUTS.get(name)
    places = data_places(data_dir)
    for place in places:
        for folder in layout.folders if layout else (name,):
            candidate = place / folder
            if any((candidate / file).is_file() for file in layout.files) if layout else candidate.is_dir():
                return candidate
    files = f" (one of the files {', '.join(layout.files)})" if layout else ""
    raise DatasetNotFoundError(
        f"no {name} data{files} in {', '.join(map(str, places))}. Load the dataset with download=True, give the folder "
        "as root, or set the environment variable MINICNN_DATA to the folder that holds your data"
    )


def data_places(data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Where data may lie: ``data_dir``, ``$MINICNN_DATA``, the cache; a download goes to the first."""
    given = [data_dir, os.environ.get("MINICNN_DATA")]
    return [Path(place).expanduser() for place in given if place] + [user_cache()]


def user_cache() -> Path:
    """The folder for this user's downloaded data."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "minicnn"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "minicnn" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "minicnn"
    return Path.home() / ".cache" / "minicnn"
