"""The transforms that change what an image is: conversions, normalisation, composition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.tensor import Tensor
from . import functional as F


class Compose:
    """Transforms one after the other.

    Parameters
    ----------
    transforms : list of callable
        The first is applied first.

    Examples
    --------
    >>> Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    Compose(
        ToTensor()
        Normalize(mean=(0.1307,), std=(0.3081,))
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


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


class Lambda:
    """Any function as a transform.

    Parameters
    ----------
    lambd : callable
        Called with the image. For process workers it must be a function of a module.

    Examples
    --------
    >>> Lambda(lambda x: x + 1)(1)
    2
    """

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function; got {type(lambd).__name__}: {lambd!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
