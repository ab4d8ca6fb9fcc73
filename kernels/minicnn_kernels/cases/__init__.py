"""Random cases for every kernel: what the tests hold all backends to, and a student's own function.

``TABLE`` has a row for each operation, a function from a :class:`Draw` to the kernel's arguments. The same numbers in
:func:`draw_case` give the same arguments again.

>>> logits, target, *_ = draw_case("cross_entropy.forward", batch=3)
>>> logits.shape, target.shape
((3, 5), (3,))
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ..arrays import Array
from ..registry import call, use_backend
from ..watching import arrays
from . import layers, steps, windows  # noqa: F401 - they fill the table
from .draw import LAYOUTS, TABLE, Draw
from .steps import IN_PLACE

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 1e-2}  # of the largest number

__all__ = [
    "IN_PLACE",
    "LAYOUTS",
    "TABLE",
    "Draw",
    "arrays",
    "changed",
    "draw_case",
    "outcome",
    "tolerance",
]


def draw_case(
    operation: str, dtype: Any = np.float64, batch: int = 2, layout: str = "contiguous", seed: int = 0
) -> tuple[Any, ...]:
    """Random arguments for the kernel of ``operation``."""
    rng = np.random.default_rng([seed, batch, zlib.crc32(f"{operation} {layout}".encode())])
    return TABLE[operation](Draw(rng, dtype, batch, layout))


def changed(operation: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those of the arguments that the operation changes: a step's parameters and averages."""
    return tuple(arguments[i] for i in IN_PLACE[operation])


def outcome(operation: str, backend: str, arguments: tuple[Any, ...]) -> list[Array]:
    """What a backend's kernel computes; of a step in place, the arguments it changes."""
    with use_backend(backend):
        result = call(operation, *arguments)
    return arrays(changed(operation, arguments) if operation in IN_PLACE else result)


def tolerance(truth: Array) -> dict[str, float]:
    """How far a result may be from the true one: ``rtol`` and ``atol`` for ``np.isclose``."""
    allowed = TOLERANCE.get(truth.dtype.name, 0.0)
    return {"rtol": allowed, "atol": allowed * float(np.abs(truth[np.isfinite(truth)]).max(initial=0.0))}
