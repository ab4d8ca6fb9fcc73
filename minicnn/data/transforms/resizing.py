"""Transforms that give every image the same size: resizing, cutting out the middle, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import geometry
from .resampling import InterpolationMode, as_mode


class Resize:
    """The image at another size.

    Parameters
    ----------
    size : int or (height, width)
        One number is the shorter edge; the longer one follows in proportion, ``int(size * long / short)``.
    interpolation : InterpolationMode or PIL's number for it, default bilinear
    max_size : int, optional
        The longest that the longer edge may become, for a size of one number; the shorter follows then.
    antialias : bool, default True
        Let every pixel count when a tensor or an array shrinks (bilinear and bicubic); PIL images always do that.

    Raises
    ------
    ValueError, TypeError
        If the sizes are not of this kind.

    Examples
    --------
    >>> from PIL import Image
    >>> Resize(256)(Image.new("RGB", (500, 375))).size  # PIL's sizes are (width, height)
    (341, 256)
    >>> Resize((64, 96))
    Resize(size=(64, 96), interpolation=bilinear, max_size=None, antialias=True)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        geometry.resized(1, 1, size, max_size)  # only the checks
        self.size = size
        self.interpolation = as_mode(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return geometry.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop:
    """The middle of the image; a smaller image gets a black border.

    Parameters
    ----------
    size : int or (height, width)

    Examples
    --------
    >>> from PIL import Image
    >>> CenterCrop(224)(Image.new("RGB", (341, 256))).size
    (224, 224)
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = geometry.pair(size, type(self).__name__)

    def __call__(self, img: Any) -> Any:
        return geometry.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad:
    """The image with a border.

    ==============  ===========================  =======================
    padding_mode    what the border holds        [1 2 3] with 2 on each side
    ==============  ===========================  =======================
    ``constant``    ``fill``                     0 0 1 2 3 0 0
    ``edge``        the last pixel               1 1 1 2 3 3 3
    ``reflect``     the mirror image             3 2 1 2 3 2 1
    ``symmetric``   the same, edge included      2 1 1 2 3 3 2
    ==============  ===========================  =======================

    Parameters
    ----------
    padding : int, (left and right, top and bottom), or (left, top, right, bottom)
        Negative ones cut off.
    fill : number, or one per channel, default 0
    padding_mode : {"constant", "edge", "reflect", "symmetric"}

    Raises
    ------
    ValueError, TypeError
        If the padding or the mode is not of this kind.

    Examples
    --------
    >>> import numpy as np
    >>> Pad(1, fill=9)(np.array([[1, 2]])).tolist()
    [[9, 9, 9, 9], [9, 1, 2, 9], [9, 9, 9, 9]]
    """

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        geometry.borders(padding)
        geometry.check_padding_mode(padding_mode)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img: Any) -> Any:
        return geometry.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"
