"""The three kinds of images, seen as one: PIL images, arrays (H, W) or (H, W, C), tensors (..., H, W)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ShapeError
from ...core.tensor import Tensor, from_numpy


def is_pil(pic: Any) -> bool:
    """Whether this is a PIL image, without importing PIL for it."""
    return any(base.__module__ == "PIL.Image" for base in type(pic).__mro__)


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width of an image, ``[C, H, W]``.

    Examples
    --------
    >>> import numpy as np
    >>> get_dimensions(np.zeros((4, 5, 3)))
    [3, 4, 5]
    """
    if is_pil(img):
        return [len(img.getbands()), img.height, img.width]
    _check(img)
    if isinstance(img, Tensor):
        return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]
    return [1 if img.ndim == 2 else img.shape[2], *img.shape[:2]]


def get_image_size(img: Any) -> list[int]:
    """Width and height of an image, ``[W, H]``.

    Examples
    --------
    >>> import numpy as np
    >>> get_image_size(np.zeros((4, 5, 3)))
    [5, 4]
    """
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Channels of an image.

    Examples
    --------
    >>> import numpy as np
    >>> get_image_num_channels(np.zeros((4, 5, 3)))
    3
    """
    return get_dimensions(img)[0]


def on_planes(img: Any, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
    """``change``, a function of arrays (..., H, W), done to a tensor or to an array; in memory of its own."""
    _check(img)
    if isinstance(img, Tensor):
        return from_numpy(change(np.asarray(img.detach())).copy())
    if img.ndim == 2:
        return change(img).copy()
    return change(img.transpose(2, 0, 1)).transpose(1, 2, 0).copy(order="C")


def by_pillow(who: str, img: Any, change: Callable[[Any], Any]) -> Any:
    """``change`` done to a PIL image, or the reason why Pillow does not do it for this kind of image."""
    try:
        return change(img)
    except (OSError, ValueError, NotImplementedError) as error:  # what Pillow raises for modes that it does not take
        raise ValueError(
            f"{who}: Pillow does not do this with an image of mode {img.mode} ({error}). Fix: image.convert('RGB')"
        ) from error


def on_pil(img: Any, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
    """``change``, a function of arrays (H, W) or (H, W, C), done to a PIL image; mode and palette stay."""
    from PIL import Image

    array = np.ascontiguousarray(change(np.asarray(img)))
    if img.mode == "1":
        return Image.fromarray(array)
    changed = Image.frombytes(img.mode, (array.shape[1], array.shape[0]), array.tobytes())
    if img.mode == "P":
        changed.putpalette(img.getpalette())
    return changed


def on_pil_planes(img: Any, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
    """``change``, a function of arrays (H, W) or (C, H, W), done to a PIL image; mode and palette stay."""

    def on_array(array: NDArray[Any]) -> NDArray[Any]:
        return change(array) if array.ndim == 2 else change(array.transpose(2, 0, 1)).transpose(1, 2, 0)

    return on_pil(img, on_array)


def _check(img: Any) -> None:
    if not isinstance(img, (Tensor, np.ndarray)):
        raise TypeError(f"expected a PIL image, an array or a tensor; got {type(img).__name__}")
    fits = img.ndim >= 2 if isinstance(img, Tensor) else img.ndim in (2, 3)
    if not fits:
        wanted = "a tensor (..., H, W)" if isinstance(img, Tensor) else "an array (H, W) or (H, W, C)"
        raise ShapeError(f"an image is {wanted}; got shape {tuple(img.shape)}")
