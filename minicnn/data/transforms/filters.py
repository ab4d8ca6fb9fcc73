"""Blurring and sharpening: each pixel becomes a weighted sum of its neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chance import finite_numbers
from .colours import check_factor
from .images import by_pillow, is_pil, on_pil_planes, on_planes
from .values import blend, floating


def check_kernel_size(kernel_size: Any) -> tuple[int, int]:
    """One odd number, or two, as (width, height)."""
    sizes = list(kernel_size) if isinstance(kernel_size, Sequence) else [kernel_size]
    odd = all(isinstance(k, (int, np.integer)) and not isinstance(k, bool) and k > 0 and k % 2 for k in sizes)
    if len(sizes) not in (1, 2) or not odd:
        raise ValueError(
            f"GaussianBlur: kernel_size is an odd number or two, (width, height), so that there is a middle; "
            f"got {kernel_size!r}"
        )
    return int(sizes[0]), int(sizes[-1])


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """Blurred by a bell curve, ``w(t) ~ exp(-t^2 / (2 sigma^2))`` along rows and columns; the border is mirrored.

    Parameters
    ----------
    img : PIL image, array or tensor
    kernel_size : int or (width, height)
        Odd: so many neighbours count.
    sigma : float or (x, y), optional
        Width of the curve in pixels; ``0.15 kernel_size + 0.35`` unless given.

    Examples
    --------
    >>> import numpy as np
    >>> gaussian_blur(np.array([[0.0, 0.0, 1.0, 0.0, 0.0]]), (3, 1), 1.0).round(3).tolist()
    [[0.0, 0.274, 0.452, 0.274, 0.0]]
    """
    sizes = check_kernel_size(kernel_size)
    if sigma is None:
        widths = [0.15 * size + 0.35 for size in sizes]
    else:
        rule = "GaussianBlur: sigma is a number above 0 or two, (x, y)"
        widths = finite_numbers(sigma if isinstance(sigma, Sequence) else [sigma], rule, (1, 2))
        if min(widths) <= 0:
            raise ValueError(f"{rule}; got {sigma!r}")
    (wide, x), (high, y) = zip(sizes, (widths[0], widths[-1]), strict=True)

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        blurred = _correlate(_correlate(floating(planes), _bell(wide, x), -1), _bell(high, y), -2)
        return (np.rint(blurred) if planes.dtype.kind in "iu" else blurred).astype(planes.dtype, copy=False)

    return on_pil_planes(img, change) if is_pil(img) else on_planes(img, change)


def _bell(size: int, sigma: float) -> list[float]:
    weights = [math.exp(-0.5 * ((i - size // 2) / sigma) ** 2) for i in range(size)]
    return [weight / sum(weights) for weight in weights]


def _correlate(planes: NDArray[Any], weights: Sequence[float], axis: int) -> NDArray[Any]:
    """``sum_k w[k] x[i + k - len // 2]`` along one axis, x mirrored at its ends."""
    around = [(0, 0)] * planes.ndim
    around[axis] = (len(weights) // 2, len(weights) // 2)
    padded = np.pad(planes, around, "reflect")
    result: NDArray[Any] = np.zeros_like(planes)
    for k, weight in enumerate(weights):
        window = [slice(None)] * planes.ndim
        window[axis] = slice(k, k + planes.shape[axis])
        result += planes.dtype.type(weight) * padded[tuple(window)]
    return result


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """``factor * x + (1 - factor) * smooth(x)``: 0 is smooth, 1 the image, 2 sharper.

    ``smooth`` weighs a pixel by 5/13 and its eight neighbours by 1/13 each; the border is left alone.

    Examples
    --------
    >>> import numpy as np
    >>> spot = np.zeros((3, 3))
    >>> spot[1, 1] = 1
    >>> float(adjust_sharpness(spot, 0.0)[1, 1].round(3))
    0.385
    """
    factor = check_factor(sharpness_factor, "adjust_sharpness")
    if is_pil(img):
        from PIL import ImageEnhance

        return by_pillow("adjust_sharpness", img, lambda image: ImageEnhance.Sharpness(image).enhance(factor))
    return on_planes(img, lambda planes: blend(planes, _smooth(planes), factor))


def _smooth(planes: NDArray[Any]) -> NDArray[Any]:
    x = floating(planes)
    h, w = x.shape[-2:]
    if min(h, w) < 3:  # border only
        return x
    nine = sum(x[..., i : h - 2 + i, j : w - 2 + j] for i in range(3) for j in range(3))
    result = x.copy()
    result[..., 1:-1, 1:-1] = (nine + 4 * x[..., 1:-1, 1:-1]) / 13
    return np.rint(result) if planes.dtype.kind in "iu" else result
