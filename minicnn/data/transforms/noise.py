"""Blur and noise of random strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..randomness import sample_rng
from .chance import SMALLEST, check_number, check_probability, increasing, uniform
from .filters import check_kernel_size, gaussian_blur
from .images import is_pil, on_pil_planes, on_planes
from .values import floating, largest


class GaussianBlur:
    """Blurred by a bell curve of random width; see :func:`~minicnn.data.transforms.functional.gaussian_blur`.

    Parameters
    ----------
    kernel_size : int or (width, height)
        Odd: so many neighbours count.
    sigma : float or (smallest, largest), default (0.1, 2.0)
        Width of the curve in pixels.

    Examples
    --------
    >>> GaussianBlur(5)
    GaussianBlur(kernel_size=(5, 5), sigma=(0.1, 2.0))
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        self.kernel_size = check_kernel_size(kernel_size)
        limits = sigma if isinstance(sigma, Sequence) else (sigma, sigma)
        rule = "GaussianBlur: sigma is a number above 0, or (smallest, largest)"
        self.sigma = increasing(limits, rule, lowest=SMALLEST)

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw the width."""
        return uniform((sigma_min, sigma_max))

    def __call__(self, img: Any) -> Any:
        return gaussian_blur(img, self.kernel_size, self.get_params(*self.sigma))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class GaussianNoise:
    """A normally distributed number added to every value.

    Parameters
    ----------
    mean, sigma : float, default 0 and 0.1
        Of values from 0 to 1; bytes get 255 times as much.
    clip : bool, default True
        Cut the result off at 0 and 1 (bytes: always, at 0 and 255). Switch it off behind ``Normalize``.

    Examples
    --------
    >>> import numpy as np
    >>> noisy = GaussianNoise(sigma=0.1)(np.full((100, 100), 0.5))
    >>> bool(0.09 < noisy.std() < 0.11)
    True
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        check_number(mean, "GaussianNoise: mean is a number, for values from 0 to 1", lowest=-math.inf)
        check_number(sigma, "GaussianNoise: sigma is a number from 0 on, for values from 0 to 1")
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def __call__(self, img: Any) -> Any:
        def change(planes: NDArray[Any]) -> NDArray[Any]:
            x, white = floating(planes), largest(planes.dtype)
            noise = sample_rng().standard_normal(x.shape, x.dtype)
            noisy = x + x.dtype.type(white) * (x.dtype.type(self.mean) + x.dtype.type(self.sigma) * noise)
            if planes.dtype.kind == "f":
                return noisy.clip(0, 1).astype(planes.dtype) if self.clip else noisy.astype(planes.dtype)
            return np.rint(noisy).clip(0, white).astype(planes.dtype)

        return on_pil_planes(img, change) if is_pil(img) else on_planes(img, change)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, sigma={self.sigma}, clip={self.clip})"


class SaltAndPepper:
    """Some pixels made white (salt) or black (pepper), in all channels, as by a faulty sensor.

    Parameters
    ----------
    amount : float, default 0.05
        The probability of a pixel to be hit.
    salt : float, default 0.5
        The probability of a hit pixel to be white.

    Examples
    --------
    >>> import numpy as np
    >>> grey = np.full((100, 100), 0.5)
    >>> sorted(set(SaltAndPepper(0.1)(grey).ravel().tolist()))
    [0.0, 0.5, 1.0]
    """

    def __init__(self, amount: float = 0.05, salt: float = 0.5) -> None:
        self.amount = check_probability(amount, "SaltAndPepper", "amount")
        self.salt = check_probability(salt, "SaltAndPepper", "salt")

    def __call__(self, img: Any) -> Any:
        def change(planes: NDArray[Any]) -> NDArray[Any]:
            place = (*planes.shape[:-3], 1, *planes.shape[-2:]) if planes.ndim > 2 else planes.shape
            drawn = sample_rng().random(place)
            changed = np.where(drawn < self.amount, planes.dtype.type(0), planes)
            return np.where(drawn < self.amount * self.salt, planes.dtype.type(largest(planes.dtype)), changed)

        return on_pil_planes(img, change) if is_pil(img) else on_planes(img, change)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(amount={self.amount}, salt={self.salt})"
