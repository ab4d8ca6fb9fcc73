"""Two passes compared: what depends on the batch, and what must not be baked into the graph.

The model is traced twice, with other numbers and another batch size. Sizes that differ grow with the batch. Whatever
else differs (a constant, a setting, the operations themselves) was computed from the input where the record does not
see it, by a comparison, ``argmax`` or NumPy, or from the batch size, and a graph with it would be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ExportError
from .tracing import Operation, Program, Value

_UNSEEN = (
    "was computed from the model's input where the record of operations does not see it (a comparison, max(dim), "
    "argmax, item(), NumPy), or from the batch size, and would be frozen in the graph. "
    "Fix: operations with a gradient, such as amax(dim) for max(dim)[0], or relu(x) for x * (x > 0); "
    "where only the batch size matters, dynamic_axes={}"
)


@dataclass(frozen=True)
class Batch:
    """A size that is ``factor`` times the size of the batch."""

    factor: int = 1


def agree(first: Program, second: Program, batches: tuple[int, int]) -> None:
    """Give all values of both programs their ``sizes``, or refuse.

    Parameters
    ----------
    first, second : Program
        Of the same model; its inputs had the first dimensions ``batches``.
    batches : (int, int)
        Equal if the batch size is fixed.

    Raises
    ------
    ExportError
        With the operation and the layer where the passes part.
    """
    compare = _Comparison(batches)
    for a, b in zip(first.inputs, second.inputs, strict=True):
        compare.values(a, b, None)
    for one, other in zip(first.operations, second.operations, strict=False):
        compare.operations(one, other)
    ends = [(program.operations, program.outputs) for program in (first, second)]
    if len(ends[0][0]) != len(ends[1][0]) or len(ends[0][1]) != len(ends[1][1]):
        raise _other_operations(None)
    for a, b in zip(first.outputs, second.outputs, strict=True):
        compare.values(a, b, None)


def _other_operations(operation: Operation | None) -> ExportError:
    return ExportError(
        "for other numbers in the input, or another batch size, the model computes other operations: its forward "
        "decides by them (an if, a loop), which a graph cannot. Fix: where(condition, a, b) over constants, or, "
        "where only the batch size matters, dynamic_axes={}",
        operation,
    )


class _Comparison:
    def __init__(self, batches: tuple[int, int]) -> None:
        self.batches = batches
        self.partner: dict[Value, Value] = {}

    def operations(self, one: Operation, other: Operation) -> None:
        same_kind = type(one.function) is type(other.function) and one.name == other.name
        if not same_kind or len(one.inputs) != len(other.inputs) or len(one.outputs) != len(other.outputs):
            raise _other_operations(one)
        for a, b in zip((*one.inputs, *one.outputs), (*other.inputs, *other.outputs), strict=True):
            if a is not None and b is not None:
                self.values(a, b, one)
            elif a is not b:
                raise _other_operations(one)

    def values(self, a: Value, b: Value, operation: Operation | None) -> None:
        if self.partner.setdefault(a, b) is not b or (a.array is None) != (b.array is None):
            raise _other_operations(operation)
        if a.sizes or b.sizes:
            return  # compared before
        a.sizes = b.sizes = self.sizes(a, b, operation)
        if a.array is not None and a.array is not b.array:
            self.constants(a, b, operation)

    def sizes(self, a: Value, b: Value, operation: Operation | None) -> tuple[Any, ...]:
        if len(a.shape) != len(b.shape):
            raise _other_operations(operation)
        sizes: list[Any] = []
        for d, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)):
            factor, rest = divmod(m, self.batches[0])
            if m != n and (rest or n != factor * self.batches[1]):
                raise ExportError(
                    f"dimension {d} of shape {a.shape} is {m} for a batch of {self.batches[0]} and {n} for a batch of "
                    f"{self.batches[1]}: neither fixed nor a multiple of the batch size. "
                    "Fix: dynamic_axes={} for a fixed batch size",
                    operation,
                )
            sizes.append(m if m == n else Batch(factor))
        if 0 in sizes:
            raise ExportError(
                f"a tensor of shape {a.shape} has no elements, which ONNX runtimes do not take", operation
            )
        return tuple(sizes)

    def constants(self, a: Value, b: Value, operation: Operation | None) -> None:
        """A constant must be the same in both passes; where it only repeats along the batch, one copy is kept."""
        for d, size in enumerate(a.sizes):
            if isinstance(size, Batch):
                a.array, b.array = _one_copy(a.array, d), _one_copy(b.array, d)
        if a.array is None or b.array is None or a.dtype != b.dtype or not same(a.array, b.array):
            raise ExportError(f"an input of shape {a.shape} {_UNSEEN}", operation)


def _one_copy(array: Any, axis: int) -> Any:
    """The first slice along ``axis``, if all are equal, else None."""
    if array is None:
        return None
    first = array.take([0], axis)
    return first if same(np.broadcast_to(first, array.shape), array) else None


def same(a: Any, b: Any) -> bool:
    """Whether two arrays hold the same numbers, NaN included."""
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")


def settings_differ(operation: Operation) -> ExportError:
    """The error for an operation that is translated differently in the two passes."""
    return ExportError(f"a setting {_UNSEEN}", operation)
