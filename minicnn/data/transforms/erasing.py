"""Hiding parts of an image, so that a network cannot rely on a single one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ..randomness import sample_rng
from .chance import SMALLEST, RandomTransform, increasing, is_number, uniform
from .geometry import colour
from .images import get_dimensions, is_pil, on_pil_planes, on_planes


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """A part of the image replaced by other values.

    Parameters
    ----------
    img : PIL image, array or tensor
    i, j : int
        Its upper left corner.
    h, w : int
    v : number, array or tensor
        The values, (C, h, w) or what can be spread to it.
    inplace : bool, default False
        Overwrite a tensor.

    Examples
    --------
    >>> import numpy as np
    >>> erase(np.ones((2, 3)), 0, 1, 2, 2, 0.0).tolist()
    [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    values = np.asarray(v)
    part = (..., slice(i, i + h), slice(j, j + w))
    if inplace and isinstance(img, Tensor):
        img[part] = values.astype(np.asarray(img).dtype)
        return img

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        changed = planes.copy()
        changed[part] = values.astype(planes.dtype)
        return changed

    return on_pil_planes(img, change) if is_pil(img) else on_planes(img, change)


class RandomErasing(RandomTransform):
    """A rectangle of random size, shape and place erased with probability ``p``.

    Its area is ``uniform(*scale)`` of the image's, its height / width ``exp(uniform(log ratio))``. If ten such
    rectangles do not fit, the image is left alone.

    Parameters
    ----------
    p : float, default 0.5
    scale : (smallest, largest), default (0.02, 0.33)
        Share of the image's area.
    ratio : (smallest, largest), default (0.3, 3.3)
        Height / width.
    value : number, one per channel, or "random", default 0
        What takes its place. Behind ``Normalize``, 0 is the mean colour. "random" is normally distributed noise, or
        any byte in an image of bytes.
    inplace : bool, default False
        Overwrite a tensor.

    References
    ----------
    Zhong et al., *Random Erasing Data Augmentation*, 2017, arXiv:1708.04896.

    Examples
    --------
    >>> import numpy as np
    >>> erased = RandomErasing(p=1.0)(np.ones((20, 20)))
    >>> bool(0 < (erased == 0).mean() < 0.4)
    True
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p)
        increasing(scale, "RandomErasing: scale is (smallest, largest) share of the area, from 0 to 1", 0, 1)
        increasing(ratio, "RandomErasing: ratio is (smallest, largest) height / width, both above 0", lowest=SMALLEST)
        numbers = isinstance(value, Sequence) and all(map(is_number, value))
        if value != "random" and not is_number(value) and not numbers:
            raise ValueError(f"RandomErasing: value is a number, one per channel, or 'random'; got {value!r}")
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Any]:
        """Draw (top, left, height, width, values), for :func:`~minicnn.data.transforms.functional.erase`.

        ``value`` is one number or one per channel; None draws noise. If none fits, the rectangle has no size.
        """
        channels, h, w = get_dimensions(img)
        for _ in range(10):
            area = h * w * uniform(scale)
            aspect = math.exp(uniform((math.log(ratio[0]), math.log(ratio[1]))))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < h and width < w:
                values = _noise(img, (channels, height, width)) if value is None else _spread(value, channels)
                top, left = (int(sample_rng().integers(n + 1)) for n in (h - height, w - width))
                return top, left, height, width, values[0] if channels == 1 else values
        return 0, 0, 0, 0, 0.0

    def change(self, img: Any) -> Any:
        """The image without the rectangle."""
        value = None if self.value == "random" else self.value if isinstance(self.value, Sequence) else [self.value]
        return erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )


def _spread(value: Any, channels: int) -> NDArray[Any]:
    """A colour as (C, 1, 1)."""
    return np.reshape(colour(value, channels), (-1, 1, 1))


def _noise(img: Any, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Normally distributed, or any byte in an image of whole numbers."""
    whole = is_pil(img) or np.asarray(img).dtype.kind in "iu"
    return sample_rng().integers(256, size=shape) if whole else sample_rng().standard_normal(shape)


class Cutout:
    """Squares at random places erased; a square may lie partly outside of the image.

    Parameters
    ----------
    length : int
        Edge of a square in pixels; the paper takes 16 for CIFAR-10 and 8 for CIFAR-100.
    n_holes : int, default 1
        How many squares.
    fill : number, or one per channel, default 0
        What takes their place. Behind ``Normalize``, 0 is the mean colour.

    References
    ----------
    DeVries, Taylor, *Improved Regularization of Convolutional Neural Networks with Cutout*, 2017, arXiv:1708.04552.

    Examples
    --------
    >>> import numpy as np
    >>> bool(1 <= (Cutout(2)(np.ones((8, 8))) == 0).sum() <= 4)
    True
    """

    def __init__(self, length: int, n_holes: int = 1, fill: Any = 0) -> None:
        for name, value in (("length", length), ("n_holes", n_holes)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"Cutout: {name} is a whole number of at least 1; got {value!r}")
        self.length = length
        self.n_holes = n_holes
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        channels, h, w = get_dimensions(img)
        if min(h, w) < 1:
            raise ShapeError(f"Cutout: an image of {h} x {w} has no pixels")
        values = _spread(self.fill, channels)
        fill: Any = values[0] if channels == 1 else values
        for _ in range(self.n_holes):
            y, x = (int(sample_rng().integers(n)) - self.length // 2 for n in (h, w))
            top, left = max(y, 0), max(x, 0)
            img = erase(img, top, left, min(y + self.length, h) - top, min(x + self.length, w) - left, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(length={self.length}, n_holes={self.n_holes}, fill={self.fill})"
