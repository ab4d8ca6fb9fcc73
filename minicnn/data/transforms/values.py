"""The values of pixels: their range by type, other types, and mixtures of two images.

Whole numbers go from 0 to the largest of their type (255 for bytes), floating-point numbers from 0 to 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def largest(kind: Any) -> float:
    """White: the largest value of an element type."""
    kind = np.dtype(kind)
    return 1.0 if kind.kind == "f" else 1 if kind.kind == "b" else int(np.iinfo(kind).max)


def floating(planes: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in a floating type to calculate with: float64 stays, all else is float32."""
    return planes.astype(np.float64 if planes.dtype == np.float64 else np.float32, copy=False)


def within(values: NDArray[Any], kind: Any) -> NDArray[Any]:
    """Calculated values cut off at black and white, in the image's type (fractions of whole numbers are dropped)."""
    return values.clip(0, largest(kind)).astype(kind, copy=False)


def blend(first: NDArray[Any], second: NDArray[Any], ratio: float) -> NDArray[Any]:
    """``ratio * first + (1 - ratio) * second``, cut off at black and white; a ratio above 1 exaggerates."""
    return within(ratio * floating(first) + (1 - ratio) * floating(second), first.dtype)


def convert(values: NDArray[Any], kind: Any) -> NDArray[Any]:
    """The same image with elements of another type: black stays black, and white white.

    Floating to whole numbers: each of the n = largest + 1 values gets an equally wide interval, ``int(x (n - 0.001))``.

    Examples
    --------
    >>> import numpy as np
    >>> convert(np.array([0.0, 0.5, 1.0]), np.uint8).tolist()
    [0, 127, 255]
    """
    kind, old = np.dtype(kind), values.dtype
    if kind == old:
        return values
    if kind.kind == "f":
        return values.astype(kind) / kind.type(largest(old)) if old.kind != "f" else values.astype(kind)
    if old.kind == "f":
        if kind.itemsize > 4 or (kind.itemsize == 4 and old.itemsize <= 4):
            raise ValueError(
                f"ConvertImageDtype: {old} cannot hold all values of {kind}, so nothing would stay white. "
                "Fix: uint8 or int16" + ("" if kind.itemsize > 4 else ", or float64 first")
            )
        return (floating(values) * (largest(kind) + 1 - 1e-3)).astype(kind)
    have, want = int(largest(old)) + 1, int(largest(kind)) + 1
    return (values // (have // want)).astype(kind) if have > want else values.astype(kind) * kind.type(want // have)
