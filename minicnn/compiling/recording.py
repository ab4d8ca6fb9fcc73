"""From a model and an input to a program that may stand for the model, or the reason why there is none.

A recording sees the operations of one forward pass, not the Python code between them: an ``if`` on a value, a
number taken out with ``item()``. So the model is recorded twice, on the input and on quite different numbers. Both
times the operations and the constants must be the same, and the program must give the model's results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import LayerError
from ..core.random import default_generator
from ..core.tensor import Tensor
from ..nn import Module
from ..onnx.agreement import agree
from ..onnx.errors import ExportError
from ..onnx.tracing import Program as Recording
from ..onnx.tracing import Value, close, follow
from .program import Program
from .structure import Structure


class CompileError(LayerError, RuntimeError):
    """A model that a list of kernel calls cannot stand for; the message gives the reason."""


def compiled(model: Module, structure: Structure, arrays: Sequence[Any]) -> tuple[Program, Callable[[Any], Any]]:
    """The program for inputs like ``arrays``, and what puts its outputs together as the model does.

    Raises
    ------
    CompileError
        If there is none. What the model itself raises on ``arrays`` is raised.
    """
    if structure.hidden:
        name = type(structure.hidden[0]).__name__
        raise CompileError(f"it keeps layers ({name}) in a list, tuple or dict. Fix: nn.ModuleList or nn.ModuleDict")
    drawn = default_generator.get_state()
    others = [_other(array) for array in arrays]
    try:
        first, results, pack = _record(model, structure, arrays)
        try:
            second, results_of_others, _ = _record(model, structure, others)
        except (CompileError, ExportError):
            raise
        except Exception as error:
            reason = f"it raises {type(error).__name__} for other numbers ({error}), so its forward decides by them"
            raise CompileError(reason) from error
        if default_generator.get_state() != drawn:
            raise CompileError("it draws random numbers, and they would be the same in every call")
        agree(first, second, (1, 1))
        _trace_back(first, second, structure)
    except ExportError as error:
        raise CompileError(f"{error.args[0]}") from error
    finally:
        default_generator.set_state(drawn)
    program = Program(first, structure.tensors)
    for given, expected in ((arrays, results), (others, results_of_others)):
        if not all(close(got, result) for got, result in zip(program.run(given), expected, strict=True)):
            raise CompileError(
                "its operations, replayed, give other numbers than the model: something was computed from the input "
                "outside of them (argmax, NumPy), or changed behind the record (x.data, x.numpy())"
            )
    return program, pack


def _record(
    model: Module, structure: Structure, arrays: Sequence[Any]
) -> tuple[Recording, list[Any], Callable[[Any], Any]]:
    """One forward pass: the operations, the arrays that came out, and what puts such arrays together again."""
    inputs = [Tensor._wrap(array.copy(order="K")) for array in arrays]
    given = [*inputs, *structure.tensors.values()]
    before = [(t._array, t._versions.memory.writes) for t in given]
    recording, tensors, result = follow(model, inputs)
    after = [(t._array, t._versions.memory.writes) for t in given]
    if any(a is not b or m != n for (a, m), (b, n) in zip(before, after, strict=True)) or not structure.holds():
        raise CompileError("its forward changes its input, a buffer, a parameter or an attribute of a module")
    for i, t in enumerate(tensors):
        if any(np.may_share_memory(t._array, other._array) for other in (*given, *tensors[:i])):
            raise CompileError("it returns a view of its input, of a parameter or of another result. Fix: clone() it")
    return recording, [t._array for t in tensors], _packer(result)


def _trace_back(first: Recording, second: Recording, structure: Structure) -> None:
    """Name the constants that are tensors of the model: these are read in each run. Refuse those of unknown origin.

    What ``forward`` makes anew is in other memory each time. Memory that both recordings have existed before, and
    whoever holds it can change it: a variable outside of the model, a cache.
    """
    names = {_place(t._array): name for name, t in structure.tensors.items()}
    for value, again in zip(_constants(first), _constants(second), strict=True):
        array = value.array
        if not np.may_share_memory(array, again.array):
            continue
        value.name = names.get(_place(array))
        if value.name is None and not any(np.may_share_memory(array, known) for known in structure.arrays):
            raise CompileError(
                f"it uses a tensor of shape {array.shape} that was made before, and is no attribute of a module, so "
                "its changes would not be seen. Fix: register_buffer"
            )


def _constants(recording: Recording) -> list[Value]:
    """The values with numbers that are no parameters or buffers."""
    values = [v for operation in recording.operations for v in operation.inputs if v is not None]
    return [v for v in dict.fromkeys((*values, *recording.outputs)) if v.array is not None and v.name is None]


def _place(array: Any) -> Any:
    """Arrays of one place show the same elements."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype


def _packer(result: Any) -> Callable[[Any], Any]:
    """What makes ``result`` again, with tensors on the arrays that an iterator gives."""
    if isinstance(result, Tensor):
        return lambda arrays: Tensor._wrap(next(arrays))
    kind = type(result)
    if kind is dict:
        items = [(key, _packer(item)) for key, item in result.items()]
        return lambda arrays: {key: pack(arrays) for key, pack in items}
    if result is None:
        return lambda arrays: None
    if kind not in (tuple, list) and not (issubclass(kind, tuple) and hasattr(result, "_fields")):
        raise CompileError(f"it returns a {kind.__name__}; expected tensors, in tuples, lists or dicts")
    parts = [_packer(item) for item in result]
    if kind in (tuple, list):
        return lambda arrays: kind(pack(arrays) for pack in parts)
    return lambda arrays: kind(*(pack(arrays) for pack in parts))


def _other(array: Any) -> Any:
    """Quite different numbers in the same memory order: if they were mostly positive, mostly negative ones.

    Integers may be labels or indices, which must lie in a range: the same ones in another order.
    """
    if array.dtype.kind != "f":
        return np.roll(array, 1)
    other = np.empty_like(array, subok=False)
    shift = 0.5 if np.sum(array, dtype=np.float64) <= 0 else -0.5
    other[...] = np.random.default_rng(0).standard_normal(array.shape) + shift
    return other
