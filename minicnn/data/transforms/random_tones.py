"""Inverting, posterising, solarising, sharpening, contrast: done to an image with some probability."""

from __future__ import annotations

from typing import Any

from . import filters, tones
from .chance import RandomTransform
from .colours import check_factor


class AutoContrast:
    """Each channel stretched so that its darkest pixel is black and its lightest white; nothing random.

    Examples
    --------
    >>> import numpy as np
    >>> AutoContrast()(np.array([[100, 200]], np.uint8)).tolist()
    [[0, 255]]
    """

    def __call__(self, img: Any) -> Any:
        return tones.autocontrast(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomAutocontrast(RandomTransform):
    """Each channel stretched from black to white with probability ``p``.

    Parameters
    ----------
    p : float, default 0.5

    Examples
    --------
    >>> import numpy as np
    >>> RandomAutocontrast(p=1.0)(np.array([[100, 200]], np.uint8)).tolist()
    [[0, 255]]
    """

    def change(self, img: Any) -> Any:
        """The stretched image."""
        return tones.autocontrast(img)


class RandomEqualize(RandomTransform):
    """All levels made about equally frequent with probability ``p``; for bytes.

    Parameters
    ----------
    p : float, default 0.5

    Examples
    --------
    >>> from PIL import Image
    >>> RandomEqualize(p=1.0)(Image.linear_gradient("L")).size
    (256, 256)
    """

    def change(self, img: Any) -> Any:
        """The image with a flat histogram."""
        return tones.equalize(img)


class RandomInvert(RandomTransform):
    """The negative with probability ``p``.

    Parameters
    ----------
    p : float, default 0.5

    Examples
    --------
    >>> import numpy as np
    >>> RandomInvert(p=1.0)(np.array([[0, 200]], np.uint8)).tolist()
    [[255, 55]]
    """

    def change(self, img: Any) -> Any:
        """The negative."""
        return tones.invert(img)


class RandomPosterize(RandomTransform):
    """Only the first bits of every byte kept, with probability ``p``.

    Parameters
    ----------
    bits : int
        From 0 to 8.
    p : float, default 0.5

    Examples
    --------
    >>> import numpy as np
    >>> RandomPosterize(bits=2, p=1.0)(np.array([[63, 64, 255]], np.uint8)).tolist()
    [[0, 64, 192]]
    """

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        tones.check_bits(bits)
        self.bits = bits

    def change(self, img: Any) -> Any:
        """The image with fewer levels."""
        return tones.posterize(img, self.bits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(RandomTransform):
    """The negative of all values from a threshold on, with probability ``p``.

    Parameters
    ----------
    threshold : float
        In the range of the image's values: up to 255 for bytes, up to 1 for floating-point numbers.
    p : float, default 0.5

    Examples
    --------
    >>> import numpy as np
    >>> RandomSolarize(threshold=128, p=1.0)(np.array([[10, 200]], np.uint8)).tolist()
    [[10, 55]]
    """

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        """The half negative."""
        return tones.solarize(img, self.threshold)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(RandomTransform):
    """Smoothed or sharpened with probability ``p``; see
    :func:`~minicnn.data.transforms.functional.adjust_sharpness`.

    Parameters
    ----------
    sharpness_factor : float
        0 is smooth, 1 the image itself, 2 sharper.
    p : float, default 0.5

    Examples
    --------
    >>> from PIL import Image
    >>> RandomAdjustSharpness(2.0)(Image.new("L", (4, 4))).size
    (4, 4)
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        check_factor(sharpness_factor, type(self).__name__)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        """The sharper or smoother image."""
        return filters.adjust_sharpness(img, self.sharpness_factor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"
