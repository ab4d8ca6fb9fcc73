"""What random transforms share: probabilities, ranges to draw from, and doing something only sometimes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from ..randomness import sample_rng

SMALLEST = 5e-324  # the number after 0


def is_number(value: Any) -> bool:
    """Whether this is a real number, of Python or NumPy (True and False are none)."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_number(value: Any, rule: str, lowest: float = 0.0, highest: float = math.inf) -> float:
    """A finite number between two limits, as a float; ``rule`` says what it should be."""
    if not is_number(value) or not math.isfinite(value) or not lowest <= value <= highest:
        raise ValueError(f"{rule}; got {value!r}")
    return float(value)


def check_probability(p: Any, who: str, name: str = "p") -> float:
    """Raise unless it is a number from 0 to 1."""
    check_number(p, f"{who}: {name} is a probability, from 0 to 1", 0, 1)
    return p  # type: ignore[no-any-return]


def finite_numbers(given: Any, rule: str, lengths: Sequence[int]) -> list[float]:
    """A sequence of finite numbers, as floats; ``rule`` says what it should be."""
    values = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else None
    if values is None or not all(map(is_number, values)):
        raise TypeError(f"{rule}; got {given!r}")
    if len(values) not in lengths or not all(math.isfinite(value) for value in values):
        raise ValueError(f"{rule}; got {given!r}")
    return [float(value) for value in values]


def increasing(given: Any, rule: str, lowest: float = -math.inf, highest: float = math.inf) -> tuple[float, float]:
    """Two numbers (smallest, largest) between two limits."""
    low, high = finite_numbers(given, rule, (2,))
    if not lowest <= low <= high <= highest:
        raise ValueError(f"{rule}; got {given!r}")
    return low, high


def uniform(limits: Sequence[float]) -> float:
    """Draw a number between two; nothing is drawn if they are equal."""
    low, high = limits
    return low if low == high else float(sample_rng().uniform(low, high))


class RandomTransform:
    """Base of transforms that change an image with probability ``p`` and leave it alone otherwise."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(p, type(self).__name__)

    def change(self, img: Any) -> Any:
        """The changed image; written by each subclass."""
        raise TypeError(f"{type(self).__name__} needs a method change(self, img) that returns the changed image")

    def __call__(self, img: Any) -> Any:
        return self.change(img) if sample_rng().random() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
