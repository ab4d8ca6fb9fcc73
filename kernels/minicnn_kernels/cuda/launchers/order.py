"""In which order the axes of an array lie in memory: what a launcher brings arrays into before a kernel reads them.

A kernel knows no strides; it is given memory without gaps and the sizes of it. Most kernels do not care about the
order: an element-by-element kernel takes the elements as they lie, and one that treats channels or planes by
themselves takes ``(outer, C, inner)`` or ``(outer, H, W, inner)``, which memory in the order (N, C, H, W) is, and
channels-last memory too. So a result lies as its input does, and a network on channels-last memory is never turned
round.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from ...arrays import Array, namespace


def contiguous(x: Array) -> Array:
    """The array itself if it is C-contiguous, else a copy that is."""
    return x if x.flags.c_contiguous else namespace(x).ascontiguousarray(x)


def vector(x: Array | None) -> Array | None:
    """The same of an array that may be left out: a weight or a bias of each channel."""
    return x if x is None or x.flags.c_contiguous else contiguous(x)


class Order(NamedTuple):
    """The axes, from the one that changes slowest in memory to the one that changes fastest."""

    axes: tuple[int, ...]

    def view(self, x: Array) -> Array:
        """``x`` with its axes in this order."""
        return x if self is FIRST[x.ndim] else x.transpose(self.axes)

    def turned(self, x: Array) -> Array:
        """The same, C-contiguous; a copy only if ``x`` lies in another order."""
        return contiguous(self.view(x))

    def lies(self, x: Array) -> bool:
        """Whether ``x`` lies in this order, without gaps."""
        return bool(self.view(x).flags.c_contiguous)

    def flat(self, x: Array) -> Array:
        """``(size,)``: the elements as they lie in this order."""
        return self.turned(x).reshape(-1)

    def layers(self, x: Array) -> Array:
        """``(outer, C, inner)`` of ``x (N, C, *)``."""
        place = self.axes.index(1)
        y = self.turned(x)
        return y.reshape(prod(y.shape[:place]), x.shape[1], prod(y.shape[place + 1 :]))

    def planes(self, x: Array) -> Array:
        """``(outer, H, W, inner)`` of ``x (N, C, H, W)``, in an order in which H and W are neighbours."""
        place = self.axes.index(2)
        y = self.turned(x)
        return y.reshape(prod(y.shape[:place]), *x.shape[2:], prod(y.shape[place + 2 :]))

    def empty(self, shape: tuple[int, ...], like: Array, dtype: Any = None) -> Array:
        """A new array of a shape that lies in this order; where ``like`` is, of its type unless another is given."""
        if self is FIRST[len(shape)]:
            return namespace(like).empty(shape, dtype or like.dtype)
        memory = namespace(like).empty([shape[axis] for axis in self.axes], dtype or like.dtype)
        return memory.transpose(inverse(self.axes))


@lru_cache(1024)
def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes another one."""
    return tuple(axes.index(axis) for axis in range(len(axes)))


FIRST = [Order(tuple(range(ndim))) for ndim in range(65)]
"""By the number of axes: the order in which an array's shape names them."""
LAST = [Order(axes) for axes in ((), (0,), (0, 1), (0, 2, 1), (0, 2, 3, 1), (0, 2, 3, 4, 1))]
"""By the number of axes: channels-last."""


def of(x: Array) -> Order:
    """The order in which ``x`` lies; of an array with gaps, the one that a copy of it should have."""
    if 2 < x.ndim < len(LAST) and LAST[x.ndim].lies(x):  # planes of one pixel are both: what follows is channels-last
        return LAST[x.ndim]
    if x.flags.c_contiguous:
        return FIRST[x.ndim]
    return Order(tuple(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))))


def of_planes(x: Array) -> Order:
    """The order of ``x (N, C, H, W)`` if it is channels-first alone; else channels-last."""
    return FIRST[4] if x.flags.c_contiguous and not LAST[4].lies(x) else LAST[4]


def of_either(x: Array) -> Order:
    """The order of ``x (N, C, *)`` if it is channels-last; else the one in which its shape names the axes."""
    return LAST[x.ndim] if 2 < x.ndim < len(LAST) and of(x) is LAST[x.ndim] else FIRST[x.ndim]
