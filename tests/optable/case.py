"""What a row of the table is made of: drawn inputs, and how to call the operation here and in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st


class Source:
    """Draws sizes through Hypothesis (so that failures shrink) and fills arrays from a drawn seed."""

    def __init__(self, draw: Callable[[Any], Any], batch: int | None = None) -> None:
        self._draw = draw
        self.batch = batch
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, options: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(list(options)))

    def boolean(self) -> bool:
        return self._draw(st.booleans())

    def samples(self) -> int:
        """A batch size: 1 to 3, or the one that the test asks for (0)."""
        return self.integer(1, 3) if self.batch is None else self.batch

    def pair(self, low: int, high: int) -> int | tuple[int, int]:
        """An int, or two that may differ."""
        a = self.integer(low, high)
        return a if self.boolean() else (a, self.integer(low, high))

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape)

    def distinct(self, *shape: int) -> np.ndarray:
        """Values at least 0.01 apart and away from 0: no ties, no kinks within a finite difference."""
        count = int(np.prod(shape))
        values = (self.rng.permutation(count) - count // 2 + 0.5) * 0.01
        return values.reshape(shape)

    def ties(self, *shape: int) -> np.ndarray:
        """Few different values: many ties, and zeros."""
        return self.rng.integers(-1, 2, shape).astype(np.float64)

    def positive(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(0.2, 2.0, shape)

    def unit(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(0.05, 0.95, shape)

    def labels(self, classes: int, *shape: int) -> np.ndarray:
        return self.rng.integers(0, classes, shape)


@dataclass(frozen=True)
class Case:
    """Inputs (float64 arrays, integer arrays or None) and keyword options of one call."""

    inputs: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    fixed: tuple[int, ...] = ()  # positions of floating inputs that take no gradient
    smooth: bool = True  # False: values at kinks, where finite differences do not apply


@dataclass(frozen=True)
class Op:
    """One operation: how to draw a call, and the function's name in ``nn.functional`` (here and in PyTorch)."""

    name: str
    draw: Callable[[Source], Case]
    function: str
    empty: bool = True  # a batch of 0 is allowed
    float64_tolerance: float = 1e-9
    float32_tolerance: float = 1e-4

    def resolve(self, root: Any) -> Callable[..., Any]:
        """The function of this name in ``minicnn`` or ``torch``."""
        target = root
        for part in self.function.split("."):
            target = getattr(target, part)
        return target
