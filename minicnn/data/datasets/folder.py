"""Datasets of files that lie in one folder per class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..locations import DatasetNotFoundError
from .image_files import IMG_EXTENSIONS, default_loader
from .vision import VisionDataset

SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
UNREADABLE = (RuntimeError, OSError, ValueError, SyntaxError)  # what loaders raise for a file that they cannot read


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
    on_error : {"raise", "skip"}, default "raise"
        What happens to files that ``loader`` cannot read. "raise": the error comes when such a sample is asked for.
        "skip": every file is read once now, which takes as long as a pass over the data, and those that cannot be read
        are left out, with a warning that names them. When one is damaged later, another file of its class takes its
        place, with a warning that names both: a training goes on, and its batches keep their sizes.

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
    skipped : list of (str, str)
        The paths that were left out, with the reasons.

    Raises
    ------
    DatasetNotFoundError
        If there is no folder, no class in it, or a class has no samples.

    Warns
    -----
    UserWarning
        If there is only one class, or the classes are named like the parts of a dataset ("train", "test"): then
        ``root`` is one folder too high or too low.

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
        on_error: str = "raise",
    ) -> None:
        super().__init__(os.path.expanduser(root), transform, target_transform)
        if on_error not in ("raise", "skip"):
            raise ValueError(f"{type(self).__name__}: on_error is 'raise' or 'skip'; got {on_error!r}")
        self.loader = loader
        self.extensions = extensions
        self.on_error = on_error
        self.classes, self._class_to_idx = self.find_classes(self.root)  # type: ignore[misc]
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self._warn_of_odd_classes()
        self.skipped = self._leave_out_unreadable(allow_empty) if on_error == "skip" else []
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

    def find_unreadable(self) -> list[tuple[str, str]]:
        """Read every file, and return the paths of those that ``loader`` cannot read, with the reasons."""

        def reason(path: str) -> str | None:
            try:
                self.loader(path)
            except UNREADABLE as error:
                return str(error)
            return None

        paths = [path for path, _ in self.samples]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding an image lets other threads run
            return [(path, why) for path, why in zip(paths, pool.map(reason, paths), strict=True) if why is not None]

    def _leave_out_unreadable(self, allow_empty: bool) -> list[tuple[str, str]]:
        unreadable = self.find_unreadable()
        bad = {path for path, _ in unreadable}
        kept = [sample for sample in self.samples if sample[0] not in bad]
        if bad:
            names = ", ".join(path for path, _ in unreadable[:5]) + (", ..." if len(bad) > 5 else "")
            warnings.warn(
                f"{type(self).__name__}: left out {len(bad)} of {len(self.samples)} files that cannot be read: {names} "
                "(see skipped for the reasons)",
                stacklevel=4,
            )
        full = {number for _, number in kept}
        empty = [name for name, number in self.class_to_idx.items() if number not in full]
        if empty and not allow_empty:
            raise DatasetNotFoundError(
                f"{self.root}: no file of the classes {', '.join(empty)} can be read. The first reason: "
                f"{unreadable[0][1]}"
            )
        self.samples = kept
        return unreadable

    def _warn_of_odd_classes(self) -> None:
        """What a wrong root looks like."""
        who, classes = type(self).__name__, self.classes
        if len(classes) > 1 and all(name.lower() in SPLITS for name in classes):
            warnings.warn(
                f"{who}: the classes of {self.root} are {', '.join(classes)}, which look like parts of a dataset. If "
                f"the classes are one folder further down, give that one: {os.path.join(str(self.root), classes[0])}",
                stacklevel=4,
            )
        elif len(classes) == 1:
            warnings.warn(
                f"{who}: {self.root} holds one class only, {classes[0]!r}, and there is nothing to tell apart. If its "
                "folders are the classes, give that folder as root",
                stacklevel=4,
            )

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        try:
            sample = self.loader(path)
        except UNREADABLE as error:
            if self.on_error == "raise":
                raise
            sample = self._load_another(index, error)
        return self.apply_transforms(sample, target)

    def _load_another(self, index: int, error: Exception) -> Any:
        """Instead of a sample that can no longer be read, the next of its class that can."""
        path, target = self.samples[index]
        for other, its_target in self.samples[index:] + self.samples[:index]:
            if its_target == target and other != path:
                try:
                    sample = self.loader(other)
                except UNREADABLE:
                    continue
                warnings.warn(
                    f"{type(self).__name__}: {other} takes the place of a file of its class: {error}", stacklevel=3
                )
                return sample
        raise error

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
    on_error : {"raise", "skip"}, default "raise"
        "skip" reads every file once now, and leaves out those that cannot be read, with a warning that names them;
        another image takes the place of one that is damaged later; as in :class:`DatasetFolder`.

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
    skipped : list of (str, str)
        The paths that were left out, with the reasons.

    Raises
    ------
    DatasetNotFoundError
        If there is no folder, no class in it, or a class has no images.
    CorruptDataError
        When an image is asked for whose file is damaged; the message names it.

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
        on_error: str = "raise",
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty, on_error)
        self.imgs = self.samples
