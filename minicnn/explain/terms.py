"""Which products add up to one element of a result, or of a gradient.

Nothing is computed here but indices and coefficients: settings and values are those of the operation that ran. What
an operation adds up stands in ``terms_conv.py``, ``terms_pool.py`` and ``terms_norm.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from ..core.function import Function
from ..core.recording import Step

Index = tuple[int, ...]
Array = Any  # numpy.ndarray


@dataclass(frozen=True)
class Terms:
    """Products ``first * second`` in a grid of planes, rows and columns, which add up to one number.

    Attributes
    ----------
    names : (str, str)
        Of the arrays that the factors are from; the second is empty for coefficients that are in no array.
    first, second : array (P, R, C)
    first_at, second_at : array (P, R, C, dimensions)
        Where each factor is from.
    real : array (P, R, C) of bool
        False in the padding, and where no window lies: there is no product.
    formula : str
    notes : list of str
        How coefficients came about.
    bias : float or None
    whole : array (N, C, H, W) or None
        What ``first`` is a part of.
    """

    names: tuple[str, str]
    first: Array
    second: Array
    first_at: Array
    second_at: Array
    real: Array
    formula: str
    notes: list[str] = field(default_factory=list)
    bias: float | None = None
    whole: Array = None

    @property
    def products(self) -> Array:
        """What is added up; a coefficient of 0 leaves out even what is infinite."""
        chosen = self.real if self.names[1] else self.real & (self.second != 0)
        with np.errstate(all="ignore"):
            return np.where(chosen, self.first * self.second, 0.0)


class Given(NamedTuple):
    """What an explanation starts from: the operation that ran, its bias, and the gradient that arrives."""

    step: Step
    bias: Array = None
    grad: Array = None

    def array(self, which: int) -> Array:
        """Input ``which``, as an array; None if there was none."""
        t = self.step.inputs[which]
        return None if t is None else t._array


@singledispatch
def terms(function: Function, of: str, at: Index, given: Given) -> Terms:
    """The products behind element ``at`` of the output or a gradient: of each operation that is registered."""
    raise TypeError(f"{function.operation} is no sum of products that can be listed")


# ----------------------------------------------------------- grids of indices


def planes(numbers: Any) -> Array:
    return np.asarray(numbers)[:, None, None]


def rows(numbers: Any) -> Array:
    return np.asarray(numbers)[None, :, None]


def columns(numbers: Any) -> Array:
    return np.asarray(numbers)[None, None, :]


def places(*axes: Any) -> Array:
    """Index grids, broadcast against each other and put together as (P, R, C, dimensions)."""
    found = np.stack(np.broadcast_arrays(*axes), -1)
    return found.reshape((1,) * (4 - found.ndim) + found.shape)


def one_place(at: Index) -> Array:
    return np.reshape(at, (1, 1, 1, len(at)))


def taken(array: Array, at: Array, real: Array) -> Array:
    """The elements at the places in ``at`` (P, R, C, dimensions); 0 where they are not real."""
    inside = np.where(real[..., None], at, 0)
    return np.where(real, array[tuple(np.moveaxis(inside, -1, 0))], 0).astype(np.float64)


def channel_places(array: Array, channel: int) -> Array:
    """The places of all elements of a channel, as (N, H, W, dimensions); of (N, C, L) and (N, C) H, or both, are 1."""
    shape = array.shape
    rest = [grid(range(size)) for grid, size in zip((rows, columns)[4 - len(shape) :], shape[2:], strict=True)]
    return places(planes(range(shape[0])), channel, *rest)


def images(array: Array) -> Array:
    """The array, if it is of images."""
    return array if array.ndim == 4 else None


def summed(grad: Array, at: Index) -> Terms:
    """A bias is added to every position of its channel: its gradient is the sum of theirs."""
    found = channel_places(grad, at[0])
    real = np.ones(found.shape[:3], bool)
    over = ", ".join("nij"[: 1 if grad.ndim == 2 else grad.ndim - 1])
    letters = over.replace("n", "n, c", 1)
    text = f"grad_bias[c] = sum over {over} of grad_y[{letters}]"
    return Terms(
        *(("grad_y", ""), taken(grad, found, real), np.ones(real.shape), found, found[..., :0], real, text),
        whole=images(grad),
    )
