"""What the image datasets share: transforms, classes, and torchvision's text."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..dataset import Dataset


class VisionDataset(Dataset[tuple[Any, Any]]):
    """Base of datasets of (image, target), as torchvision's.

    Parameters
    ----------
    root : path, optional
        Where the files are looked for first.
    transform : callable, optional
        From a PIL image to what the sample shall hold.
    target_transform : callable, optional
        The same for the target: the class number, for example.
    transforms : callable, optional
        Instead of both: from (image, target) to both, where they must change together, as a flipped image and its map
        of labels.

    Raises
    ------
    ValueError
        If ``transforms`` is given and one of the others too.
    """

    classes: ClassVar[list[str]] = []

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError(
                f"{type(self).__name__}: give transforms, a function of image and target, or transform and "
                "target_transform, which get one each; not both"
            )
        self.root = root
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = transforms

    def apply_transforms(self, image: Any, target: Any) -> tuple[Any, Any]:
        """Image and target as the sample shall hold them."""
        if self.transforms is not None:
            return self.transforms(image, target)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    @property
    def class_to_idx(self) -> dict[str, int]:
        """From a class's name to its number."""
        return {name: i for i, name in enumerate(self.classes)}

    def extra_repr(self) -> str:
        """Lines that a dataset adds to its text."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]  # type: ignore[arg-type]
        if self.root is not None:
            body.append(f"Root location: {os.fspath(self.root)}")
        body += self.extra_repr().splitlines()
        lines = [f"Dataset {type(self).__name__}"] + ["    " + line for line in body]
        if self.transform is not None or self.target_transform is not None:
            lines.append("    StandardTransform")
            lines += _indented("Transform: ", self.transform) + _indented("Target transform: ", self.target_transform)
        elif self.transforms is not None:
            lines += _indented("Transforms: ", self.transforms)
        return "\n".join(lines)


class InMemoryDataset(VisionDataset):
    """A dataset whose images and class numbers are held in ``data`` and ``targets``."""

    train: bool
    data: Any  # (N, H, W) or (N, H, W, 3) of uint8
    targets: Any  # (N,)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        targets = self.targets if isinstance(self.targets, list) else np.asarray(self.targets)
        image = Image.fromarray(np.asarray(self.data)[index])
        return self.apply_transforms(image, int(targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """The line about the split."""
        return f"Split: {'Train' if self.train else 'Test'}"


def _indented(head: str, transform: Any) -> list[str]:
    """The transform's text behind a head, the following lines below its beginning."""
    if transform is None:
        return []
    first, *rest = repr(transform).splitlines()
    return [head + first] + [" " * len(head) + line for line in rest]
