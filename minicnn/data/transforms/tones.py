"""Changes of single levels: inverting, coarser levels, and using the whole range from black to white."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DTypeError
from .chance import check_number
from .images import by_pillow, is_pil, on_planes
from .values import floating, largest


def invert(img: Any) -> Any:
    """The negative, ``white - x``.

    Examples
    --------
    >>> import numpy as np
    >>> invert(np.array([[0, 200]], np.uint8)).tolist()
    [[255, 55]]
    """
    if is_pil(img):
        from PIL import ImageOps

        return by_pillow("invert", img, lambda image: ImageOps.invert(image))
    return on_planes(img, _inverted)


def _inverted(planes: NDArray[Any]) -> NDArray[Any]:
    if planes.dtype == np.bool_:
        return ~planes
    return planes.dtype.type(largest(planes.dtype)) - planes


def check_bits(bits: Any) -> None:
    """Raise unless it is a whole number from 0 to 8."""
    if not isinstance(bits, (int, np.integer)) or isinstance(bits, bool) or not 0 <= bits <= 8:
        raise ValueError(f"posterize: bits is a whole number from 0 to 8; got {bits!r}")


def posterize(img: Any, bits: int) -> Any:
    """Only the first ``bits`` bits of every byte: 2 to the power of ``bits`` levels.

    Examples
    --------
    >>> import numpy as np
    >>> posterize(np.array([[7, 130, 255]], np.uint8), 1).tolist()
    [[0, 128, 128]]
    """
    check_bits(bits)
    mask = 0xFF & (0xFF << (8 - int(bits)))
    if is_pil(img):
        if bits == 0:
            return img.point([0] * 256 * len(img.getbands()))
        from PIL import ImageOps

        return by_pillow("posterize", img, lambda image: ImageOps.posterize(image, int(bits)))
    return on_planes(img, lambda planes: _bytes(planes, "posterize") & np.uint8(mask))


def solarize(img: Any, threshold: float) -> Any:
    """The negative of every value from ``threshold`` on; in the range of the image's values (255 or 1.0).

    Examples
    --------
    >>> import numpy as np
    >>> solarize(np.array([[10, 200]], np.uint8), 128).tolist()
    [[10, 55]]
    """
    check_number(threshold, "solarize: threshold is a number in the range of the image's values")
    if is_pil(img):
        from PIL import ImageOps

        return by_pillow("solarize", img, lambda image: ImageOps.solarize(image, threshold))  # type: ignore[arg-type]

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        white = largest(planes.dtype)
        if float(threshold) > white:
            raise ValueError(
                f"solarize: threshold={threshold!r} is above white, which is {white} for {planes.dtype}, so nothing "
                "would change"
            )
        return np.where(planes >= threshold, _inverted(planes), planes)

    return on_planes(img, change)


def autocontrast(img: Any) -> Any:
    """Each channel stretched so that its darkest pixel is black and its lightest white.

    Examples
    --------
    >>> import numpy as np
    >>> autocontrast(np.array([[100, 150, 200]], np.uint8)).tolist()
    [[0, 127, 255]]
    """
    if is_pil(img):
        from PIL import ImageOps

        return by_pillow("autocontrast", img, lambda image: ImageOps.autocontrast(image))

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        white, x = largest(planes.dtype), floating(planes)
        low, high = (fold(x, axis=(-2, -1), keepdims=True) for fold in (np.min, np.max))
        flat = high == low  # one level only: left alone
        stretched = (x - np.where(flat, 0, low)) * (x.dtype.type(white) / np.where(flat, white, high - low))
        return stretched.clip(0, white).astype(planes.dtype)

    return on_planes(img, change)


def equalize(img: Any) -> Any:
    """Each channel's levels spread so that all of them come about equally often (a flat histogram).

    Examples
    --------
    >>> import numpy as np
    >>> equalize(np.array([[0, 1, 2, 3]], np.uint8)).tolist()
    [[0, 1, 2, 3]]
    >>> equalize(np.arange(600, dtype=np.uint16).astype(np.uint8)[None] // 8).max()
    np.uint8(255)
    """
    if is_pil(img):
        from PIL import ImageOps

        return by_pillow("equalize", img, lambda image: ImageOps.equalize(image))
    return on_planes(img, lambda planes: _each_channel(_bytes(planes, "equalize"), _equalised))


def _equalised(channel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel (H, W): level v becomes the share of pixels below it, in steps of 1/255 of all but the last level."""
    counts = np.bincount(channel.ravel(), minlength=256)
    present = counts[counts > 0]
    step = int(present[:-1].sum()) // 255
    if step == 0:
        return channel
    below = np.cumsum(counts) - counts  # pixels of lower levels
    return ((below + step // 2) // step).clip(0, 255).astype(np.uint8)[channel]


def _each_channel(planes: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    flat = planes.reshape(-1, *planes.shape[-2:])
    return np.stack([change(channel) for channel in flat]).reshape(planes.shape) if planes.size else planes


def _bytes(planes: NDArray[Any], who: str) -> NDArray[np.uint8]:
    if planes.dtype != np.uint8:
        raise DTypeError(
            f"{who}: expected bytes (uint8); got {planes.dtype}. Fix: do it before ToTensor() or "
            "ConvertImageDtype(...), or after ConvertImageDtype(minicnn.uint8)"
        )
    return planes
