"""Images at another size, as a product with two matrices: ``y = R_h @ x @ R_w.T``.

Row i of ``R`` holds the weights of the input pixels in output pixel i, whose centre lies at ``(i + 1/2) * in / out``
in the input. With *antialiasing* the window grows when the image shrinks, so that every input pixel counts
(Pillow's way); without, each output pixel looks at its two or four neighbours only (PyTorch's ``interpolate``).
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class InterpolationMode(Enum):
    """How values between pixels are found; PIL images know all of them, tensors and arrays the first four."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_OF_PIL = {
    0: InterpolationMode.NEAREST,
    1: InterpolationMode.LANCZOS,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
    4: InterpolationMode.BOX,
    5: InterpolationMode.HAMMING,
}
_TO_PIL = {**{mode: number for number, mode in _OF_PIL.items()}, InterpolationMode.NEAREST_EXACT: 0}


def as_mode(interpolation: Any) -> InterpolationMode:
    """An interpolation mode, or PIL's number for one, as a mode."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int) and int(interpolation) in _OF_PIL:
        return _OF_PIL[int(interpolation)]
    raise TypeError(
        f"interpolation must be an InterpolationMode, such as InterpolationMode.BICUBIC, or PIL's number for it; "
        f"got {interpolation!r}"
    )


def pil_number(mode: InterpolationMode) -> int:
    """PIL's number for a mode."""
    return _TO_PIL[mode]


def resample(planes: NDArray[Any], height: int, width: int, mode: InterpolationMode, antialias: bool) -> NDArray[Any]:
    """Planes (..., H, W) at height x width; whole numbers are rounded.

    Parameters
    ----------
    planes : numpy.ndarray (..., H, W)
    height, width : int
    mode : InterpolationMode
        Nearest, nearest-exact, bilinear or bicubic.
    antialias : bool
        For bilinear and bicubic.

    Returns
    -------
    numpy.ndarray (..., height, width), of the same type

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.array([[0.0, 3.0, 6.0]]), 1, 1, InterpolationMode.BILINEAR, antialias=True).tolist()
    [[3.0]]
    """
    h, w = planes.shape[-2:]
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        exact = mode is InterpolationMode.NEAREST_EXACT
        return planes[..., _nearest(h, height, exact)[:, None], _nearest(w, width, exact)]
    if mode not in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        raise ValueError(
            f"interpolation {mode.value!r} is for PIL images; tensors and arrays can be resized with 'nearest', "
            "'nearest-exact', 'bilinear' or 'bicubic'"
        )
    kind = np.float64 if planes.dtype == np.float64 else np.float32
    cubic = mode is InterpolationMode.BICUBIC
    weigh = _smooth if antialias else _cubic_neighbours if cubic else _linear_neighbours
    rows, columns = (weigh(*sizes, cubic).astype(kind) for sizes in ((h, height), (w, width)))
    result: Any = np.matmul(rows, np.matmul(planes.astype(kind, copy=False), columns.T))
    if planes.dtype.kind in "iu":
        result = np.rint(result)
        if planes.dtype == np.uint8:
            result = result.clip(0, 255)  # a bicubic curve overshoots
    return result.astype(planes.dtype, copy=False)


def _nearest(n: int, size: int, exact: bool) -> NDArray[np.intp]:
    """Which of n pixels each of ``size`` takes; in float32, as PyTorch computes it."""
    scale = np.float32(n) / np.float32(size)
    place = (np.arange(size, dtype=np.float32) + np.float32(0.5 if exact else 0)) * scale
    return np.minimum(place.astype(np.intp), n - 1)


def _cubic(x: NDArray[Any], a: float) -> NDArray[Any]:
    """Keys's cubic convolution kernel (1981), 0 from 2 on."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _smooth(n: int, size: int, cubic: bool) -> NDArray[Any]:
    """R (size, n) with a window that is wide enough for every input pixel to count."""
    scale = n / size
    centre = scale * (np.arange(size) + 0.5)
    distance = (np.arange(n) + 0.5 - centre[:, None]) / max(scale, 1)
    weights = _cubic(distance, -0.5) if cubic else np.maximum(0, 1 - np.abs(distance))
    return weights / weights.sum(1, keepdims=True)


def _linear_neighbours(n: int, size: int, cubic: bool) -> NDArray[Any]:
    """R (size, n) of the two neighbours; at the border, the last pixel."""
    place = np.clip((np.arange(size) + 0.5) * (n / size) - 0.5, 0, n - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n)))


def _cubic_neighbours(n: int, size: int, cubic: bool) -> NDArray[Any]:
    """R (size, n) of the four neighbours; beyond the border, the last pixel again."""
    place = (np.arange(size) + 0.5) * (n / size) - 0.5
    first = np.floor(place).astype(np.intp)
    weights = np.zeros((size, n))
    for k in range(-1, 3):
        np.add.at(weights, (np.arange(size), np.clip(first + k, 0, n - 1)), _cubic(first + k - place, -0.75))
    return weights
