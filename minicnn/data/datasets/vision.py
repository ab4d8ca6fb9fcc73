"""What the image datasets share: transforms, classes, and torchvision's text."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..dataset import Dataset


class VisionDataset(Dataset[tuple[Any, Any]]):
    """Base of datasets of (image, class number), as torchvision's.

    Parameters
    ----------
    root : path, optional
        Where the files are looked for first.
    transform : callable, optional
        From a PIL image to what the sample shall hold.
    target_transform : callable, optional
        The same for the class number.
    """

    classes: ClassVar[list[str]] = []

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.root = root
        self.transform = transform
        self.target_transform = target_transform

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
        return "\n".join(lines)


class InMemoryDataset(VisionDataset):
    """A dataset whose images and class numbers are held in ``data`` and ``targets``."""

    train: bool
    data: Any  # (N, H, W) or (N, H, W, 3) of uint8
    targets: Any  # (N,)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        targets = self.targets if isinstance(self.targets, list) else np.asarray(self.targets)
        image: Any = Image.fromarray(np.asarray(self.data)[index])
        target: Any = int(targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

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
