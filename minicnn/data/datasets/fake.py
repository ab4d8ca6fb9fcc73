"""Noise in the place of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .vision import VisionDataset


class FakeData(VisionDataset):
    """Random images and class numbers, the same in every run: to try a network or a loader without data.

    Sample i depends on ``random_offset + i`` alone. (The numbers are not torchvision's.)

    Parameters
    ----------
    size : int, default 1000
        How many samples.
    image_size : (C, H, W), default (3, 224, 224)
        With 1 or 3 channels.
    num_classes : int, default 10
    transform : callable, optional
        From a PIL image to what the sample shall hold, ``transforms.ToTensor()`` for example.
    target_transform : callable, optional
        The same for the class number.
    random_offset : int, default 0
        Another one gives other samples: a test set, for example.

    Examples
    --------
    >>> data = FakeData(size=5, image_size=(3, 32, 48), num_classes=2)
    >>> image, label = data[0]
    >>> len(data), image.size, label in (0, 1)
    (5, (48, 32), True)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: Sequence[int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform, target_transform)
        if len(image_size) != 3 or image_size[0] not in (1, 3) or min(image_size) < 1:
            raise ValueError(f"FakeData: image_size is (C, H, W) with 1 or 3 channels; got {image_size!r}")
        if size < 0 or num_classes < 1:
            raise ValueError(f"FakeData: size and num_classes are counts; got {size!r} and {num_classes!r}")
        self.size = size
        self.image_size = tuple(image_size)
        self.num_classes = num_classes
        self.random_offset = random_offset
        self.classes = [str(number) for number in range(num_classes)]  # type: ignore[misc]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: index {index} is out of range for {self.size} samples")
        rng = np.random.default_rng(self.random_offset + index)
        channels, height, width = self.image_size
        pixels = rng.integers(256, size=(height, width, channels), dtype=np.uint8)
        label = int(rng.integers(self.num_classes))
        return self.apply_transforms(Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels), label)

    def __len__(self) -> int:
        return self.size
