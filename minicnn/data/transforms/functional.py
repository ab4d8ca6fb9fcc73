"""What the transforms compute, as functions: between PIL images, arrays (H, W, C) and tensors (C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.dtype import as_dtype
from ...core.errors import DTypeError, ShapeError
from ...core.tensor import Tensor, from_numpy
from .colours import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    rgb_to_grayscale,
    to_grayscale,
)
from .erasing import erase
from .filters import adjust_sharpness, gaussian_blur
from .geometry import center_crop, crop, hflip, pad, resize, resized_crop, vflip
from .images import get_dimensions, get_image_num_channels, get_image_size, is_pil, on_planes
from .resampling import InterpolationMode
from .several_crops import five_crop, ten_crop
from .tones import autocontrast, equalize, invert, posterize, solarize
from .values import convert
from .warping import affine, rotate

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "denormalize",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

_ELEMENTS = {"I": np.int32, "I;16": np.int16, "F": np.float32}  # PIL modes that are not made of bytes
_MODE_OF_ONE = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}


def to_tensor(pic: Any) -> Tensor:
    """An image as a tensor (C, H, W); bytes become float32 from 0 to 1, ``x / 255``.

    Parameters
    ----------
    pic : PIL image, or array (H, W) or (H, W, C)
        PIL's modes 1, L, LA, P, RGB, RGBA, CMYK, YCbCr and HSV are bytes; I, I;16
        and F keep their values, as int32, int16 and float32. An array of another
        type than uint8 keeps its values and its type.

    Returns
    -------
    Tensor (C, H, W)

    Raises
    ------
    TypeError
        For anything else.
    ShapeError
        For an array that has not two or three dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> to_tensor(np.full((2, 3), 255, np.uint8)).tolist()
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ShapeError(
                f"ToTensor: expected an array (H, W) or (H, W, C); got {pic.ndim} dimensions, shape {pic.shape}"
            )
        array = pic
    elif is_pil(pic):
        array = np.array(pic, _ELEMENTS.get(pic.mode, np.uint8))
        if pic.mode == "1":
            array *= 255
    elif isinstance(pic, Tensor):
        raise TypeError(
            "ToTensor: expected a PIL image or an array; got a tensor. Leave ToTensor() out, or do it only once"
        )
    else:
        raise TypeError(f"ToTensor: expected a PIL image or a numpy.ndarray; got {type(pic).__name__}")
    planes = _channels_first(array)
    if planes.dtype == np.uint8:
        return from_numpy(np.divide(planes, 255, dtype=np.float32))
    return from_numpy(planes)


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a tensor (C, H, W) of its own type, its values unchanged.

    Examples
    --------
    >>> from PIL import Image
    >>> pil_to_tensor(Image.new("L", (3, 2), 7)).tolist()
    [[[7, 7, 7], [7, 7, 7]]]
    """
    if not is_pil(pic):
        raise TypeError(f"PILToTensor: expected a PIL image; got {type(pic).__name__}. ToTensor() also takes arrays")
    return from_numpy(_channels_first(np.array(pic)))


def convert_image_dtype(image: Any, dtype: Any = np.float32) -> Any:
    """The same image with elements of another type: floating-point numbers go from 0 to 1, bytes from 0 to 255.

    Parameters
    ----------
    image : Tensor or array
    dtype : dtype, default float32

    Examples
    --------
    >>> import numpy as np
    >>> convert_image_dtype(np.array([[0.0, 0.5, 1.0]]), np.uint8).tolist()
    [[0, 127, 255]]
    """
    if not isinstance(image, (Tensor, np.ndarray)):
        raise TypeError(
            f"ConvertImageDtype: expected a tensor or an array; got {type(image).__name__}. Put PILToTensor() before it"
        )
    kind = as_dtype(dtype).numpy
    if np.asarray(image).dtype == kind:
        return image
    return on_planes(image, lambda planes: convert(planes, kind))


def normalize(tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Each channel c shifted and scaled: ``y[c] = (x[c] - mean[c]) / std[c]``.

    Parameters
    ----------
    tensor : Tensor (..., C, H, W)
        Of a floating type.
    mean, std : sequence of C numbers, or of one
        What to subtract and to divide by.
    inplace : bool, default False
        Overwrite ``tensor``.

    Returns
    -------
    Tensor (..., C, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> normalize(from_numpy(np.ones((1, 1, 2))), mean=[0.5], std=[0.25]).tolist()
    [[[2.0, 2.0]]]
    """
    image, shift, scale = _statistics("Normalize", tensor, mean, std)
    result = np.subtract(image, shift, out=image if inplace else None)
    result /= scale
    return tensor if inplace else from_numpy(result)


