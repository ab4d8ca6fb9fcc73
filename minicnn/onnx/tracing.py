"""What one forward pass computes, as a list of operations on values that never change.

The record of a pass (:mod:`minicnn.core.recording`) speaks of tensors, and a tensor can be changed in place:
after ``y += x`` the same tensor holds another value, and so do all views of it. Here every write makes a new
:class:`Value`, and a view that is read after a write to what it looks at is taken anew. The list is therefore in
*static single assignment* form, as an ONNX graph is: each value is made once.

A program must give the model's output when it is replayed. What the record does not see (a tensor changed through
NumPy, ``x.data = ...``) therefore ends in an error and never in a wrong graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.function import Function
from ..core.grad_mode import no_grad
from ..core.recording import Step, record
from ..core.tensor import Tensor
from ..nn import Module
from .errors import ExportError


@dataclass(eq=False)
class Value:
    """An input, a parameter, a constant or a result.

    Attributes
    ----------
    shape : tuple of int
        In the pass that was traced.
    dtype : numpy.dtype
    array : array, optional
        The numbers of a parameter or a constant.
    name : str, optional
        The path of a parameter or buffer.
    sizes : tuple of (int or Batch)
        The shape for every batch size; known when two passes have been compared.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    array: Any = None
    name: str | None = None
    sizes: tuple[Any, ...] = ()


@dataclass(eq=False)
class Operation:
    """One function applied to values, and the layer it ran in.

    Attributes
    ----------
    function : Function
        Has the settings.
    inputs : tuple of (Value or None)
    outputs : tuple of Value
    path : str
        Of the layer.
    module : Module, optional
        The layer.
    used : tuple of bool
        Which outputs somebody reads.
    lost : bool
        It changed a parameter or a constant in place, whose earlier numbers are gone.
    """

    function: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Value, ...]
    path: str = ""
    module: Module | None = None
    used: tuple[bool, ...] = ()
    lost: bool = False

    @property
    def name(self) -> str:
        """The operation, for messages."""
        return str(self.function.operation)

    @property
    def where(self) -> str | None:
        """The layer, for messages."""
        if self.module is None:
            return None
        lines = repr(self.module).splitlines()
        description = lines[0] if len(lines) == 1 else type(self.module).__name__
        return f"{self.path!r}: {description}" if self.path else description


@dataclass(eq=False)
class Program:
    """The operations of one pass that its outputs depend on, in the order in which they ran."""

    inputs: list[Value]
    operations: list[Operation]
    outputs: list[Value]
    names: list[str] = field(default_factory=list)  # of the outputs, as the model calls them


class _Numbering:
    """Which value a tensor holds, while the record is read from its beginning to its end."""

    def __init__(self, model: Module, inputs: Sequence[Tensor]) -> None:
        self.paths = {id(module): path for path, module in model.named_modules()}
        self.values: dict[Any, tuple[Value, int]] = {}  # tensor, or place in memory -> value, and how old it is
        self.changes: Counter[int] = Counter()  # memory -> how often it was written
        self.known: set[int] = set()  # memory of all tensors seen so far
        self.constant: set[int] = set()  # memory of parameters and constants
        self.operations: list[Operation] = []
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            self.enter(t, _value(t, array=t._array, name=name))
            self.constant.add(id(t._versions))
        self.inputs = [self.enter(t, _value(t)) for t in inputs]

    def enter(self, t: Tensor, value: Value) -> Value:
        """From now on ``t`` holds ``value``."""
        memory = id(t._versions)
        self.values[id(t)] = self.values[_place(t)] = value, self.changes[memory]
        self.known.add(memory)
        return value

    def read(self, t: Tensor) -> Value:
        """The value that ``t`` holds now."""
        memory = id(t._versions)
        for key in (id(t), _place(t)):
            value, age = self.values.get(key, (None, -1))
            if value is not None and age == self.changes[memory]:
                return value
        if t._base is not None:  # a view, older than the last write to what it looks at
            return self.enter(t, self.look_again(t._base, t._view_steps))
        if memory in self.known:
            raise ExportError(
                f"a tensor of shape {tuple(t.shape)} shares its memory with another one that was changed in place "
                "since. Fix: the operation that is not in place (x = x + y for x += y), or clone() in place of detach()"
            )
        self.constant.add(memory)
        return self.enter(t, _value(t, array=t._array))

    def look_again(self, base: Tensor, steps: Sequence[Function]) -> Value:
        """The view that ``steps`` make of ``base``, as operations."""
        value, array = self.read(base), base._array
        for step in steps:
            twin = step.again()
            array = twin.forward(array)
            seen = Value(array.shape, array.dtype)
            self.operations.append(Operation(twin, (value,), (seen,)))
            value = seen
        return value

    def follow(self, step: Step) -> None:
        """Add one step of the record."""
        inputs = tuple(None if t is None else self.read(t) for t in step.inputs)
        module = next((m for m in reversed(step.modules) if id(m) in self.paths), None)
        path = self.paths[id(module)] if module is not None else ""
        operation = Operation(step.function, inputs, (), path, module)
        if step.function.inplace:
            memory = id(step.outputs[0]._versions)
            operation.lost = memory in self.constant
            self.changes[memory] += 1
        operation.outputs = tuple(self.enter(t, _value(t)) for t in step.outputs)
        self.operations.append(operation)


