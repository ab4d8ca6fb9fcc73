"""Pascal VOC: objects in photographs, with their boxes or with a class for every pixel; and data in its format."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ..files import CorruptDataError
from ..locations import DatasetNotFoundError, data_places
from .image_files import as_rgb
from .label_maps import LabelMapDataset, listed, opened
from .vision import VisionDataset

CLASSES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]  # fmt: skip


class _VOC(VisionDataset):
    """Finds the files: a list in ImageSets names the images in JPEGImages and their targets beside it."""

    lists: ClassVar[str]
    targets_folder: ClassVar[str]
    ending: ClassVar[str]

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        year: str = "2012",
        image_set: str = "train",
        *,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        super().__init__(root, transform, target_transform, transforms)
        self.year = str(year)
        self.image_set = image_set
        self.folder = self._find()
        names = [line.split()[0] for line in listed(self._list())]
        pictures = [self.folder / "JPEGImages" / f"{name}.jpg" for name in names]
        targets = [self.folder / self.targets_folder / f"{name}{self.ending}" for name in names]
        missing = [str(path) for path in (*pictures, *targets) if not path.is_file()]
        if missing:
            raise DatasetNotFoundError(
                f"{type(self).__name__}: {self._list()} names {len(names)} samples, but {len(missing)} files of them "
                f"are not there; the first is {missing[0]}"
            )
        self.images = [str(path) for path in pictures]
        self.targets = [str(path) for path in targets]

    def _find(self) -> Path:
        """The folder that holds JPEGImages."""
        places = data_places(self.root)
        for place in places:
            for folder in (place / "VOCdevkit" / f"VOC{self.year}", place / f"VOC{self.year}", place):
                if (folder / "JPEGImages").is_dir():
                    return folder
        raise DatasetNotFoundError(
            f"{type(self).__name__}: no folder VOCdevkit/VOC{self.year} with JPEGImages in it, in "
            f"{', '.join(map(str, places))}. Fix: get the archive from "
            f"http://host.robots.ox.ac.uk/pascal/VOC/voc{self.year}/, unpack it and give the folder that holds "
            "VOCdevkit as root"
        )

    def _list(self) -> Path:
        path = self.folder / "ImageSets" / self.lists / f"{self.image_set}.txt"
        if path.is_file():
            return path
        there = sorted(file.stem for file in path.parent.glob("*.txt")) if path.parent.is_dir() else []
        plain = [name for name in there if "_" not in name]  # others list single classes
        raise DatasetNotFoundError(
            f"{type(self).__name__}: there is no list {path}; image_set is one of {', '.join(plain) or 'no list there'}"
        )

    def __len__(self) -> int:
        return len(self.images)

    def extra_repr(self) -> str:
        """The line about the list."""
        return f"Split: {self.image_set} of {self.year}"


class VOCSegmentation(_VOC, LabelMapDataset):
    """Photographs with one of 20 classes, or background, for every pixel.

    Source: Everingham et al., "The Pascal Visual Object Classes Challenge: A
    Retrospective", IJCV (2015). Reads the authors' folders, and data of one's own
    in the same form::

        VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt     names, one per line
        VOCdevkit/VOC2012/JPEGImages/2007_000032.jpg
        VOCdevkit/VOC2012/SegmentationClass/2007_000032.png    class numbers, 255 at borders

    Parameters
    ----------
    root : path, optional
        The folder that holds ``VOCdevkit``, or ``VOC2012``, or ``JPEGImages`` itself; then ``$MINICNN_DATA`` and the
        user's cache are tried. There is no download.
    year : str, default "2012"
    image_set : str, default "train"
        The name of the list: "train", "val", "trainval" ...
    transform : callable, optional
        From the PIL image to what the sample shall hold.
    target_transform : callable, optional
        From the map of labels, a PIL image of mode P, to what the sample shall hold.
    transforms : callable, optional
        Instead of both: from (image, map) to both, for what must happen to them together.

    Attributes
    ----------
    images, masks : list of str
        The paths.
    classes : list of str
        The classes' names; number 0 is the background.
    ignore_index : int
        What pixels without a class hold: 255. It is for ``nn.CrossEntropyLoss(ignore_index=255)``.

    Raises
    ------
    DatasetNotFoundError
        If folders, lists or files are missing.
    CorruptDataError
        When a sample is asked for whose files are damaged or do not belong together.

    Examples
    --------
    >>> VOCSegmentation.classes[:3]
    ['background', 'aeroplane', 'bicycle']
    >>> image, labels = VOCSegmentation("data", image_set="val")[0]  # doctest: +SKIP
    """

    lists = "Segmentation"
    targets_folder = "SegmentationClass"
    ending = ".png"
    classes: ClassVar[list[str]] = ["background", *CLASSES]
    ignore_index = 255

    @property
    def masks(self) -> list[str]:  # type: ignore[override]
        """Paths of the maps of labels."""
        return self.targets


class VOCDetection(_VOC):
    """Photographs with the boxes of the objects in them, 20 classes.

    Source: Everingham et al., "The Pascal Visual Object Classes Challenge: A
    Retrospective", IJCV (2015). Reads the authors' folders, and data of one's own
    in the same form (many tools for drawing boxes write it)::

        VOCdevkit/VOC2012/ImageSets/Main/train.txt             names, one per line
        VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg
        VOCdevkit/VOC2012/Annotations/2007_000027.xml

    The target is the content of the XML file as dictionaries, as torchvision's:
    ``target["annotation"]["object"]`` is a list with ``name`` and ``bndbox``
    (``xmin``, ``ymin``, ``xmax``, ``ymax``) for each object; all values are
    strings. :meth:`boxes` gives numbers.

    Parameters
    ----------
    root, year, image_set, transform, target_transform, transforms
        As for :class:`VOCSegmentation`.

    Attributes
    ----------
    images, annotations : list of str
        The paths.
    classes : list of str
        The classes' names.

    Raises
    ------
    DatasetNotFoundError
        If folders, lists or files are missing.
    CorruptDataError
        When a sample is asked for whose files are damaged or do not belong together.

    Examples
    --------
    >>> data = VOCDetection("data", year="2007")  # doctest: +SKIP
    >>> image, target = data[0]  # doctest: +SKIP
    >>> data.boxes(target)  # doctest: +SKIP
    [('chair', (263.0, 211.0, 324.0, 339.0)), ('chair', (165.0, 264.0, 253.0, 372.0))]
    """

    lists = "Main"
    targets_folder = "Annotations"
    ending = ".xml"
    classes: ClassVar[list[str]] = CLASSES

    @property
    def annotations(self) -> list[str]:
        """Paths of the XML files."""
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, path = as_rgb(opened(self.images[index])), self.targets[index]
        try:
            target = self.parse_voc_xml(ElementTree.parse(path).getroot())
        except ElementTree.ParseError as error:
            raise CorruptDataError(f"{path}: cannot be read as XML: {error}") from error
        if "annotation" not in target or not isinstance(target["annotation"], dict):
            raise CorruptDataError(f"{path}: expected an element <annotation>; got <{next(iter(target), '')}>")
        size = target["annotation"].get("size")
        if size and (size.get("width"), size.get("height")) != (str(image.width), str(image.height)):
            raise CorruptDataError(
                f"{path}: says that the image has {size.get('height')} x {size.get('width')} pixels, but "
                f"{self.images[index]} has {image.height} x {image.width}; they do not belong together"
            )
        return self.apply_transforms(image, target)

    @staticmethod
    def parse_voc_xml(node: ElementTree.Element) -> dict[str, Any]:
        """An XML element as ``{tag: text}`` or ``{tag: {...}}``; what comes several times, and objects, as lists."""
        if not len(node):
            return {node.tag: (node.text or "").strip()}
        content: dict[str, Any] = {}
        for child in node:
            content.setdefault(child.tag, []).append(VOCDetection.parse_voc_xml(child)[child.tag])
        plain = {tag: values[0] if len(values) == 1 else values for tag, values in content.items()}
        if node.tag == "annotation":
            plain["object"] = content.get("object", [])
        return {node.tag: plain}

    @staticmethod
    def boxes(target: dict[str, Any]) -> list[tuple[str, tuple[float, float, float, float]]]:
        """The objects of a target as (name, (xmin, ymin, xmax, ymax)), in pixels that count from 1.

        Examples
        --------
        >>> box = {"xmin": "1", "ymin": "2", "xmax": "30", "ymax": "40"}
        >>> VOCDetection.boxes({"annotation": {"object": [{"name": "dog", "bndbox": box}]}})
        [('dog', (1.0, 2.0, 30.0, 40.0))]
        """
        found = []
        for thing in target["annotation"]["object"]:
            box = thing["bndbox"]
            found.append((thing["name"], tuple(float(box[edge]) for edge in ("xmin", "ymin", "xmax", "ymax"))))
        return found  # type: ignore[return-value]
