"""MNIST and Fashion-MNIST."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...core.tensor import from_numpy
from ..download import download as fetch
from ..files import CorruptDataError, OfficialFile
from ..locations import LAYOUTS, DatasetNotFoundError, data_places, find_data
from .idx import read_idx
from .vision import InMemoryDataset


class MNIST(InMemoryDataset):
    """Handwritten digits: 60,000 training and 10,000 test images, 28 x 28, ten classes.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to
    Document Recognition", Proceedings of the IEEE 86 (1998).

    Parameters
    ----------
    root : path, optional
        Where to look first, and where a download goes (to ``root/MNIST/raw``, as
        torchvision's). Then ``$MINICNN_DATA`` and the user's cache are tried;
        see :func:`minicnn.data.find_data`. The files may be gzipped or not.
    train : bool, default True
        The training set, or the test set.
    transform : callable, optional
        From a PIL image to what the sample shall hold, ``transforms.ToTensor()`` for example.
    target_transform : callable, optional
        The same for the class number.
    download : bool, default False
        Fetch the files that are found nowhere.

    Attributes
    ----------
    data : Tensor (N, 28, 28) of uint8
        The images.
    targets : Tensor (N,) of int64
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
        If no mirror gives a file.

    Examples
    --------
    >>> from minicnn.data.transforms import ToTensor
    >>> train_set = MNIST("data", train=True, transform=ToTensor())  # doctest: +SKIP
    >>> image, label = train_set[0]  # doctest: +SKIP
    >>> image.shape, label  # doctest: +SKIP
    (minicnn.Size([1, 28, 28]), 5)
    """

    layout = "mnist"
    mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    resources: tuple[OfficialFile, ...] = (
        OfficialFile("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9912422),
        OfficialFile("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28881),
        OfficialFile("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1648877),
        OfficialFile("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4542),
    )
    unpacked: tuple[OfficialFile, ...] = (
        OfficialFile("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb", 47040016),
        OfficialFile("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624", 60008),
        OfficialFile("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea", 7840016),
        OfficialFile("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637", 10008),
    )
    classes: ClassVar[list[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven",
        "8 - eight", "9 - nine",
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
        images_file, labels_file = self.resources[:2] if train else self.resources[2:]
        images, labels = self._read(images_file, 3), self._read(labels_file, 1)
        if len(images) != len(labels):
            raise CorruptDataError(
                f"{self.folder}: {len(images)} images in {images_file.name}, but {len(labels)} labels in "
                f"{labels_file.name}; the files do not belong together"
            )
        if labels.size and labels.max() >= len(self.classes):
            raise CorruptDataError(
                f"{self.folder}: {labels_file.name} holds the label {labels.max()}; "
                f"expected 0 to {len(self.classes) - 1}"
            )
        self.data = from_numpy(images)
        self.targets = from_numpy(labels.astype(np.int64))

    def _read(self, official: OfficialFile, ndim: int) -> Any:
        path = _present(self.folder, official)
        if path is None:
            raise DatasetNotFoundError(
                f"{self.folder} lacks {official.name} (or the same without .gz); load the dataset with download=True"
            )
        plain = next((file for file in self.unpacked if file.name == official.name.removesuffix(".gz")), None)
        return read_idx(path, ndim, official, plain)

    def _download(self) -> Path:
        """Fetch what is missing, into the folder that has the rest."""
        try:
            folder = find_data(self.layout, self.root)
        except DatasetNotFoundError:
            folder = data_places(self.root)[0] / LAYOUTS[self.layout].folders[0]
        for official in self.resources:
            if _present(folder, official) is None:
                fetch(official, self.mirrors, folder)
        return folder


class FashionMNIST(MNIST):
    """Articles of clothing: 60,000 training and 10,000 test images, 28 x 28, ten classes, in MNIST's format.

    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
    Benchmarking Machine Learning Algorithms", arXiv:1708.07747. Parameters,
    attributes and errors as :class:`MNIST`; a download goes to ``root/FashionMNIST/raw``.

    Examples
    --------
    >>> FashionMNIST.classes[9]
    'Ankle boot'
    """

    layout = "fashion_mnist"
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    )
    resources = (
        OfficialFile("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26421880),
        OfficialFile("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29515),
        OfficialFile("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4422102),
        OfficialFile("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5148),
    )
    unpacked = ()
    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]  # fmt: skip


def _present(folder: Path, official: OfficialFile) -> Path | None:
    """The file, gzipped or not, or None."""
    paths = (folder / official.name, folder / official.name.removesuffix(".gz"))
    return next((path for path in paths if path.is_file()), None)
