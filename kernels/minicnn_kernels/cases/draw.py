"""Random arguments for kernels, of one element type, batch size and memory layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array

LAYOUTS = ("contiguous", "channels_last", "transposed", "strided", "reversed")


@dataclass
class Draw:
    """Random arguments of one element type, batch size and memory layout."""

    rng: np.random.Generator
    dtype: Any
    batch: int
    layout: str

    def place(self, x: Array) -> Array:
        """Put the values of x into the memory layout; no layout changes what x holds."""
        if self.layout == "channels_last" and x.ndim > 2:
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        if self.layout == "transposed" and x.ndim > 1:  # (N, C, H, W) in memory as (N, W, H, C)
            order = (0, *range(x.ndim - 1, 0, -1)) if x.ndim > 2 else (1, 0)
            return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        if self.layout == "strided" and x.ndim > 0:
            double = np.zeros(tuple(2 * size for size in x.shape), x.dtype)
            view = double[tuple(slice(None, None, 2) for _ in x.shape)]
            view[...] = x
            return view
        if self.layout == "reversed" and x.ndim > 0:
            return x[..., ::-1].copy()[..., ::-1]
        return x

    def array(self, *shape: int) -> Array:
        return self.place(self.rng.standard_normal(shape).astype(self.dtype))

    def positive(self, *shape: int) -> Array:
        return self.place((0.5 + self.rng.random(shape)).astype(self.dtype))

    def kinks(self, *shape: int) -> Array:
        """Numbers among which are the places where an activation has no derivative."""
        special = self.rng.choice([0.0, 3.0, -3.0, 6.0, 50.0, -50.0], shape)
        x = np.where(self.rng.random(shape) < 0.3, special, 4 * self.rng.standard_normal(shape))
        return self.place(x.astype(self.dtype))

    def ties(self, *shape: int) -> Array:
        """Small integers, which tie, and some infinities and NaN."""
        x = self.rng.integers(-2, 3, shape).astype(self.dtype)
        x[self.rng.random(shape) < self.one(0.3, 0.8)] = -np.inf
        x[self.rng.random(shape) < self.one(0.0, 0.3)] = np.nan
        return self.place(x)

    def ints(self, low: int, high: int, count: int = 2) -> tuple[int, ...]:
        """Integers from low to high, both included."""
        return tuple(self.rng.integers(low, high + 1, count).tolist())

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def planes(self) -> tuple[int, ...]:
        """A shape (N, C, *) with four channels."""
        return (self.batch, 4, *self.one((), (5,), (3, 4), (5, 2)))

    def parts(self) -> tuple[tuple[Array, ...], tuple[int, ...]]:
        """Three arrays that differ in their channels, and the shape of all joined."""
        batch, _, *plane = self.planes()
        channels = self.ints(1, 20, 3)
        return tuple(self.array(batch, c, *plane) for c in channels), (batch, sum(channels), *plane)

    def maybe(self, *shape: int) -> Array | None:
        return self.one(None, self.array(*shape))


Row = Callable[[Draw], tuple[Any, ...]]
TABLE: dict[str, Row] = {}


def row(*operations: str) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        TABLE.update(dict.fromkeys(operations, function))
        return function

    return register
