"""Rotating, shifting, shearing and zooming: every pixel of the result looks up its place in the image.

A point p of the image goes to ``M (p - c) + c + t`` with ``M = rotation @ shears * scale``, the centre c and the shift
t. The result's pixel q therefore shows what lies at ``M^-1 (q - c - t) + c``, between the pixels usually.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import geometry
from .chance import SMALLEST, check_number, finite_numbers
from .images import get_dimensions, is_pil, on_pil_planes, on_planes
from .resampling import InterpolationMode, as_mode, pil_number

FILL_MODES = ("constant", "nearest", "reflect", "wrap")


def check_fill_mode(mode: Any) -> None:
    """Raise unless it is one of the four."""
    if mode not in FILL_MODES:
        raise ValueError(f"fill_mode must be one of {', '.join(map(repr, FILL_MODES))}; got {mode!r}")


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
    fill_mode: str = "constant",
) -> Any:
    """The image turned, counter-clockwise.

    Parameters
    ----------
    img : PIL image, array or tensor
    angle : float
        In degrees.
    interpolation : InterpolationMode or PIL's number for it, default nearest
        For PIL images nearest, bilinear or bicubic, else nearest or bilinear.
    expand : bool, default False
        Make the result large enough for all of the image (around the middle).
    center : (x, y), optional
        The point that stays, from the upper left corner; the middle unless given.
    fill : number, or one per channel, optional
        What is seen where the image ends; 0 unless given.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}
        As in :class:`~minicnn.data.transforms.RandomAffine`.

    Examples
    --------
    >>> import numpy as np
    >>> rotate(np.array([[1, 2], [3, 4]]), 90).tolist()
    [[2, 4], [1, 3]]
    """
    mode = _check(interpolation, fill_mode)
    turn = check_number(angle, "rotate: angle is a number of degrees", lowest=-math.inf)
    matrix = _matrix(-turn, 1.0, (0.0, 0.0))
    _, h, w = get_dimensions(img)
    middle = _centre(center, h, w)
    if is_pil(img) and fill_mode == "constant":
        colour = geometry.pil_colour(img, fill)
        return img.rotate(angle, pil_number(mode), expand, None if center is None else tuple(center), fillcolor=colour)
    size = _bounding_box(matrix, h, w) if expand else (h, w)
    return _warp(img, matrix, middle, (0.0, 0.0), size, mode, fill, fill_mode)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
    fill_mode: str = "constant",
) -> Any:
    """The image turned, sheared, zoomed and then shifted.

    Parameters
    ----------
    img : PIL image, array or tensor
    angle : float
        In degrees, clockwise (as in torchvision; ``rotate`` turns the other way).
    translate : (x, y)
        The shift in pixels, to the right and down.
    scale : float
        The zoom; 2 shows everything twice as large.
    shear : float, or (x, y)
        Angles in degrees by which vertical lines and horizontal lines lean.
    interpolation, fill, center, fill_mode
        As in :func:`rotate`.

    Examples
    --------
    >>> import numpy as np
    >>> affine(np.array([[1, 2, 3]]), 0, (1, 0), 1.0, 0).tolist()
    [[0, 1, 2]]
    >>> affine(np.array([[1, 2, 3]]), 0, (1, 0), 1.0, 0, fill_mode="wrap").tolist()
    [[3, 1, 2]]
    """
    mode = _check(interpolation, fill_mode)
    turn = check_number(angle, "affine: angle is a number of degrees", lowest=-math.inf)
    shift = finite_numbers(translate, "affine: translate is two numbers of pixels, (x, y)", (2,))
    zoom = check_number(scale, "affine: scale is a number above 0", lowest=SMALLEST)
    given = shear if isinstance(shear, Sequence) else [shear]
    lean = finite_numbers(given, "affine: shear is an angle in degrees or two, (x, y)", (1, 2))
    matrix = _matrix(turn, zoom, (lean[0], lean[1] if len(lean) == 2 else 0.0))
    _, h, w = get_dimensions(img)
    middle = _centre(center, h, w)
    if is_pil(img) and fill_mode == "constant":
        from PIL import Image

        (a, b, c), (d, e, f) = _inverse(matrix, (middle[0] + w / 2, middle[1] + h / 2), shift)
        colour = geometry.pil_colour(img, fill)
        method: Any = Image.Transform.AFFINE
        return img.transform(img.size, method, (a, b, c, d, e, f), pil_number(mode), fillcolor=colour)
    return _warp(img, matrix, middle, shift, (h, w), mode, fill, fill_mode)


def _check(interpolation: Any, fill_mode: str) -> InterpolationMode:
    check_fill_mode(fill_mode)
    return as_mode(interpolation)


def _centre(center: Any, h: int, w: int) -> tuple[float, float]:
    """The point that stays, from the middle of the image."""
    if center is None:
        return 0.0, 0.0
    x, y = finite_numbers(center, "center is two numbers, (x, y), from the upper left corner", (2,))
    return x - w / 2, y - h / 2


def _matrix(angle: float, scale: float, shear: Sequence[float]) -> NDArray[np.float64]:
    """M (2, 2) for columns (x, y), y downwards: a positive angle turns clockwise."""
    a, tx, ty = math.radians(angle), math.tan(math.radians(shear[0])), math.tan(math.radians(shear[1]))
    rotation = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    matrix: NDArray[np.float64] = scale * rotation @ np.array([[1, 0], [-ty, 1]]) @ np.array([[1, -tx], [0, 1]])
    return matrix


def _inverse(matrix: NDArray[Any], centre: Sequence[float], shift: Sequence[float]) -> list[list[float]]:
    """The two rows (2, 3) that take a point of the result to its place in the image."""
    back = np.linalg.inv(matrix)
    rest = np.array(centre) - back @ (np.array(centre) + np.array(shift))
    return np.column_stack([back, rest]).tolist()


def _bounding_box(matrix: NDArray[Any], h: int, w: int) -> tuple[int, int]:
    """(height, width) of the upright box around the turned image, with the image's own pixel grid."""
    corners = matrix @ np.array([[-w, w, w, -w], [-h, -h, h, h]]) / 2 + np.array([[w], [h]]) / 2  # (2, 4)
    steps = np.trunc(corners * 1e4) / 1e4  # rounding errors do not make a row of pixels
    low, high = steps.min(1), steps.max(1)
    quarter_turn = np.abs(high - low - np.rint(high - low)) < 1e-3  # a whole number of pixels, at any place
    width, height = np.where(quarter_turn, np.rint(high - low), np.ceil(high) - np.floor(low))
    return int(height), int(width)


