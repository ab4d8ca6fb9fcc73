"""Datasets of files that lie in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..files import CorruptDataError
from ..locations import DatasetNotFoundError
from .vision import VisionDataset

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def default_loader(path: str | os.PathLike[str]) -> Any:
    """An image file as a PIL image of mode RGB, in the orientation in which its pixels are stored.

    Grayscale and palette images, CMYK and transparency are converted by PIL. It cuts off what is above 255, so that
    images with 16 or 32 bits per channel turn white: such data need a loader of their own.

    Raises
    ------
    CorruptDataError
        If the file is truncated or no image; the message names it.
    """
    from PIL import Image

    with open(path, "rb") as file:
        try:
            image = Image.open(file)
            if image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")  # type: ignore[assignment] # PIL warns about the direct way
            return image.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise CorruptDataError(f"{os.fspath(path)}: cannot be read as an image: {error}") from error


class DatasetFolder(VisionDataset):
    """Files in one folder per class; the class numbers follow the sorted names of the folders.

    ::

        root/cat/1.jpg         class 0
        root/cat/more/2.jpg    class 0
        root/dog/17.jpg        class 1

    Parameters
    ----------
    root : path
    loader : callable
        From a path to a sample.
    extensions : str or tuple of str, optional
        The files with these endings, capital letters or not, are samples. Either this or ``is_valid_file``.
    transform : callable, optional
        From what the loader gives to what the sample shall hold.
    target_transform : callable, optional
        The same for the class number.
    is_valid_file : callable, optional
        From a path to whether it is a sample.
    allow_empty : bool, default False
        Accept folders without samples.

    Attributes
    ----------
    classes : list of str
        The names of the folders, sorted.
    class_to_idx : dict
        From a class's name to its number.
    samples : list of (str, int)
        Paths and class numbers, sorted by class, then by path.
    targets : list of int
        The class numbers.

    Raises
    ------
    DatasetNotFoundError
        If there is no folder, no class in it, or a class has no samples.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("b/1.txt", "a/2.txt", "a/notes.md"):
    ...         Path(root, name).parent.mkdir(exist_ok=True)
    ...         _ = Path(root, name).write_text(name)
    ...     data = DatasetFolder(root, loader=lambda path: Path(path).read_text(), extensions=(".txt",))
    ...     data.classes, list(data)
    (['a', 'b'], [('a/2.txt', 0), ('b/1.txt', 1)])
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: str | tuple[str, ...] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(os.path.expanduser(root), transform, target_transform)
        self.loader = loader
        self.extensions = extensions
        self.classes, self._class_to_idx = self.find_classes(self.root)  # type: ignore[misc]
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    @property
    def class_to_idx(self) -> dict[str, int]:
        """From a class's name to its number."""
        return self._class_to_idx

    def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
        """The classes below a folder and their numbers; a subclass may choose others."""
        who, folder = type(self).__name__, Path(directory)
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise DatasetNotFoundError(f"{who}: the folder {folder} {what}")
        entries = list(os.scandir(folder))
        classes = sorted(entry.name for entry in entries if entry.is_dir())
        if not classes:
            raise DatasetNotFoundError(
                f"{who}: {folder} holds {len(entries)} files and no folders. Every class needs a folder of its own, "
                f"as in {folder / 'cat' / '1.jpg'}"
            )
        return classes, {name: number for number, name in enumerate(classes)}

    @staticmethod
    def make_dataset(
        directory: Any,
        class_to_idx: Mapping[str, int],
        extensions: str | tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The paths of all samples with their class numbers."""
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("give either extensions, such as ('.jpg', '.png'), or is_valid_file, and not both")
        given = (extensions,) if isinstance(extensions, str) else extensions or ()
        endings = tuple(ending.lower() for ending in given)
        valid = is_valid_file or (lambda path: path.lower().endswith(endings))
        samples, empty = [], []
        for name in sorted(class_to_idx):
            paths = [
                os.path.join(place, file)
                for place, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True))
                for file in sorted(files)
            ]
            chosen = [(path, class_to_idx[name]) for path in paths if valid(path)]
            samples += chosen
            if not chosen:
                empty.append(name)
        if empty and not allow_empty:
            wanted = f" that ends in {', '.join(endings)}" if endings else ""
            raise DatasetNotFoundError(
                f"{directory}: there is no file{wanted} in the folders of the classes {', '.join(empty)}. Fix: take "
                "these folders away, or allow_empty=True"
            )
        return samples

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return sample, target

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in one folder per class, as RGB; the class numbers follow the sorted names of the folders.

    ::

        root/cat/1.jpg         class 0
        root/dog/17.png        class 1

    Parameters
    ----------
    root : path
    transform : callable, optional
        From a PIL image to what the sample shall hold, ``transforms.ToTensor()`` for example.
    target_transform : callable, optional
        The same for the class number.
    loader : callable, optional
        From a path to an image; :func:`default_loader` unless given.
    is_valid_file : callable, optional
        From a path to whether it is a sample; else the endings of :data:`IMG_EXTENSIONS` decide.
    allow_empty : bool, default False
        Accept folders without images.

    Attributes
    ----------
    classes : list of str
        The names of the folders, sorted.
    class_to_idx : dict
        From a class's name to its number.
    samples, imgs : list of (str, int)
        Paths and class numbers.
    targets : list of int
        The class numbers.

    Raises
    ------
    DatasetNotFoundError
        If there is no folder, no class in it, or a class has no images.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("cat", "dog"):
    ...         Path(root, name).mkdir()
    ...         Image.new("L", (4, 4)).save(Path(root, name, "1.png"))
    ...     data = ImageFolder(root)
    ...     image, label = data[1]
    >>> data.class_to_idx, image.mode, label
    ({'cat': 0, 'dog': 1}, 'RGB', 1)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
