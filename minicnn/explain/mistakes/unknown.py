"""What can be said about wrong numbers without knowing the operation: how they differ from the right ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from minicnn_kernels.geometry import Window2d

from .known import Array, close


def remarks(got: Array, true: Array, numbers: Mapping[str, float] | None = None) -> list[str]:
    """What relates wrong numbers to the right ones: a factor, a turn, a place. Empty if nothing shows.

    Parameters
    ----------
    got, true : array of one shape
    numbers : mapping, optional
        Names and values of what a factor may be, such as {"the batch size": 32}; see :func:`numbers_of`.

    Examples
    --------
    >>> import numpy as np
    >>> true = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> remarks(true / 8, true, {"the batch size": 8})
    ['all numbers are 0.125 times the right ones: divided by the batch size, 8?']
    >>> remarks(true.T, true)
    ['the result is transposed: dimensions 0 and 1 are exchanged']
    """
    if got.shape != true.shape or got.size == 0 or close(got, true):
        return []
    with np.errstate(all="ignore"):
        return list(_of_values(got, true, numbers or {})) or list(_of_place(got, true))


def rounded(got: Array, true: Array) -> bool:
    """Whether the numbers are the right ones without their fractions."""
    if not np.any(got) or close(got, true):
        return False
    return any(close(got, whole(true).astype(true.dtype)) for whole in (np.trunc, np.rint))


def numbers_of(arguments: Sequence[Any]) -> dict[str, float]:
    """What a factor of a kernel's result may be."""
    arrays = [a for a in arguments if isinstance(a, np.ndarray) and a.ndim > 0]
    found: dict[str, float] = {"the batch size": len(arrays[0])} if arrays else {}
    if arrays and arrays[0].ndim > 2:
        found["the number of positions"] = float(np.prod(arrays[0].shape[2:]))
        found["batch size times positions"] = found["the batch size"] * found["the number of positions"]
    for window in (a for a in arguments if isinstance(a, Window2d)):
        found["the number of taps"] = float(np.prod(window.kernel_size))
        found["the stride"] = float(window.stride[0])
        found["the stride squared"] = float(np.prod(window.stride))
    return {name: value for name, value in found.items() if value > 1}


def _of_values(got: Array, true: Array, numbers: Mapping[str, float]) -> Iterator[str]:
    if not np.any(got):
        yield "all numbers are 0: is the result filled?"
        return
    if rounded(got, true):
        yield "the numbers are rounded to integers: was the result made as an array of integers?"
    used = np.abs(true) > 1e-9 * np.abs(true).max()
    ratio = got[used] / true[used]
    factor = float(np.median(ratio)) if ratio.size else 1.0
    if np.isfinite(factor) and factor and close(got, (true * factor).astype(true.dtype)):
        if np.isclose(factor, -1):
            yield "the sign is wrong"
        else:
            yield f"all numbers are {factor:.6g} times the right ones{_named(abs(factor), numbers)}"
    elif close(got - got.ravel()[0], true - true.ravel()[0]):
        yield f"all numbers are too large by {float(got.ravel()[0] - true.ravel()[0]):.6g}"
    for a, b in combinations(range(true.ndim), 2):
        if true.shape[a] == true.shape[b] > 1 and close(got, true.swapaxes(a, b)):
            yield f"the result is transposed: dimensions {a} and {b} are exchanged"
    long = [axis for axis in range(true.ndim) if true.shape[axis] > 1]
    for count in (1, 2):
        for axes in combinations(long, count):
            if close(got, np.flip(true, axes)):
                yield f"the result is turned round along dimension {' and '.join(map(str, axes))}"


def _named(factor: float, numbers: Mapping[str, float]) -> str:
    for name, value in numbers.items():
        if np.isclose(factor, value, rtol=1e-4):
            return f": multiplied by {name}, {value:g}?"
        if np.isclose(factor, 1 / value, rtol=1e-4):
            return f": divided by {name}, {value:g}?"
    return ""


def _of_place(got: Array, true: Array) -> Iterator[str]:
    """Where the wrong numbers are, if they are not everywhere."""
    largest = float(np.abs(true[np.isfinite(true)]).max(initial=1e-12))
    wrong = ~np.isclose(got, true, rtol=1e-4, atol=1e-4 * largest, equal_nan=True)
    if wrong.all() or not wrong.any():
        return
    for axis in range(true.ndim):
        others = tuple(i for i in range(true.ndim) if i != axis)
        at = np.flatnonzero(wrong.any(axis=others))
        if 0 < len(at) < true.shape[axis] and wrong.take(at, axis).all():
            places = f"{at[0]}" if len(at) == 1 else ", ".join(map(str, at[:5]))
            yield f"only index {places} of dimension {axis} is wrong"
    if true.ndim >= 2 and min(true.shape[-2:]) > 2 and not wrong[..., 1:-1, 1:-1].any():
        yield "only the border is wrong: is padding dealt with?"
    if not np.any(got[wrong]):
        yield f"{int(wrong.sum())} of {wrong.size} numbers are 0 and should not be: does a loop end too early?"