def _warp(
    img: Any,
    matrix: NDArray[Any],
    centre: Sequence[float],
    shift: Sequence[float],
    size: tuple[int, int],
    mode: InterpolationMode,
    fill: Any,
    fill_mode: str,
) -> Any:
    """The result, height x width, by looking up every pixel."""
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        what = "tensors and arrays" if fill_mode == "constant" else f"fill_mode={fill_mode!r}"
        raise ValueError(f"interpolation {mode.value!r} is not for {what}; use 'nearest' or 'bilinear'")
    if is_pil(img) and img.mode in ("1", "P"):
        mode = InterpolationMode.NEAREST  # between two palette entries lies no colour
    channels, h, w = get_dimensions(img)
    colour = geometry.colour(fill, channels)
    rows = _inverse(matrix, centre, shift)
    right, down = np.arange(size[1]) - (size[1] - 1) / 2, np.arange(size[0])[:, None] - (size[0] - 1) / 2
    sx, sy = (
        a * right + b * down + c + (n - 1) / 2 for (a, b, c), n in zip(rows, (w, h), strict=True)
    )  # (height, width)

    def change(planes: NDArray[Any]) -> NDArray[Any]:
        values = np.array(colour[0] if len(set(colour)) == 1 else np.reshape(colour, (-1, 1, 1)))
        if mode is InterpolationMode.NEAREST:
            # Rounded first, so that from a place halfway between two pixels the second is taken, as in Pillow.
            y, x = np.floor(sy.round(9) + 0.5), np.floor(sx.round(9) + 0.5)
            return _take(planes, y, x, values.astype(planes.dtype), fill_mode)
        top, left = np.floor(sy), np.floor(sx)
        low, far = sy - top, sx - left  # parts of a pixel
        result: Any = 0.0
        for dy, wy in ((0, 1 - low), (1, low)):
            for dx, wx in ((0, 1 - far), (1, far)):
                result = result + wy * wx * _take(planes, top + dy, left + dx, values, fill_mode)
        return (np.rint(result) if planes.dtype.kind in "iub" else result).astype(planes.dtype)

    return on_pil_planes(img, change) if is_pil(img) else on_planes(img, change)


def _take(planes: NDArray[Any], y: NDArray[Any], x: NDArray[Any], fill: NDArray[Any], fill_mode: str) -> NDArray[Any]:
    """``planes[..., y, x]``, with a value for places outside."""
    h, w = planes.shape[-2:]
    rows, columns = _fold(y.astype(np.intp), h, fill_mode), _fold(x.astype(np.intp), w, fill_mode)
    values = planes[..., rows, columns]
    if fill_mode != "constant":
        return values
    return np.where((rows == y) & (columns == x), values, fill)


def _fold(index: NDArray[np.intp], n: int, fill_mode: str) -> NDArray[np.intp]:
    """Places outside 0 .. n - 1 as places inside."""
    if fill_mode == "wrap":
        return index % n
    if fill_mode == "reflect":
        index = index % (2 * n)
        return np.minimum(index, 2 * n - 1 - index)
    return index.clip(0, n - 1)
