"""Looking at a batch of images: as one picture, and in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DTypeError, ShapeError
from ..core.tensor import Tensor, from_numpy

Images = Tensor | Sequence[Tensor]


def make_grid(
    tensor: Images,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images side by side, row after row, as one image; grey ones become three equal channels.

    N images of H x W pixels give ``ceil(N / X) * (H + padding) + padding`` rows of pixels and
    ``X * (W + padding) + padding`` columns, where ``X = min(nrow, N)``. One image alone gets no border.

    Parameters
    ----------
    tensor : Tensor (N, C, H, W), (C, H, W) or (H, W), or a list of images (C, H, W) or (H, W) of one size
    nrow : int, default 8
        Images in a row.
    padding : int, default 2
        Pixels between the images and around them.
    normalize : bool, default False
        Bring the values to 0 ... 1: ``(clamp(x, low, high) - low) / max(high - low, 0.00001)``.
    value_range : pair of numbers (low, high), optional
        For ``normalize``; the smallest and the largest value there are, unless given.
    scale_each : bool, default False
        Find the smallest and the largest value of each image, not of all of them.
    pad_value : float, default 0.0
        Value of the pixels between the images.

    Returns
    -------
    Tensor (C, height, width)
        Of the images' element type, and without a gradient.

    Raises
    ------
    TypeError
        If ``tensor`` is not a tensor or a list of tensors.
    ShapeError
        If there is no image, or not all have one size.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.utils.make_grid(minicnn.rand(10, 3, 32, 32)).shape  # 8 in the first row, 2 in the second
    minicnn.Size([3, 70, 274])
    >>> ones, twos = minicnn.ones(1, 1, 2), 2 * minicnn.ones(1, 1, 2)
    >>> minicnn.utils.make_grid([ones, twos], padding=1)[0]
    tensor([[0., 0., 0., 0., 0., 0., 0.],
            [0., 1., 1., 0., 2., 2., 0.],
            [0., 0., 0., 0., 0., 0., 0.]])
    """
    if nrow < 1 or padding < 0:
        raise ValueError(f"make_grid: nrow must be at least 1 and padding at least 0; got {nrow} and {padding}")
    images = _batch(tensor)
    if normalize:
        images = _normalised(images, value_range, scale_each)
    n, channels, h, w = images.shape
    if n == 1:
        return from_numpy(images[0].copy())
    columns = min(nrow, n)
    rows = -(-n // columns)
    tiles = np.full((rows * columns, channels, h + padding, w + padding), pad_value, images.dtype)
    tiles[:n, :, padding:, padding:] = images  # each with its border above and on the left
    tiles = tiles.reshape(rows, columns, channels, h + padding, w + padding).transpose(2, 0, 3, 1, 4)
    grid = tiles.reshape(channels, rows * (h + padding), columns * (w + padding))
    return from_numpy(np.pad(grid, ((0, 0), (0, padding), (0, padding)), constant_values=pad_value))


def save_image(
    tensor: Images, fp: str | os.PathLike[str] | IO[bytes], format: str | None = None, **kwargs: Any
) -> None:
    """Write one image, or several as a grid, to a file.

    Parameters
    ----------
    tensor : Tensor or list of Tensor
        As for :func:`make_grid`. Floating-point values from 0 to 1 are rounded to bytes, beyond them cut off; uint8
        values are written as they are.
    fp : str, path-like or file object
    format : str, optional
        Such as ``"png"``. The ending of the file's name says it, unless given; a file object has none.
    **kwargs
        Further arguments of :func:`make_grid`.

    Examples
    --------
    >>> import io
    >>> import minicnn
    >>> file = io.BytesIO()
    >>> minicnn.utils.save_image(minicnn.rand(4, 3, 8, 8), file, format="png", nrow=2)
    >>> from PIL import Image
    >>> Image.open(file).size
    (22, 22)
    """
    from ..data.transforms.functional import to_pil_image

    grid = np.asarray(make_grid(tensor, **kwargs))
    if grid.dtype.kind == "f":
        grid = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8)
    elif grid.dtype != np.uint8:
        raise DTypeError(
            f"save_image: expected floating-point numbers from 0 to 1, or uint8; got {grid.dtype}. "
            "Fix: x.float() / 255 for values from 0 to 255"
        )
    to_pil_image(from_numpy(grid)).save(fp, format)


def _batch(images: Any) -> NDArray[Any]:
    """(N, C, H, W) of what :func:`make_grid` takes, with three channels in place of one."""
    listed = isinstance(images, (list, tuple))
    wrong = next((x for x in (images if listed else [images]) if not isinstance(x, Tensor)), None)
    if wrong is not None:
        where = f"a {type(images).__name__} with a {type(wrong).__name__}" if listed else f"a {type(wrong).__name__}"
        raise TypeError(f"make_grid: expected a tensor of images, or a list of such; got {where}")
    if listed:
        if len({tuple(x.shape) for x in images}) > 1:
            shapes = ", ".join(str(tuple(x.shape)) for x in images[:4])
            raise ShapeError(
                f"make_grid: all images must have one size; got {shapes}. Fix: transforms.Resize((64, 64)) before"
            )
        array = np.stack([np.asarray(x.detach()) for x in images]) if images else np.zeros((0, 1, 1, 1))
        array = array[:, None] if array.ndim == 3 else array  # grey images
    else:
        array = np.asarray(images.detach())
        array = array.reshape(*(1,) * (4 - array.ndim), *array.shape) if array.ndim in (2, 3) else array
    if array.ndim != 4 or not len(array):
        got = f"a list of {len(images)} images {array.shape[1:]}" if listed else f"{array.shape}"
        raise ShapeError(f"make_grid: expected at least one image, as (N, C, H, W), (C, H, W) or (H, W); got {got}")
    return np.repeat(array, 3, axis=1) if array.shape[1] == 1 else array


def _normalised(images: NDArray[Any], value_range: Any, scale_each: bool) -> NDArray[Any]:
    """The images' values from ``value_range`` to 0 ... 1, beyond it cut off."""
    if images.dtype.kind != "f":
        raise DTypeError(f"make_grid: normalize=True wants floating-point numbers; got {images.dtype}. Fix: x.float()")
    if value_range is not None:
        if not isinstance(value_range, (tuple, list)) or len(value_range) != 2 or value_range[0] > value_range[1]:
            raise TypeError(f"make_grid: value_range must be a pair of numbers (low, high); got {value_range!r}")
        low, high = (np.asarray(bound, images.dtype) for bound in value_range)
    else:
        axes = (1, 2, 3) if scale_each else None
        low, high = images.min(axes, keepdims=True), images.max(axes, keepdims=True)
    return (np.clip(images, low, high) - low) / np.maximum(high - low, 1e-5).astype(images.dtype)
