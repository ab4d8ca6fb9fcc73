"""The ONNX graph under construction: nodes and constants, without any use of the onnx package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.function import Function
from .agreement import Batch, same, settings_differ
from .errors import ExportError
from .table import translator_of
from .tracing import Operation, Program, Value

INT64_MAX = 2**63 - 1  # "to the end", in a slice


@dataclass
class Node:
    """One ONNX operator."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class Piece:
    """What one operation of the program became."""

    operation: Operation
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)


class Graph:
    """Builds nodes from operations; translators use its methods.

    Parameters
    ----------
    program : Program
        Whose values have ``sizes``.
    input_names, output_names : sequence of str

    Attributes
    ----------
    pieces : list of Piece
        The nodes and constants.
    names : dict
        Of the values.
    renamed : dict
        From the names of nodes' results to those of the outputs that they are.
    """

    def __init__(self, program: Program, input_names: Sequence[str], output_names: Sequence[str]) -> None:
        self.program = program
        self.counts = Counter([*input_names, *output_names])
        self.names = dict(zip(program.inputs, input_names, strict=True))
        self.pieces: list[Piece] = []
        self.renamed: dict[str, str] = {}
        self.batch_name: str | None = None
        for operation in program.operations:
            self.translate(operation)
        self.finish(output_names)

    def translate(self, operation: Operation) -> None:
        """Add the nodes of one operation."""
        translator = translator_of(operation)
        self.pieces.append(Piece(operation))
        inputs = [None if value is None else self.name_of(value) for value in operation.inputs]
        result = translator(self, operation, *inputs)
        names = (result,) if isinstance(result, str) else tuple(result)
        self.names.update(zip(operation.outputs, names, strict=True))

    def finish(self, output_names: Sequence[str]) -> None:
        """Let the results that are outputs be called so; an input or a constant that is one is copied."""
        made = {name for piece in self.pieces for node in piece.nodes for name in node.outputs}
        self.pieces.append(Piece(Operation(Function(), (), ())))
        for value, name in zip(self.program.outputs, output_names, strict=True):
            source = self.name_of(value)
            if source not in made or source in self.renamed:
                source = self.node("Identity", source)
            self.renamed[source] = name

    def unique(self, name: str) -> str:
        """``name``, with a number behind it if it is taken."""
        self.counts[name] += 1
        return name if self.counts[name] == 1 else self.unique(f"{name}_{self.counts[name] - 1}")

    def name_of(self, value: Value) -> str:
        """The name of a value; constants and parameters enter the graph when they are first used."""
        if value not in self.names:
            name = self.constant(value.array, value.name)
            dynamic = any(isinstance(size, Batch) for size in value.sizes)
            self.names[value] = self.node("Expand", name, self.shape(value.sizes)) if dynamic else name
        return self.names[value]

    # ------------------------------------------------------- for the translators

    def node(self, kind: str, *inputs: str | None, outputs: int = 1, **attributes: Any) -> Any:
        """Add an operator; the name of its result, or a tuple of them if ``outputs`` is larger than 1.

        Parameters
        ----------
        kind : str
            The operator's name in ONNX.
        *inputs : str or None
            Names of values; None for an optional input that is left out.
        outputs : int, default 1
        **attributes
            Ints, floats, strings, or lists of them.
        """
        given = ["" if name is None else name for name in inputs]
        while given and not given[-1]:
            given.pop()
        path = self.pieces[-1].operation.path
        name = self.unique(f"{path}/{kind}" if path else kind)
        results = [name, *(self.unique(f"{name}:{i}") for i in range(1, outputs))]
        self.pieces[-1].nodes.append(Node(kind, given, results, attributes))
        return name if outputs == 1 else tuple(results)

    def constant(self, array: Any, name: str | None = None) -> str:
        """Add an array that does not depend on the input; its name."""
        path = self.pieces[-1].operation.path
        name = self.unique(name or (f"{path}/constant" if path else "constant"))
        self.pieces[-1].constants[name] = np.asarray(array)
        return name

    def ints(self, *values: int) -> str:
        """Add a constant vector of int64: axes, shapes."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float, like: Value) -> str:
        """Add a number of the element type of ``like``."""
        return self.constant(np.array(value, like.dtype))

    def reshape(self, x: str, before: Sequence[Any], after: Sequence[Any]) -> str:
        """Give ``x``, of the sizes ``before``, the sizes ``after``, at most one of which depends on the batch anew."""
        if tuple(before) == tuple(after):
            return x
        target = []
        for d, size in enumerate(after):
            kept = d < len(before) and before[d] == size
            target.append(size if not isinstance(size, Batch) else 0 if kept else -1)
        if target.count(-1) > 1:
            raise ExportError(f"no ONNX Reshape makes sizes {_text(after)} of {_text(before)}", self.operation)
        return self.node("Reshape", x, self.ints(*target))

    def shape(self, sizes: Sequence[Any]) -> str:
        """A vector with these sizes, worked out from the input's batch where they depend on it."""
        if not any(isinstance(size, Batch) for size in sizes):
            return self.ints(*sizes)
        parts = []
        for size in sizes:
            if not isinstance(size, Batch):
                parts.append(self.ints(size))
            elif size.factor == 1:
                parts.append(self.batch())
            else:
                parts.append(self.node("Mul", self.batch(), self.ints(size.factor)))
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def batch(self) -> str:
        """A vector with one number, the size of the batch."""
        if self.batch_name is None:
            source = next(v for v in self.program.inputs if v.sizes and v.sizes[0] == Batch())
            self.batch_name = self.node("Shape", self.names[source], start=0, end=1)
        return self.batch_name

    @property
    def operation(self) -> Operation:
        """The operation that is being translated."""
        return self.pieces[-1].operation


def _text(sizes: Sequence[Any]) -> str:
    return "(" + ", ".join(symbol(size) if isinstance(size, Batch) else str(size) for size in sizes) + ")"


def symbol(size: Batch, batch: str = "N") -> str:
    """The name of a size that depends on the batch."""
    return batch if size.factor == 1 else f"{size.factor}*{batch}"


def check_same(first: Graph, second: Graph) -> None:
    """The graphs of the two passes must be one and the same."""
    for a, b in zip(first.pieces, second.pieces, strict=True):
        if a.nodes != b.nodes or list(a.constants) != list(b.constants):
            raise settings_differ(a.operation)
        for name, array in a.constants.items():
            other = b.constants[name]
            if array is not other and not same(array, other):
                raise settings_differ(a.operation)
