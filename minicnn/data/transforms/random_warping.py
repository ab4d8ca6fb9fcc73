"""Random rotations, shifts, shears and zooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .chance import SMALLEST, check_number, finite_numbers, increasing, is_number, uniform
from .images import get_dimensions
from .resampling import InterpolationMode, as_mode
from .warping import affine, check_fill_mode, rotate


def _angles(given: Any, name: str, lengths: Sequence[int] = (2,)) -> list[float]:
    """One number a as (-a, a), or the limits as they are."""
    rule = f"{name} is a number of degrees, for angles from -{name} to {name}, or (smallest, largest)"
    if 4 in lengths:
        rule += ", or four numbers, those of x and those of y"
    if is_number(given):
        return [0.0 - check_number(given, rule), float(given)]
    values = finite_numbers(given, rule, lengths)
    for i in range(0, len(values), 2):
        increasing(values[i : i + 2], rule)
    return values


class RandomRotation:
    """The image turned by a random angle, counter-clockwise.

    Parameters
    ----------
    degrees : float or (smallest, largest)
        One number a stands for angles from -a to a.
    interpolation : InterpolationMode or PIL's number for it, default nearest
        Bilinear looks smoother.
    expand : bool, default False
        Make the result large enough for all of the image; its size then depends on the angle.
    center : (x, y), optional
        The point that stays, from the upper left corner; the middle unless given.
    fill : number, or one per channel, default 0
        What is seen where the image ends.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}
        As in :class:`RandomAffine`.

    Raises
    ------
    ValueError, TypeError
        For arguments of another kind.

    Examples
    --------
    >>> from PIL import Image
    >>> RandomRotation(10)(Image.new("RGB", (40, 30))).size
    (40, 30)
    >>> RandomRotation(10)
    RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
        fill_mode: str = "constant",
    ) -> None:
        check_fill_mode(fill_mode)
        self.degrees = _angles(degrees, "degrees")
        self.interpolation = as_mode(interpolation)
        self.expand = expand
        self.center = center
        self.fill = 0 if fill is None else fill
        self.fill_mode = fill_mode

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw the angle."""
        return uniform(degrees)

    def __call__(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return rotate(img, angle, self.interpolation, self.expand, self.center, self.fill, self.fill_mode)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        mode = "" if self.fill_mode == "constant" else f", fill_mode={self.fill_mode}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill}{mode})"
        )


class RandomAffine:
    """The image turned (clockwise), shifted, zoomed and sheared, each by a random amount.

    ==============  =======================================  ===============================
    fill_mode       what is seen where the image ends        [1 2 3] shifted by 3 to the right
    ==============  =======================================  ===============================
    ``constant``    ``fill``                                 0 0 0
    ``nearest``     the nearest pixel                        1 1 1
    ``reflect``     the mirror image, its edge included      3 2 1
    ``wrap``        the other side                           1 2 3
    ==============  =======================================  ===============================

    Parameters
    ----------
    degrees : float or (smallest, largest)
        Angles; one number a stands for -a to a, 0 for no rotation.
    translate : (a, b), optional
        Shifts by whole pixels of up to ``a * width`` and ``b * height``, both ways.
    scale : (smallest, largest), optional
        Zoom; above 1 shows things larger.
    shear : float, (smallest, largest) or four numbers, optional
        Angles by which vertical lines lean; with four numbers, the last two are those of horizontal lines.
    interpolation : InterpolationMode or PIL's number for it, default nearest
        Bilinear looks smoother.
    fill : number, or one per channel, default 0
    center : (x, y), optional
        The point that stays, from the upper left corner; the middle unless given.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}
        The names are Keras's; torchvision has "constant" only.

    Raises
    ------
    ValueError, TypeError
        For arguments of another kind.

    Examples
    --------
    >>> from PIL import Image
    >>> augment = RandomAffine(15, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=10, fill_mode="reflect")
    >>> augment(Image.new("RGB", (40, 30))).size
    (40, 30)
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
        fill_mode: str = "constant",
    ) -> None:
        check_fill_mode(fill_mode)
        self.degrees = _angles(degrees, "degrees")
        if translate is not None:
            rule = "translate is two parts of the image's size, (of the width, of the height), from 0 to 1"
            if not all(0 <= part <= 1 for part in finite_numbers(translate, rule, (2,))):
                raise ValueError(f"{rule}; got {translate!r}")
        if scale is not None:
            increasing(scale, "scale is (smallest, largest), both above 0", lowest=SMALLEST)
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        self.interpolation = as_mode(interpolation)
        self.fill = 0 if fill is None else fill
        self.center = center
        self.fill_mode = fill_mode

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw (angle, shifts, zoom, shears) for an image of (width, height)."""
        angle = uniform(degrees)
        farthest = [part * n for part, n in zip(translate or (0, 0), img_size, strict=True)]
        dx, dy = (round(uniform((-most, most))) for most in farthest)
        zoom = uniform(scale_ranges) if scale_ranges is not None else 1.0
        leans = shears or (0.0, 0.0)
        return angle, (dx, dy), zoom, (uniform(leans[:2]), uniform(leans[2:]) if len(leans) == 4 else 0.0)

    def __call__(self, img: Any) -> Any:
        _, h, w = get_dimensions(img)
        angle, shift, zoom, lean = self.get_params(self.degrees, self.translate, self.scale, self.shear, (w, h))
        return affine(img, angle, shift, zoom, lean, self.interpolation, self.fill, self.center, self.fill_mode)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        parts += [
            f"{name}={getattr(self, name)}"
            for name in ("translate", "scale", "shear")
            if getattr(self, name) is not None
        ]
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        if self.fill_mode != "constant":
            parts.append(f"fill_mode={self.fill_mode}")
        return f"{type(self).__name__}({', '.join(parts)})"
