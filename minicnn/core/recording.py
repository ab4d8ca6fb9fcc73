"""Writing down what a model computes: every operation, with its inputs, its results and the layer it ran in.

Summaries and exporters read this record instead of guessing from the modules, so
they show what was computed and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from .layer_stack import stack

if TYPE_CHECKING:
    from .function import Function
    from .tensor import Tensor


class Step(NamedTuple):
    """One operation that ran.

    Attributes
    ----------
    function : Function
        The operation with its settings (strides, axes ...).
    inputs : tuple of (Tensor or None)
    outputs : tuple of Tensor
        Of an operation in place: its first input itself.
    modules : tuple of Module
        The layers that were running, the outermost first.
    """

    function: Function
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    modules: tuple[Any, ...]


class _Records(threading.local):
    def __init__(self) -> None:
        self.open: list[list[Step]] = []


records = _Records()


@contextmanager
def record() -> Iterator[list[Step]]:
    """Append every operation of this thread to the list that is given, in the order in which they run.

    The list keeps all tensors in between alive, so that their identities stay
    apart: let go of it when it has been read.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.core import record
    >>> with record() as steps:
    ...     y = minicnn.ones(2, 3) * 2 + 1
    >>> [step.function.operation for step in steps]
    ['Mul', 'Add']
    """
    steps: list[Step] = []
    records.open.append(steps)
    try:
        yield steps
    finally:
        records.open = [others for others in records.open if others is not steps]


def write_down(function: Function, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
    """Add a step to all open records."""
    step = Step(function, inputs, outputs, tuple(stack.modules))
    for steps in records.open:
        steps.append(step)
