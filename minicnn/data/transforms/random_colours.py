"""Random changes of colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ShapeError
from ..randomness import sample_rng
from . import colours
from .chance import RandomTransform, check_number, finite_numbers, increasing, is_number, uniform
from .images import get_dimensions, is_pil, on_pil_planes, on_planes
from .values import convert, floating, largest

Amount = float | Sequence[float]


class ColorJitter:
    """Brightness, contrast, saturation and hue changed by random factors, in random order.

    A number a stands for factors from ``max(0, 1 - a)`` to ``1 + a`` (for the hue: from -a to a); two are the limits
    themselves.

    Parameters
    ----------
    brightness, contrast, saturation : float or (smallest, largest), default 0
        Of the factors of :func:`~minicnn.data.transforms.functional.adjust_brightness`, ``adjust_contrast`` and
        ``adjust_saturation``.
    hue : float or (smallest, largest), default 0
        Of the parts of a turn of ``adjust_hue``, within -0.5 and 0.5.

    Raises
    ------
    ValueError, TypeError
        For numbers out of range.

    Examples
    --------
    >>> ColorJitter(brightness=0.4, hue=0.1)
    ColorJitter(brightness=(0.6, 1.4), contrast=None, saturation=None, hue=(-0.1, 0.1))
    """

    def __init__(self, brightness: Amount = 0, contrast: Amount = 0, saturation: Amount = 0, hue: Amount = 0) -> None:
        self.brightness = _limits("brightness", brightness)
        self.contrast = _limits("contrast", contrast)
        self.saturation = _limits("saturation", saturation)
        self.hue = _limits("hue", hue)

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[list[int], float | None, float | None, float | None, float | None]:
        """Draw the order (of 0 to 3) and the four factors; None for what shall not change."""
        order = sample_rng().permutation(4).tolist()
        b, c, s, h = (None if x is None else uniform(x) for x in (brightness, contrast, saturation, hue))
        return order, b, c, s, h

    def __call__(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for which in order:
            factor = factors[which]
            if factor is not None:
                img = ADJUSTMENTS[which](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


ADJUSTMENTS = (colours.adjust_brightness, colours.adjust_contrast, colours.adjust_saturation, colours.adjust_hue)


def _limits(name: str, amount: Amount) -> tuple[float, float] | None:
    """The factors' limits, or None if nothing would change."""
    neutral, lowest, highest = (0.0, -0.5, 0.5) if name == "hue" else (1.0, 0.0, float("inf"))
    rule = f"ColorJitter: {name} is a number from 0 on, or (smallest, largest)" + (
        ", within -0.5 and 0.5" if name == "hue" else ", both from 0 on"
    )
    if is_number(amount):
        half = check_number(amount, rule)
        amount = (neutral - half if name == "hue" else max(neutral - half, 0.0), neutral + half)
    low, high = increasing(amount, rule, lowest, highest)
    return None if low == high == neutral else (low, high)


class Grayscale:
    """The image in grey; see :func:`~minicnn.data.transforms.functional.rgb_to_grayscale`.

    Parameters
    ----------
    num_output_channels : 1 or 3, default 1
        Three equal channels for networks that expect colours.

    Examples
    --------
    >>> from PIL import Image
    >>> Grayscale()(Image.new("RGB", (4, 4))).mode
    'L'
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale: num_output_channels is 1 or 3; got {num_output_channels!r}")
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return colours.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(RandomTransform):
    """The image in grey with probability ``p``, with as many channels as before.

    Parameters
    ----------
    p : float, default 0.1

    Examples
    --------
    >>> from PIL import Image
    >>> RandomGrayscale(p=1.0)(Image.new("RGB", (1, 1), (255, 0, 0))).getpixel((0, 0))
    (76, 76, 76)
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        """The grey image."""
        return colours.rgb_to_grayscale(img, colours.check_channels(img, type(self).__name__))


# Eigenvalues and eigenvectors (columns) of the covariance of ImageNet's red, green and blue, from 0 to 1, as published
# with Facebook's ResNet training code (github.com/facebookarchive/fb.resnet.torch, datasets/imagenet.lua).
IMAGENET_EIGENVALUES = (0.2175, 0.0188, 0.0045)
IMAGENET_EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


