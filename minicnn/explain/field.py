"""Receptive fields: what the numbers of a tensor see of an image, along one of its axes.

After a chain of sliding windows, output row ``i`` sees the image rows from ``i*jump + first`` to
``i*jump + last``. A window of size k, dilation d, stride s and padding p looks at the rows
``i*s - p`` to ``i*s - p + (k - 1)*d`` of its input, so that::

    jump_out  = jump_in * s
    first_out = first_in - jump_in * p
    last_out  = last_in  - jump_in * p + jump_in * (k - 1) * d

and the size ``r = last - first + 1`` follows the recurrence of the textbooks::

    r_out = r_in + (k - 1) * d * jump_in

Rows of the padding count as rows of the image that lie outside of it. Source: Dumoulin & Visin, *A guide to
convolution arithmetic for deep learning*, 2016; Araujo, Norris & Sim, *Computing receptive fields of convolutional
neural networks*, Distill 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, prod
from typing import Any, NamedTuple

import numpy as np

Number = int | Fraction
Span = tuple[int, int]  # first and last
Box = tuple[Span, Span]  # of rows, and of columns


def box_around(marked: Any) -> Box | None:
    """The smallest rectangle with all places of a plane (H, W) that are not 0; None if there are none.

    Examples
    --------
    >>> box_around(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0]]))
    ((1, 2), (0, 1))
    """
    rows, columns = (np.flatnonzero(marked.any(axis)) for axis in (1, 0))
    return ((int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))) if rows.size else None


def plain(number: Number) -> Number:
    """An int where it is one."""
    return int(number) if number == int(number) else number


class Reach(NamedTuple):
    """Output position i of an operation looks at the input positions ``i*ratio + low`` to ``i*ratio + high``."""

    ratio: Number
    low: Number
    high: Number


class Route(NamedTuple):
    """Where a dimension of an operation's input goes: the dimension of the result, and how far it looks there."""

    dim: int | None  # None: one position is picked, and the dimension is gone
    reach: Reach | None = None  # None: position i is made from position i


@dataclass(frozen=True)
class Field:
    """What the elements of a tensor see of one axis of an image.

    Element ``e`` along ``dim`` is at position ``i = (e // below) % count``, and position ``i`` sees
    ``i*jump + first`` to ``i*jump + last``.

    Attributes
    ----------
    extent : int
        Size of the image along the axis.
    dim : int or None
        The dimension of the tensor that goes along the axis; None: every element sees the same.
    below, count : int
        After ``flatten``, rows and columns share a dimension: rows are ``below = W`` elements apart.
    jump : int or Fraction
        How far the field moves from one position to the next: the product of the strides.
    first, last : int or Fraction
        What position 0 sees, the padding included.
    whole : bool
        An operation has mixed all positions (global pooling, a fully connected layer), and they see
        the whole axis.

    Examples
    --------
    >>> rows = Field(extent=227, dim=2, count=55, jump=4, last=10)  # AlexNet's first layer
    >>> rows.size, rows.at(0), rows.at(54)
    (11, (0, 10), (216, 226))
    """

    extent: int
    dim: int | None
    count: int
    below: int = 1
    jump: Number = 1
    first: Number = 0
    last: Number = 0
    whole: bool = False

    def at(self, position: int) -> tuple[int, int]:
        """First and last row that a position sees; the padding's have numbers below 0 and from ``extent`` on."""
        if self.whole:
            return 0, self.extent - 1
        return ceil(position * self.jump + self.first), floor(position * self.jump + self.last)

    @property
    def size(self) -> int:
        """The receptive field: how many rows one position sees, at most."""
        period = Fraction(self.jump).denominator  # with upsampling, positions differ
        ends = [self.at(i) for i in range(min(self.count, period))]
        return max(last - first + 1 for first, last in ends)

    def merged(self) -> Field:
        """All positions mixed into one number."""
        ends = [0, (self.count - 1) * self.jump]
        first, last = min(ends) + self.first, max(ends) + self.last
        whole = self.whole or (first <= 0 and last >= self.extent - 1)
        return Field(self.extent, None, 1, 1, 0, first, last, whole)

    def along(self, n: int) -> Field:
        """The same, one position per element of the dimension of size n (or merged, where it is no straight line)."""
        if self.dim is None or self.below == 1 == n // self.count:
            return self
        if self.below * self.count != n:
            return self.merged()
        step = Fraction(self.jump, self.below)  # floor(e / below) lies up to (below - 1)/below under e / below
        low, high = sorted((-step * (self.below - 1), Fraction(0)))
        return replace(self, below=1, count=n, jump=step, first=self.first + low, last=self.last + high)

    def through(self, shape: Sequence[int], result: Sequence[int], routes: Sequence[Route | None]) -> Field:
        """After an operation, whose routes say for each dimension of its input where it goes (None: it is mixed)."""
        if self.dim is None:
            return self
        route = routes[self.dim]
        if route is None:
            return self.merged()
        n = 1 if route.dim is None else result[route.dim]
        if route.reach is None:
            return replace(self, dim=route.dim) if shape[self.dim] == n else self.merged()  # a size of 1 is repeated
        field = self.along(shape[self.dim])
        if field.dim is None:
            return field
        ratio, low, high = route.reach
        ends = sorted((field.jump * low, field.jump * high))
        return replace(
            field,
            dim=route.dim,
            count=n,
            jump=plain(field.jump * ratio),
            first=plain(field.first + ends[0]),
            last=plain(field.last + ends[1]),
        )

    def reshaped(self, shape: Sequence[int], result: Sequence[int]) -> Field:
        """After the same elements were given another shape."""
        if self.dim is None or tuple(shape) == tuple(result):
            return self
        step = self.below * prod(shape[self.dim + 1 :])  # elements, in order, from one position to the next
        for dim, n in enumerate(result):
            inner = prod(result[dim + 1 :])
            if self.count == 1:
                if n == 1 and inner == step:
                    return replace(self, dim=dim, below=1)
            elif inner < step * self.count <= inner * n:
                if step % inner == 0:
                    return replace(self, dim=dim, below=step // inner)
                if inner % step == 0 and self.count % (inner // step) == 0:
                    return self._split(dim, inner // step)
        return self.merged()

    def _split(self, dim: int, parts: int) -> Field:
        """Position i becomes ``i // parts`` along ``dim``; the rest goes to other dimensions, which are mixed."""
        low, high = sorted((0, (parts - 1) * self.jump))
        return replace(
            self,
            dim=dim,
            below=1,
            count=self.count // parts,
            jump=self.jump * parts,
            first=self.first + low,
            last=self.last + high,
        )

    def joined(self, other: Field) -> Field:
        """What both see together: the result of an addition or a concatenation."""
        a, b = (other, self) if self.dim is None else (self, other)
        if b.dim is not None and (a.dim, a.below, a.count) != (b.dim, b.below, b.count):
            a, b = a.merged(), b.merged()
        apart = [i * (b.jump - a.jump) for i in (0, a.count - 1)]
        return replace(
            a,
            first=min(a.first, b.first + min(apart)),
            last=max(a.last, b.last + max(apart)),
            whole=a.whole or b.whole,
        )
