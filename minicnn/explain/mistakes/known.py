"""Known mistakes in kernels: each is a way to compute something else, so that it can be recognised by its numbers.

A mistake is planted in the reference kernel: the window is given another stride, the weight is turned, the sum over
the batch stops after one sample. What comes out is compared with the numbers in question. If they are the same, and
the right ones are not, then that is very likely what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from minicnn_kernels.cases import IN_PLACE, arrays, changed, tolerance
from minicnn_kernels.registry import find, operations

Array = np.ndarray
Plant = Callable[..., Any]


@dataclass(frozen=True)
class Mistake:
    """One known mistake.

    Attributes
    ----------
    name : str
        What happened: "the stride is forgotten".
    remedy : str
        What the formula says instead.
    plant : callable
        ``plant(right, *arguments)``: the result with the mistake, where ``right`` is the right kernel. None, or an
        error, where these arguments do not have what it takes.
    watches : str, optional
        An operation whose last arguments the mistake looks at; ``plant`` gets them as ``seen``.
    """

    name: str
    remedy: str
    plant: Plant
    watches: str | None = None

    def __str__(self) -> str:
        return f"{self.name}. Right is: {self.remedy}"


MISTAKES: dict[str, list[Mistake]] = {}
_RIGHT = {name: find(name, "reference") for name in operations("reference")}  # as they are, before any is replaced


def mistake(*operations: str, name: str, remedy: str, watches: str | None = None) -> Callable[[Plant], Plant]:
    """Add the decorated function to the known mistakes of some operations."""

    def register(plant: Plant) -> Plant:
        for operation in operations:
            MISTAKES.setdefault(operation, []).append(Mistake(name, remedy, plant, watches))
        return plant

    return register


def right(operation: str) -> Callable[..., Any]:
    """The reference kernel of an operation."""

    return _RIGHT[operation]


def copied(value: Any) -> Any:
    """The same, with arrays of its own, however they are nested; an Epilogue stays one."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(copied(item) for item in value)
    return value


def results(operation: str, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Array] | None:
    """What a function computes of copies of the arguments; of a step, the arguments that it changes."""
    own = copied(tuple(arguments))
    result = function(*own)
    if operation in IN_PLACE:
        return arrays(changed(operation, own))
    return None if result is None else arrays(result)


def planted(operation: str, arguments: Sequence[Any]) -> Iterator[tuple[Mistake, list[Array]]]:
    """Each mistake that these arguments let one make, with its results."""
    for known in MISTAKES.get(operation, ()):
        made = _made(known, operation, arguments)
        if made is not None:
            yield known, made


def _made(known: Mistake, operation: str, arguments: Sequence[Any]) -> list[Array] | None:
    try:
        with np.errstate(all="ignore"):
            return results(operation, partial(known.plant, right(operation)), arguments)
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError):
        return None  # not with such sizes


def close(a: Array, b: Array) -> bool:
    """Whether two arrays have one shape and, up to rounding, the same numbers; ``b`` sets the scale."""
    return a.shape == b.shape and bool(np.isclose(a, b, equal_nan=True, **tolerance(b)).all())


def fits(made: Sequence[Array], got: Sequence[Array], true: Sequence[Array]) -> bool:
    """Whether ``made`` is what was got wherever that is not the truth, and is not the truth itself."""
    if not len(made) == len(got) == len(true):
        return False
    wrong = [i for i in range(len(got)) if not close(got[i], true[i])]
    return bool(wrong) and all(close(got[i], made[i]) and not close(made[i], true[i]) for i in wrong)


def shows(known: Mistake, operation: str, arguments: Sequence[Any]) -> bool:
    """Whether a mistake would make the results for these arguments wrong."""
    true = results(operation, right(operation), arguments)
    made = _made(known, operation, arguments)
    if true is None or made is None:
        return False
    return len(made) != len(true) or not all(map(close, made, true))


def suspects(operation: str, arguments: Sequence[Any], got: Sequence[Array]) -> list[Mistake]:
    """The known mistakes that would give exactly these wrong results."""
    true = results(operation, right(operation), arguments)
    if true is None:
        return []
    return [known for known, made in planted(operation, arguments) if fits(made, got, true)]
