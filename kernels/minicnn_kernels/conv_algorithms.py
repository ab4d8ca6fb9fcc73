"""Which algorithm computes a convolution: three of them give the same result, up to rounding, in different time.

============  ==================================================================================================
``direct``    a matrix product whose matrix is read where it lies in the image; takes every shape and type
``im2col``    the same product, but the matrix is built first: simple, for comparison and teaching
``winograd``  a quarter to a third of the multiplications, on transformed tiles; small windows, stride 1, float32
============  ==================================================================================================

``auto`` takes Winograd where it is faster. Measured on one core of an AVX-512 machine, time of direct / time of
Winograd, 3 x 3 window, forward (the gradients are alike):

==============  =====  =====  =====  =====  =====  =====
tiles of 4 x 4      4     16     64    196    784   3136
==============  =====  =====  =====  =====  =====  =====
8 channels              1.0    1.0    1.2    1.2    1.4
16                1.0    1.2    1.5    1.9    1.9    2.1
32                1.0    1.3    1.6    2.5    2.3    2.6
64                1.2    1.8    2.0    2.8    2.8    3.1
128               1.3    1.9    2.3    2.9    3.2
256               1.2    1.7    2.0    2.7
512               1.8    1.5    2.3    2.7
==============  =====  =====  =====  =====  =====  =====

So the rule is: at least 16 channels on both sides, and ``tiles * channels >= 512``, the smaller number of channels
meant. A 5 x 5 window (tiles of 2 x 2) gains 1.5 to 2.3 there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .geometry import Window2d
from .switch import Switch

ALGORITHMS = ("auto", "direct", "im2col", "winograd")
CHANNELS = 16  # at least, for Winograd
WORK = 512  # tiles * channels at least
SMALLEST, LARGEST = 2, 5  # windows of Winograd's algorithm

_active = "auto"


def active_conv_algorithm() -> str:
    """Name of the algorithm that :class:`set_conv_algorithm` asked for, or ``"auto"``.

    Examples
    --------
    >>> active_conv_algorithm()
    'auto'
    """
    return _active


class set_conv_algorithm(Switch):  # noqa: N801 - reads as a verb, as a call and in a with statement
    """Say how the compiled backend computes convolutions, for all threads: for good, in a ``with`` block or a function.

    Parameters
    ----------
    name : {"auto", "direct", "im2col", "winograd"}
        Winograd's algorithm is up to three times as fast and less accurate: errors of about 5e-6 of the largest
        result instead of 1e-6. It computes tiles of results from sums of all pixels that the tile sees, so an
        infinite pixel makes NaN of whole tiles, beside the results that see it. It takes float32, square windows of
        2 to 5, stride and dilation 1 and one group; what it does not take is computed directly. ``"auto"`` uses it
        where it is faster.

    Raises
    ------
    ValueError
        If there is no such algorithm.

    Examples
    --------
    >>> with set_conv_algorithm("direct"):
    ...     active_conv_algorithm()
    'direct'
    """

    def __init__(self, name: str) -> None:
        if name not in ALGORITHMS:
            known = ", ".join(map(repr, ALGORITHMS))
            raise ValueError(f"set_conv_algorithm({name!r}): there is no such algorithm; choose one of {known}")
        super().__init__(name)

    @classmethod
    def read(cls) -> str:
        return _active

    @classmethod
    def write(cls, value: str) -> None:
        global _active
        _active = value


def _winograd_declines(direction: str, window: Window2d, groups: int, dtype: Any) -> str | None:
    """Why Winograd's algorithm does not apply, or None."""
    height, width = window.kernel_size
    if np.dtype(dtype) != np.float32:
        return f"Winograd's algorithm is for float32, not {np.dtype(dtype)}"
    if height != width or not SMALLEST <= height <= LARGEST:
        return f"Winograd's algorithm is for windows of 2 x 2 to 5 x 5, not {height} x {width}"
    if window.stride != (1, 1) or window.dilation != (1, 1):
        return "Winograd's algorithm is for stride 1 and dilation 1"
    if groups != 1:
        return f"Winograd's algorithm is for one group of channels, not {groups}"
    if direction == "grad_input" and max(map(max, window.padding)) >= height:
        return "the gradient by Winograd's algorithm is for padding smaller than the window"
    return None


@lru_cache(4096)
def _choose(
    asked: str, direction: str, images: int, w_shape: tuple[int, ...], window: Window2d, groups: int, dtype: Any
) -> tuple[str, str]:
    if asked in ("direct", "im2col"):
        return asked, "set_conv_algorithm asks for it"
    declined = _winograd_declines(direction, window, groups, dtype)
    if declined is not None:
        return "direct", declined
    if asked == "winograd":
        return asked, "set_conv_algorithm asks for it"
    side = LARGEST + 2 - window.kernel_size[0]
    covered = window.input_size if direction == "grad_input" else window.output_size
    tiles = images * -(-covered[0] // side) * -(-covered[1] // side)
    channels = min(w_shape[:2])
    if channels < CHANNELS:
        return "direct", f"Winograd's algorithm gains nothing with fewer than {CHANNELS} channels, here {channels}"
    if tiles * channels < WORK:
        return "direct", f"Winograd's algorithm gains nothing with {tiles} tiles of {channels} channels"
    return "winograd", f"it is faster with {tiles} tiles of {side} x {side} and {w_shape[1]} -> {w_shape[0]} channels"


def choose(
    direction: str,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    window: Window2d,
    groups: int,
    dtype: Any,
) -> tuple[str, str]:
    """Return the algorithm for a convolution and the reason for it.

    Parameters
    ----------
    direction : {"forward", "grad_input", "grad_weight"}
    x_shape, w_shape : tuple of int
        Shapes of the input (N, C, H, W) and of the weights (O, C/groups, KH, KW).
    window : Window2d
    groups : int
    dtype : dtype

    Examples
    --------
    >>> from minicnn_kernels.geometry import conv_window
    >>> x_shape, w_shape = (16, 64, 56, 56), (64, 64, 3, 3)
    >>> window = conv_window(x_shape, w_shape, stride=1, padding=1)
    >>> choose("forward", x_shape, w_shape, window, 1, "float32")
    ('winograd', 'it is faster with 3136 tiles of 4 x 4 and 64 -> 64 channels')
    >>> choose("forward", x_shape, w_shape, window, 1, "float64")
    ('direct', "Winograd's algorithm is for float32, not float64")
    """
    return _choose(_active, direction, x_shape[0], tuple(w_shape), window, groups, dtype)
