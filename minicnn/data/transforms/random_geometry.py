"""Random cuts and reflections: every epoch sees another picture of the same thing.

All draw from :func:`~minicnn.data.sample_rng`: inside a ``DataLoader`` what is drawn for a sample follows from the
seed of the pass and the sample's number, whatever the workers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..randomness import sample_rng
from . import geometry
from .chance import RandomTransform
from .resampling import InterpolationMode, as_mode


class RandomCrop:
    """A part of the image at a random place.

    Parameters
    ----------
    size : int or (height, width)
    padding : int, (left and right, top and bottom), or (left, top, right, bottom), optional
        A border that is added first.
    pad_if_needed : bool, default False
        Add what a smaller image lacks, on both sides.
    fill : number, or one per channel, default 0
    padding_mode : {"constant", "edge", "reflect", "symmetric"}
        As in :class:`Pad`.

    Raises
    ------
    ValueError
        If the image is smaller than the part.

    Examples
    --------
    >>> from PIL import Image
    >>> RandomCrop(32, padding=4)(Image.new("RGB", (32, 32))).size
    (32, 32)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = geometry.pair(size, type(self).__name__)
        if padding is not None:
            geometry.borders(padding)
        geometry.check_padding_mode(padding_mode)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw a place: (top, left, height, width), for :func:`~minicnn.data.transforms.functional.crop`."""
        _, h, w = geometry.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            raise ValueError(
                f"RandomCrop: a part of {height} x {width} does not fit into an image of {h} x {w} (height x width). "
                "Fix: pad_if_needed=True, or Resize before it"
            )
        rng = sample_rng()
        return int(rng.integers(h - height + 1)), int(rng.integers(w - width + 1)), height, width

    def __call__(self, img: Any) -> Any:
        if self.padding is not None:
            img = geometry.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, h, w = geometry.get_dimensions(img)
            missing = (max(self.size[1] - w, 0), max(self.size[0] - h, 0))
            if any(missing):
                img = geometry.pad(img, missing, self.fill, self.padding_mode)
        return geometry.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop:
    """A random part of the image, of random size and shape, brought to one size.

    Its area is ``uniform(*scale)`` of the image's, its width / height ``exp(uniform(log ratio))``. If ten such parts do
    not fit, it is the largest one in the middle with an allowed ratio.

    Parameters
    ----------
    size : int or (height, width)
        Of the result.
    scale : (float, float), default (0.08, 1.0)
        The smallest and the largest share of the area.
    ratio : (float, float), default (3/4, 4/3)
        The smallest and the largest width / height.
    interpolation : InterpolationMode or PIL's number for it, default bilinear
    antialias : bool, default True
        As in :class:`Resize`.

    Raises
    ------
    ValueError
        If ``scale`` or ``ratio`` are not two increasing numbers above 0.

    References
    ----------
    Szegedy et al., *Going deeper with convolutions*, 2015, section 6.

    Examples
    --------
    >>> from PIL import Image
    >>> RandomResizedCrop(224)(Image.new("RGB", (500, 375))).size
    (224, 224)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.size = geometry.pair(size, type(self).__name__)
        for name, limits, lowest in (("scale", scale, 0.0), ("ratio", ratio, 1e-6)):
            if not isinstance(limits, Sequence) or len(limits) != 2 or not lowest <= limits[0] <= limits[1]:
                raise ValueError(
                    f"RandomResizedCrop: {name} is (smallest, largest), both above 0; got {limits!r}. "
                    f"Fix: {name}={(0.5, 1.0) if name == 'scale' else (0.75, 1.333)}"
                )
        self.scale = scale
        self.ratio = ratio
        self.interpolation = as_mode(interpolation)
        self.antialias = antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Draw a part: (top, left, height, width)."""
        _, h, w = geometry.get_dimensions(img)
        rng = sample_rng()
        for _ in range(10):
            area = h * w * rng.uniform(scale[0], scale[1])
            aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= w and 0 < height <= h:
                return int(rng.integers(h - height + 1)), int(rng.integers(w - width + 1)), height, width
        width = min(w, round(h * ratio[1]))
        height = min(h, round(w / ratio[0]))
        return (h - height) // 2, (w - width) // 2, height, width

    def __call__(self, img: Any) -> Any:
        part = self.get_params(img, self.scale, self.ratio)
        return geometry.resized_crop(img, *part, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, scale={tuple(round(s, 4) for s in self.scale)}, "
            f"ratio={tuple(round(r, 4) for r in self.ratio)}, interpolation={self.interpolation.value}, "
            f"antialias={self.antialias})"
        )


class RandomHorizontalFlip(RandomTransform):
    """Left and right exchanged, with probability ``p``.

    Parameters
    ----------
    p : float, default 0.5

    Examples
    --------
    >>> import numpy as np
    >>> RandomHorizontalFlip(p=1.0)(np.array([[1, 2]])).tolist()
    [[2, 1]]
    """

    def change(self, img: Any) -> Any:
        """The mirror image."""
        return geometry.hflip(img)


class RandomVerticalFlip(RandomTransform):
    """Top and bottom exchanged, with probability ``p``.

    Parameters
    ----------
    p : float, default 0.5

    Examples
    --------
    >>> import numpy as np
    >>> RandomVerticalFlip(p=1.0)(np.array([[1], [2]])).tolist()
    [[2], [1]]
    """

    def change(self, img: Any) -> Any:
        """The mirror image."""
        return geometry.vflip(img)
