"""Cutting, padding, mirroring and resizing of PIL images, arrays (H, W) or (H, W, C) and tensors (..., H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ShapeError
from .images import get_dimensions, is_pil, on_pil, on_planes
from .resampling import InterpolationMode, as_mode, pil_number, resample

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def pair(size: Any, who: str) -> tuple[int, int]:
    """One number for both, or two, as (height, width)."""
    values = _numbers(size, f"{who}: size is one whole number or two, (height, width)", (1, 2))
    if min(values) < 1:
        raise ValueError(f"{who}: height and width must be at least 1; got {size!r}")
    return values[0], values[-1]


def _numbers(given: Any, rule: str, lengths: tuple[int, ...]) -> list[int]:
    """A whole number, or a sequence of them, as a list."""
    values = list(given) if isinstance(given, Sequence) else [given]
    if not all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in values):
        raise TypeError(f"{rule}; got {given!r}")
    if len(values) not in lengths:
        raise ValueError(f"{rule}; got {given!r}")
    return [int(value) for value in values]


def resized(height: int, width: int, size: Any, max_size: int | None = None) -> tuple[int, int]:
    """The size that :func:`resize` gives an image of height x width."""
    target = pair(size, "Resize")
    if isinstance(size, Sequence) and len(size) == 2:
        if max_size is not None:
            raise ValueError(f"Resize: max_size={max_size} is for a size of one number; got size={size}")
        return target
    if min(height, width) < 1:
        raise ShapeError(f"Resize: an image of {height} x {width} has no shorter edge to go by")
    short, long = target[0], int(target[0] * max(height, width) / min(height, width))
    if max_size is not None:
        if max_size <= short:
            raise ValueError(f"Resize: max_size={max_size} must be greater than size={size}, the shorter edge")
        if long > max_size:
            short, long = max(int(max_size * short / long), 1), max_size
    return (long, short) if width <= height else (short, long)


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image at another size; see :class:`~minicnn.data.transforms.Resize` for the parameters.

    Examples
    --------
    >>> from PIL import Image
    >>> resize(Image.new("RGB", (60, 40)), 20).size  # PIL's sizes are (width, height)
    (30, 20)
    """
    mode = as_mode(interpolation)
    _, h, w = get_dimensions(img)
    height, width = resized(h, w, size, max_size)
    if (height, width) == (h, w):
        return img
    if is_pil(img):
        return img.resize((width, height), pil_number(mode))
    return on_planes(img, lambda planes: resample(planes, height, width, mode, bool(antialias)))


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of the image; what lies outside of it is black.

    Parameters
    ----------
    img : PIL image, array or tensor
    top, left : int
        Its upper left corner; negative ones lie outside.
    height, width : int

    Examples
    --------
    >>> import numpy as np
    >>> crop(np.array([[1, 2], [3, 4]]), 0, 1, 2, 2).tolist()
    [[2, 0], [4, 0]]
    """
    if is_pil(img):
        return img.crop((left, top, left + width, top + height))
    _, h, w = get_dimensions(img)
    bottom, right = top + height, left + width
    inside = (slice(min(max(top, 0), h), max(bottom, 0)), slice(min(max(left, 0), w), max(right, 0)))

    def cut(planes: NDArray[Any]) -> NDArray[Any]:
        part = planes[(..., *inside)]
        missing_top, missing_left = min(max(-top, 0), height), min(max(-left, 0), width)
        missing = (
            (missing_top, height - part.shape[-2] - missing_top),
            (missing_left, width - part.shape[-1] - missing_left),
        )
        return np.pad(part, [(0, 0)] * (planes.ndim - 2) + [*missing])

    return on_planes(img, cut)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of the image; a smaller image gets a black border.

    Parameters
    ----------
    img : PIL image, array or tensor
    output_size : int or (height, width)

    Examples
    --------
    >>> import numpy as np
    >>> center_crop(np.arange(5)[None], (1, 3)).tolist()
    [[1, 2, 3]]
    """
    height, width = pair(output_size, "CenterCrop")
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        short = max(height - h, 0), max(width - w, 0)
        img = pad(img, (short[1] // 2, short[0] // 2, (short[1] + 1) // 2, (short[0] + 1) // 2))
        _, h, w = get_dimensions(img)
    return crop(img, round((h - height) / 2), round((w - width) / 2), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """:func:`crop`, then :func:`resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def borders(padding: Any) -> tuple[int, int, int, int]:
    """Widths (left, top, right, bottom) from one number, two (left/right, top/bottom) or four."""
    rule = "Pad: padding is one whole number, two (left and right, top and bottom) or four (left, top, right, bottom)"
    values = _numbers(padding, rule, (1, 2, 4))
    left, top, right, bottom = values * (4 // len(values))
    return left, top, right, bottom


def check_padding_mode(mode: Any) -> None:
    """Raise unless it is one of the four."""
    if mode not in PADDING_MODES:
        raise ValueError(f"Pad: padding_mode must be one of {', '.join(map(repr, PADDING_MODES))}; got {mode!r}")


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with a border; see :class:`~minicnn.data.transforms.Pad` for the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> pad(np.array([[1, 2, 3]]), (2, 0), padding_mode="reflect").tolist()
    [[3, 2, 1, 2, 3, 2, 1]]
    """
    check_padding_mode(padding_mode)
    left, top, right, bottom = widths = borders(padding)
    channels, h, w = get_dimensions(img)
    if min(widths) < 0:  # cuts off
        img = crop(img, -min(top, 0), -min(left, 0), h + min(top, 0) + min(bottom, 0), w + min(left, 0) + min(right, 0))
        left, top, right, bottom = (max(width, 0) for width in widths)
    around = [(top, bottom), (left, right)]
    if padding_mode == "constant":
        if is_pil(img):
            return _framed(img, (left, top, right, bottom), pil_colour(img, fill))
        values = colour(fill, channels)
        return on_planes(img, lambda planes: _filled(planes, around, values))
    how: Any = padding_mode
    if is_pil(img):
        return on_pil(img, lambda array: np.pad(array, around + [(0, 0)] * (array.ndim - 2), how))
    return on_planes(img, lambda planes: np.pad(planes, [(0, 0)] * (planes.ndim - 2) + around, how))


def colour(fill: Any, channels: int) -> tuple[Any, ...]:
    """One number for each channel."""
    values = tuple(fill) if isinstance(fill, Sequence) else (0 if fill is None else fill,)
    if len(values) not in (1, channels) or isinstance(fill, str):
        raise ValueError(f"fill is one number or one per channel, here {channels}; got {fill!r}")
    return values * (channels // len(values))


def pil_colour(img: Any, fill: Any) -> Any:
    """A colour as PIL wants it for this image: whole numbers, and a single one for a single band."""
    values = colour(fill, len(img.getbands()))
    values = values if img.mode == "F" else tuple(map(int, values))
    return values if len(values) > 1 else values[0]


def _framed(img: Any, widths: tuple[int, int, int, int], background: Any) -> Any:
    """A PIL image on a larger canvas of one colour."""
    from PIL import Image

    left, top, right, bottom = widths
    canvas = Image.new(img.mode, (img.width + left + right, img.height + top + bottom), background)
    if img.mode == "P":
        canvas.putpalette(img.getpalette())
    canvas.paste(img, (left, top))
    return canvas


def _filled(planes: NDArray[Any], around: list[tuple[int, int]], fill: tuple[Any, ...]) -> NDArray[Any]:
    (top, bottom), (left, right) = around
    h, w = planes.shape[-2:]
    values = np.array(fill[0] if len(set(fill)) == 1 else np.reshape(fill, (-1, 1, 1)))
    canvas = np.empty((*planes.shape[:-2], top + h + bottom, left + w + right), planes.dtype)
    canvas[...] = values.astype(planes.dtype)
    canvas[..., top : top + h, left : left + w] = planes
    return canvas


def hflip(img: Any) -> Any:
    """Left and right exchanged.

    Examples
    --------
    >>> import numpy as np
    >>> hflip(np.array([[1, 2]])).tolist()
    [[2, 1]]
    """
    if is_pil(img):
        from PIL import Image

        return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return on_planes(img, lambda planes: planes[..., ::-1])


def vflip(img: Any) -> Any:
    """Top and bottom exchanged.

    Examples
    --------
    >>> import numpy as np
    >>> vflip(np.array([[1], [2]])).tolist()
    [[2], [1]]
    """
    if is_pil(img):
        from PIL import Image

        return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return on_planes(img, lambda planes: planes[..., ::-1, :])
