"""Brightness, contrast, saturation and hue of PIL images, arrays and tensors; grey images.

For PIL images these are Pillow's operations; for arrays and tensors, whose values go from 0 to 1 or, as bytes, from 0
to 255, the same formulas. Each takes a factor; 1 (for the hue 0) leaves the image as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ShapeError
from .chance import check_number
from .images import by_pillow, get_dimensions, is_pil, on_planes
from .values import blend, convert, floating, within

LUMA = np.array([0.2989, 0.587, 0.114], np.float32)  # how bright red, green and blue look: ITU-R BT.601


def check_factor(value: Any, who: str) -> float:
    """Raise unless it is a number from 0 on."""
    return check_number(value, f"{who}: the factor must not be negative, 1 leaves the image as it is")


def check_channels(img: Any, who: str) -> int:
    """1 or 3; anything else is an error."""
    channels = get_dimensions(img)[0]
    if channels not in (1, 3):
        raise ShapeError(f"{who}: expected an image of 1 or 3 channels; got {channels}. Fix: image.convert('RGB')")
    return channels


def _like(image: Any, changed: Any) -> Any:
    """A changed PIL image in the mode of the first one, with its transparency."""
    result = changed.convert(image.mode)
    if "A" in image.getbands():
        result.putalpha(image.getchannel("A"))
    return result


def grey(planes: NDArray[Any]) -> NDArray[Any]:
    """Planes (..., 3, H, W) as (..., 1, H, W): ``0.2989 R + 0.587 G + 0.114 B``, fractions of whole numbers dropped."""
    red, green, blue = (floating(planes[..., i, :, :]) for i in range(3))
    return within(LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue, planes.dtype)[..., None, :, :]


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A grey image, ``0.2989 R + 0.587 G + 0.114 B``.

    Parameters
    ----------
    img : PIL image, array or tensor
        Of 1 or 3 channels (PIL images: of any mode).
    num_output_channels : 1 or 3
        Three equal channels for networks that expect colours.

    Examples
    --------
    >>> import numpy as np
    >>> rgb_to_grayscale(np.array([[[100, 200, 50]]], np.uint8)).tolist()  # (H, W, 3) to (H, W, 1)
    [[[152]]]
    """
    if num_output_channels not in (1, 3):
        raise ValueError(f"Grayscale: num_output_channels is 1 or 3; got {num_output_channels!r}")
    if is_pil(img):
        from PIL import Image

        luma = img.convert("L")
        return luma if num_output_channels == 1 else Image.merge("RGB", [luma] * 3)
    colourful = check_channels(img, "Grayscale") == 3

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        one = grey(planes) if colourful else planes
        return one if num_output_channels == 1 else np.repeat(one if one.ndim > 2 else one[None], 3, axis=-3)

    if isinstance(img, np.ndarray) and img.ndim == 2 and num_output_channels == 3:
        img = img[:, :, None]
    return on_planes(img, change)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image in grey: :func:`rgb_to_grayscale`, for which torchvision has this second name.

    Examples
    --------
    >>> from PIL import Image
    >>> to_grayscale(Image.new("RGB", (2, 2), (255, 0, 0))).getpixel((0, 0))
    76
    """
    return rgb_to_grayscale(img, num_output_channels)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """``factor * x``: 0 is black, 2 twice as bright.

    Examples
    --------
    >>> import numpy as np
    >>> adjust_brightness(np.array([[10, 200]], np.uint8), 1.5).tolist()
    [[15, 255]]
    """
    factor = check_factor(brightness_factor, "adjust_brightness")
    if is_pil(img):
        from PIL import ImageEnhance

        return by_pillow("adjust_brightness", img, lambda image: ImageEnhance.Brightness(image).enhance(factor))
    check_channels(img, "adjust_brightness")
    return on_planes(img, lambda planes: within(factor * floating(planes), planes.dtype))


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """``factor * x + (1 - factor) * m``, m the mean of the grey image: 0 is all grey, 2 twice the contrast.

    Examples
    --------
    >>> import numpy as np
    >>> adjust_contrast(np.array([[50, 150]], np.uint8), 0.5).tolist()
    [[75, 125]]
    """
    factor = check_factor(contrast_factor, "adjust_contrast")
    if is_pil(img):
        from PIL import ImageEnhance

        return by_pillow("adjust_contrast", img, lambda image: ImageEnhance.Contrast(image).enhance(factor))
    colourful = check_channels(img, "adjust_contrast") == 3

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        luma = floating(grey(planes) if colourful else planes)
        return blend(planes, luma.mean((-3, -2, -1) if luma.ndim > 2 else None, keepdims=True), factor)

    return on_planes(img, change)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """``factor * x + (1 - factor) * grey(x)``: 0 is grey, 2 twice as colourful.

    Examples
    --------
    >>> import numpy as np
    >>> adjust_saturation(np.array([[[200, 100, 100]]], np.uint8), 0.0).tolist()
    [[[129, 129, 129]]]
    """
    factor = check_factor(saturation_factor, "adjust_saturation")
    if is_pil(img):
        from PIL import ImageEnhance

        return by_pillow("adjust_saturation", img, lambda image: ImageEnhance.Color(image).enhance(factor))
    if check_channels(img, "adjust_saturation") == 1:
        return img
    return on_planes(img, lambda planes: blend(planes, grey(planes), factor))


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * x ** gamma`` of values from 0 to 1: a gamma above 1 makes shadows darker, below 1 lighter.

    Examples
    --------
    >>> import numpy as np
    >>> adjust_gamma(np.array([[0.25, 1.0]]), 2).tolist()
    [[0.0625, 1.0]]
    """
    gamma = check_factor(gamma, "adjust_gamma")

    def curve(values: NDArray[Any]) -> NDArray[Any]:
        return (gain * values**gamma).clip(0, 1)

    if is_pil(img):
        levels = convert(curve(np.arange(256) / 255), np.uint8).tolist()
        return by_pillow("adjust_gamma", img, lambda image: _like(image, image.convert("RGB").point(levels * 3)))
    check_channels(img, "adjust_gamma")
    return on_planes(img, lambda planes: convert(curve(convert(planes, floating(planes).dtype)), planes.dtype))


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The colours moved around the colour circle, from -0.5 to 0.5 of a turn; 1/3 takes red to green.

    Examples
    --------
    >>> import numpy as np
    >>> adjust_hue(np.array([[[1.0, 0.0, 0.0]]]), 1 / 3).round(6).tolist()
    [[[0.0, 1.0, 0.0]]]
    """
    check_number(hue_factor, "adjust_hue: hue_factor is a part of a turn, from -0.5 to 0.5", -0.5, 0.5)
    if is_pil(img):
        if img.mode in ("1", "L", "I", "F"):
            return img
        from PIL import Image

        def turn(image: Any) -> Any:
            hue, saturation, value = image.convert("HSV").split()
            steps = int(hue_factor * 255)
            turned = hue.point([(level + steps) % 256 for level in range(256)])
            return _like(image, Image.merge("HSV", (turned, saturation, value)))

        return by_pillow("adjust_hue", img, turn)
    if check_channels(img, "adjust_hue") == 1:
        return img

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        kind = np.float64 if planes.dtype == np.float64 else np.float32
        hue, saturation, value = _to_hsv(convert(planes, kind))
        return convert(_from_hsv((hue + kind(hue_factor)) % 1, saturation, value), planes.dtype)

    return on_planes(img, change)


def _to_hsv(planes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Hue, saturation and value, each (..., H, W) from 0 to 1, of planes (..., 3, H, W)."""
    red, green, blue = (planes[..., i, :, :] for i in range(3))
    value, low = planes.max(-3), planes.min(-3)
    spread = value - low
    some = np.where(spread == 0, 1, spread)  # grey has no hue
    saturation = spread / np.where(spread == 0, 1, value)
    sector = np.where(
        value == red, (green - blue) / some, np.where(value == green, 2 + (blue - red) / some, 4 + (red - green) / some)
    )
    return (sector / 6) % 1, saturation, value


def _from_hsv(hue: NDArray[Any], saturation: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
    """Planes (..., 3, H, W): each channel falls from V to V (1 - S) with its distance from its own hue."""
    channels = []
    for own in (5, 3, 1):
        away = (own + 6 * hue) % 6
        channels.append(value - value * saturation * np.minimum(away, 4 - away).clip(0, 1))
    return np.stack(channels, axis=-3)