def denormalize(tensor: Any, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """The inverse of :func:`normalize`: ``x[c] = y[c] * std[c] + mean[c]``.

    Examples
    --------
    >>> import numpy as np
    >>> denormalize(from_numpy(np.ones((1, 1, 2))), mean=[0.5], std=[0.25]).tolist()
    [[[0.75, 0.75]]]
    """
    image, shift, scale = _statistics("Denormalize", tensor, mean, std)
    return from_numpy(image * scale + shift)


def _statistics(who: str, tensor: Any, mean: Any, std: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The image, and mean and standard deviation in its shape and type."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{who}: expected a tensor; got {type(tensor).__name__}. Put ToTensor() before {who}(...)")
    if not tensor.is_floating_point():
        raise DTypeError(
            f"{who}: expected a tensor of a floating type; got {tensor.dtype}. ToTensor() gives float32 from 0 to 1"
        )
    if tensor.ndim < 3:
        raise ShapeError(f"{who}: expected a tensor (..., C, H, W); got shape {tuple(tensor.shape)}")
    image = np.asarray(tensor)
    shift, scale = (_per_channel(who, name, values, image) for name, values in (("mean", mean), ("std", std)))
    if (scale == 0).any():
        raise ValueError(f"{who}: std is zero as {image.dtype}, which would divide by zero; got std={std}")
    return image, shift, scale


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or an array (H, W, C) as a PIL image; floats from 0 to 1 become bytes.

    Parameters
    ----------
    pic : Tensor (C, H, W) or (H, W), or array (H, W, C) or (H, W)
        One to four channels.
    mode : str, optional
        PIL's mode; from the number of channels and the type unless given: L, I;16,
        I or F for one channel, LA, RGB and RGBA for two, three and four.

    Returns
    -------
    PIL.Image.Image

    Examples
    --------
    >>> import numpy as np
    >>> to_pil_image(np.zeros((2, 3, 3), np.uint8)).mode
    'RGB'
    """
    from PIL import Image

    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"ToPILImage: expected a tensor or an array; got {type(pic).__name__}")
    array = np.asarray(pic.detach() if isinstance(pic, Tensor) else pic)
    if array.ndim not in (2, 3):
        raise ShapeError(f"ToPILImage: expected two or three dimensions; got {array.ndim}, shape {array.shape}")
    if isinstance(pic, Tensor) and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    array = array.reshape(*array.shape[:2], -1)  # (H, W, C)
    channels = array.shape[2]
    if not 1 <= channels <= 4:
        raise ShapeError(f"ToPILImage: expected 1 to 4 channels; got {channels}, shape {tuple(pic.shape)}")
    if array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.uint8)
    mode = _mode(array, channels, mode)
    height, width, _ = array.shape
    return Image.frombytes(mode, (width, height), array.tobytes())


def _mode(array: NDArray[Any], channels: int, mode: str | None) -> str:
    """The PIL mode for an array, or the one asked for if it fits."""
    if channels == 1:
        fitting = tuple(filter(None, [_MODE_OF_ONE.get(array.dtype.name)]))
    else:
        fitting = _MODES[channels] if array.dtype == np.uint8 else ()
    if not fitting:
        raise DTypeError(
            f"ToPILImage: no mode for {channels} channels of {array.dtype}; use uint8, or floats from 0 to 1"
        )
    if mode is not None and mode not in fitting:
        raise ValueError(
            f"ToPILImage: mode {mode!r} does not fit {channels} channels of {array.dtype}; use {', '.join(fitting)}"
        )
    return mode or fitting[0]


def _channels_first(array: NDArray[Any]) -> NDArray[Any]:
    """(H, W) or (H, W, C) as (C, H, W), contiguous; never the array itself."""
    if array.ndim == 2:
        return array[None].copy()
    return array.transpose(2, 0, 1).copy(order="C")


def _per_channel(who: str, name: str, values: Any, image: NDArray[Any]) -> NDArray[Any]:
    """``mean`` or ``std`` as (C, 1, 1) or (1, 1, 1), in the image's type."""
    vector = np.asarray(values, image.dtype).reshape(-1)
    channels = image.shape[-3]
    if len(vector) not in (1, channels):
        raise ShapeError(
            f"{who}: {name} has {len(vector)} numbers, one per channel, but the image has {channels} channels, "
            f"shape {image.shape}. Give {channels} numbers, as in {name}={tuple([0.5] * channels)}"
        )
    return vector[:, None, None]
