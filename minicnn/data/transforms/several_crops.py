"""Several cuts of one image, whose predictions are averaged: AlexNet's ten, for example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import geometry
from .images import get_dimensions


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """The corners (upper left, upper right, lower left, lower right) and the middle.

    Examples
    --------
    >>> import numpy as np
    >>> [part.item() for part in five_crop(np.arange(9).reshape(3, 3), 1)]
    [0, 2, 6, 8, 4]
    """
    height, width = geometry.pair(size, "FiveCrop")
    _, h, w = get_dimensions(img)
    if height > h or width > w:
        raise ValueError(
            f"FiveCrop: parts of {height} x {width} do not fit into an image of {h} x {w} (height x width). "
            "Fix: Resize before it"
        )
    corners = [geometry.crop(img, top, left, height, width) for top in (0, h - height) for left in (0, w - width)]
    return (*corners, geometry.center_crop(img, (height, width)))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """:func:`five_crop` of the image and of its mirror image.

    Examples
    --------
    >>> import numpy as np
    >>> [part.item() for part in ten_crop(np.arange(9).reshape(3, 3), 1)]
    [0, 2, 6, 8, 4, 2, 0, 8, 6, 4]
    """
    mirrored = geometry.vflip(img) if vertical_flip else geometry.hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


class FiveCrop:
    """The four corners and the middle of the image, as a tuple.

    Parameters
    ----------
    size : int or (height, width)

    Raises
    ------
    ValueError
        If the image is smaller.

    Examples
    --------
    >>> from PIL import Image
    >>> [part.size for part in FiveCrop(224)(Image.new("RGB", (256, 256)))]
    [(224, 224), (224, 224), (224, 224), (224, 224), (224, 224)]
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = geometry.pair(size, type(self).__name__)

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop:
    """:class:`FiveCrop` of the image and of its mirror image: AlexNet averaged its predictions over these ten.

    Parameters
    ----------
    size : int or (height, width)
    vertical_flip : bool, default False
        Mirror top and bottom, not left and right.

    References
    ----------
    Krizhevsky, Sutskever, Hinton, *ImageNet Classification with Deep Convolutional Neural Networks*, 2012, section 4.1.

    Examples
    --------
    >>> import minicnn
    >>> from PIL import Image
    >>> from minicnn.data.transforms import Compose, Lambda, ToTensor
    >>> ten = Compose([TenCrop(24), Lambda(lambda parts: minicnn.stack([ToTensor()(part) for part in parts]))])
    >>> ten(Image.new("RGB", (32, 32))).shape  # a network's scores of these, mean(0)
    minicnn.Size([10, 3, 24, 24])
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        self.size = geometry.pair(size, type(self).__name__)
        self.vertical_flip = vertical_flip

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"