class PCAColorNoise:
    """AlexNet's colour augmentation: all pixels shifted along the directions in which the data's colours vary.

    To every pixel (R, G, B), from 0 to 1, the same three numbers are added,

    ``sum_i alpha_i * lambda_i * p_i``,   ``alpha_i ~ N(0, std^2)``,

    where p_i and lambda_i are the eigenvectors and eigenvalues of the 3 x 3 covariance of the training set's pixels.
    An object stays the same when the light changes in colour and intensity.

    Parameters
    ----------
    std : float, default 0.1
        The paper's.
    eigenvalues : 3 numbers, optional
        For values from 0 to 1; ImageNet's unless given. :meth:`fit` finds those of other data.
    eigenvectors : 3 x 3 numbers, optional
        The columns are the p_i; ImageNet's unless given.

    Raises
    ------
    ShapeError
        If the image has not three channels.

    References
    ----------
    Krizhevsky, Sutskever, Hinton, *ImageNet Classification with Deep Convolutional Neural Networks*, 2012, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> out = PCAColorNoise()(np.full((2, 2, 3), 0.5))
    >>> bool((out == out[0, 0]).all())  # the same for every pixel
    True
    """

    def __init__(
        self,
        std: float = 0.1,
        eigenvalues: Sequence[float] = IMAGENET_EIGENVALUES,
        eigenvectors: Any = IMAGENET_EIGENVECTORS,
    ) -> None:
        check_number(std, "PCAColorNoise: std is a number from 0 on")
        self.std = std
        self.eigenvalues = np.array(finite_numbers(list(eigenvalues), "PCAColorNoise: eigenvalues are 3 numbers", (3,)))
        self.eigenvectors = np.asarray(eigenvectors, np.float64)
        if self.eigenvectors.shape != (3, 3):
            raise ShapeError(f"PCAColorNoise: eigenvectors are 3 x 3 numbers; got {self.eigenvectors.shape}")

    @classmethod
    def fit(cls, images: Iterable[Any], std: float = 0.1) -> PCAColorNoise:
        """The transform for other data, from its images (PIL images, arrays or tensors of three channels).

        Examples
        --------
        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)
        >>> PCAColorNoise.fit(images).eigenvalues.round(2).tolist()  # uniform noise: 1/12 each
        [0.09, 0.09, 0.08]
        """
        n, total, products = 0, np.zeros(3), np.zeros((3, 3))
        for image in images:
            pixels = _pixels(image)
            n += pixels.shape[1]
            total += pixels.sum(1)
            products += pixels @ pixels.T
        if n < 2:
            raise ValueError("PCAColorNoise.fit: expected images with at least two pixels in all; got none")
        mean = total / n
        values, vectors = np.linalg.eigh(products / n - np.outer(mean, mean))  # from the smallest up
        return cls(std, values[::-1].clip(0).tolist(), vectors[:, ::-1])

    def __call__(self, img: Any) -> Any:
        _three(img)
        alpha = sample_rng().normal(0, self.std, 3) if self.std else np.zeros(3)
        shift = (self.eigenvectors @ (alpha * self.eigenvalues))[:, None, None]  # (3, 1, 1)

        def change(planes: NDArray[Any]) -> NDArray[Any]:
            white = largest(planes.dtype)
            x = floating(planes)
            moved = x + (white * shift).astype(x.dtype)
            return moved if planes.dtype.kind == "f" else np.rint(moved).clip(0, white).astype(planes.dtype)

        return on_pil_planes(img, change) if is_pil(img) else on_planes(img, change)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(std={self.std}, eigenvalues={self.eigenvalues.tolist()})"


def _three(img: Any) -> None:
    channels = get_dimensions(img)[0]
    if channels != 3:
        raise ShapeError(f"PCAColorNoise: expected an image of 3 channels; got {channels}. Fix: image.convert('RGB')")


def _pixels(image: Any) -> NDArray[np.float64]:
    """Red, green and blue (3, H * W) from 0 to 1."""
    _three(image)
    array = np.asarray(image)
    if is_pil(image) or isinstance(image, np.ndarray):
        array = array.transpose(2, 0, 1)
    return convert(array, np.float64).reshape(3, -1)
