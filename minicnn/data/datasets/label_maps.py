"""Images with a class for every pixel: what the datasets for segmentation share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..files import CorruptDataError
from .vision import VisionDataset


class LabelMapDataset(VisionDataset):
    """Base of datasets of (image, map of labels); ``images`` and ``masks`` hold the paths.

    The map is a PIL image of the size of the image whose pixels are class numbers, ``ignore_index`` where there is no
    class.
    """

    images: list[str]
    masks: list[str]
    ignore_index: ClassVar[int]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.apply_transforms(*self.read(index))

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> tuple[Any, Any]:
        """Image and map as they are in the files, checked against each other."""
        from PIL import Image

        # Without Exif's turn, which the map does not have.
        image, mask = (opened(path) for path in (self.images[index], self.masks[index]))
        if mask.size != image.size:
            raise CorruptDataError(
                f"{self.masks[index]}: a map of {mask.height} x {mask.width} pixels for an image of {image.height} x "
                f"{image.width}, {self.images[index]}; they do not belong together"
            )
        if mask.mode not in ("L", "P"):
            raise CorruptDataError(
                f"{self.masks[index]}: a map of labels has one class number per pixel (PIL's mode L or P), this is an "
                f"image of mode {mask.mode}"
            )
        numbers = np.asarray(mask)
        wrong = numbers[(numbers >= len(self.classes)) & (numbers != self.ignore_index)]
        if wrong.size:
            raise CorruptDataError(
                f"{self.masks[index]}: holds the class number {wrong.max()}; expected 0 to {len(self.classes) - 1}, or "
                f"{self.ignore_index} where there is no class"
            )
        return image.convert("RGB"), Image.fromarray(numbers) if mask.mode == "L" else mask


def opened(path: str) -> Any:
    """A PIL image, read as it is in the file."""
    from PIL import Image

    with open(path, "rb") as file:
        try:
            image = Image.open(file)
            image.load()
            return image
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise CorruptDataError(f"{path}: cannot be read as an image: {error}") from error


def listed(path: Path) -> list[str]:
    """The lines of a list, without empty ones."""
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]