def _place(t: Tensor) -> Any:
    """Tensors of one place show the same elements: ``x`` and ``x.detach()``."""
    return id(t._versions), t._array.ctypes.data, tuple(t.shape), t.stride()


def _value(t: Tensor, array: Any = None, name: str | None = None) -> Value:
    return Value(t._array.shape, t._array.dtype, array, name)


def trace(model: Module, arrays: Sequence[Any]) -> tuple[Program, list[Any]]:
    """Run the model once on arrays; the program, and the arrays that came out."""
    program, tensors, _ = follow(model, [Tensor._wrap(array.copy()) for array in arrays])
    return program, [t._array for t in tensors]


def follow(model: Module, inputs: Sequence[Tensor]) -> tuple[Program, list[Tensor], Any]:
    """Run the model once on tensors; the program, the tensors that came out, and what they came in."""
    with no_grad(), record() as steps:
        result = model(*inputs)
    names, tensors = [], []
    for name, t in outputs_of(result):
        names.append(name)
        tensors.append(t)
    if not tensors:
        raise ExportError("the model returns no tensor")
    numbering = _Numbering(model, inputs)
    for step in steps:
        numbering.follow(step)
    program = Program(numbering.inputs, numbering.operations, [numbering.read(t) for t in tensors], names)
    _drop_dead(program)
    for operation in program.operations:
        if operation.lost:
            raise ExportError(
                "changes in place a tensor that no recorded operation made (a parameter, or one from zeros, ones ... "
                "in forward), whose earlier numbers are lost. Fix: the operation that is not in place, such as "
                "x = x + y for x += y, or cat",
                operation,
            )
    return program, tensors, result


def outputs_of(result: Any, name: str = "output") -> Iterator[tuple[str, Tensor]]:
    """All tensors of a result, with names: of dicts and named tuples their keys, else numbers."""
    if isinstance(result, Tensor):
        yield name, result
    elif isinstance(result, Mapping):
        for key, item in result.items():
            yield from outputs_of(item, str(key))
    elif isinstance(result, (tuple, list)):
        keys = getattr(result, "_fields", [f"{name}_{i}" for i in range(len(result))])
        for key, item in zip(keys, result, strict=True):
            yield from outputs_of(item, key)
    elif result is not None:
        raise ExportError(f"the model must return tensors (in tuples, lists or dicts); got {type(result).__name__}")


def _drop_dead(program: Program) -> None:
    """Keep only the operations that an output depends on."""
    needed = set(program.outputs)
    kept = []
    for operation in reversed(program.operations):
        operation.used = tuple(value in needed for value in operation.outputs)
        if any(operation.used):
            kept.append(operation)
            needed.update(value for value in operation.inputs if value is not None)
    program.operations = kept[::-1]


def check_replay(program: Program, arrays: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Run the program's operations on ``arrays``: they must give ``outputs``, the model's."""
    tensors = {value: Tensor._wrap(array) for value, array in zip(program.inputs, arrays, strict=True)}

    def tensor(value: Value) -> Tensor:
        return tensors[value] if value.array is None else Tensor._wrap(value.array)

    with no_grad():
        for operation in program.operations:
            inputs: list[Any] = [None if value is None else tensor(value) for value in operation.inputs]
            if operation.function.inplace:
                inputs[0] = inputs[0].clone()
            result = operation.function.again()(*inputs)
            results = result if isinstance(result, tuple) else (result,)
            tensors.update(zip(operation.outputs, results, strict=True))
    for value, expected in zip(program.outputs, outputs, strict=True):
        if not close(tensor(value)._array, expected):
            raise ExportError(
                "the recorded operations do not give the model's output: something was changed behind the record, "
                "through x.data, x.numpy(), or the shape of a tensor in place (squeeze_ ...). "
                "Fix: the operations of minicnn that return a new tensor"
            )


def close(got: Any, expected: Any) -> bool:
    """Whether two arrays are equal up to rounding, as far as their largest number tells."""
    if got.shape != expected.shape or got.dtype.kind != "f":
        return np.array_equal(got, expected)
    tolerance = float(np.finfo(got.dtype).eps) ** 0.5
    finite = np.abs(expected[np.isfinite(expected)])
    return np.allclose(got, expected, tolerance, tolerance * float(finite.max(initial=0)), equal_nan=True)
