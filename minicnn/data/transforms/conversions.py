"""The transforms that change what an image is: between PIL images, arrays and tensors, types, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.dtype import as_dtype
from ...core.tensor import Tensor
from . import functional as F


class ToTensor:
    """An image as a float32 tensor (C, H, W) from 0 to 1; see :func:`~minicnn.data.transforms.functional.to_tensor`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((28, 28), np.uint8)
    >>> tuple(ToTensor()(image).shape)
    (1, 28, 28)
    """

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor (C, H, W) of its own type, unscaled.

    Examples
    --------
    >>> from PIL import Image
    >>> PILToTensor()(Image.new("RGB", (2, 1), (1, 2, 3))).tolist()
    [[[1, 1]], [[2, 2]], [[3, 3]]]
    """

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor (C, H, W) or an array (H, W, C) as a PIL image; floats from 0 to 1 become bytes.

    Parameters
    ----------
    mode : str, optional
        PIL's mode; from channels and type unless given.

    Examples
    --------
    >>> import numpy as np
    >>> ToPILImage()(np.zeros((2, 3), np.uint8)).size
    (3, 2)
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype:
    """The same image with elements of another type: floating-point numbers go from 0 to 1, bytes from 0 to 255.

    Parameters
    ----------
    dtype : dtype
        Such as ``minicnn.float32``.

    Raises
    ------
    ValueError
        From floating-point numbers to whole ones that they cannot represent (float32 to int32).

    Examples
    --------
    >>> import minicnn
    >>> ConvertImageDtype(minicnn.float32)(minicnn.tensor([[0, 51, 255]], dtype=minicnn.uint8))
    tensor([[0.0000, 0.2000, 1.0000]])
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, image: Any) -> Any:
        return F.convert_image_dtype(image, self.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Normalize:
    """Each channel c shifted and scaled: ``y[c] = (x[c] - mean[c]) / std[c]``.

    Parameters
    ----------
    mean, std : sequence of C numbers
        The dataset's mean and standard deviation per channel, usually.
    inplace : bool, default False
        Overwrite the tensor that comes in.

    Examples
    --------
    >>> Normalize(mean=[0.5], std=[0.5])
    Normalize(mean=[0.5], std=[0.5])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor: Any) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class Denormalize:
    """The inverse of :class:`Normalize`, to look at an image again: ``x[c] = y[c] * std[c] + mean[c]``.

    Parameters
    ----------
    mean, std : sequence of C numbers
        Those that were given to ``Normalize``.

    Examples
    --------
    >>> import minicnn
    >>> image = minicnn.full((3, 2, 2), 0.75)
    >>> numbers = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    >>> bool(minicnn.allclose(Denormalize(*numbers)(Normalize(*numbers)(image)), image))
    True
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = mean
        self.std = std

    def __call__(self, tensor: Any) -> Tensor:
        return F.denormalize(tensor, self.mean, self.std)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"
