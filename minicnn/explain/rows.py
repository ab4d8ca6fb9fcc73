"""The rows of a summary: the tree of calls and operations as a list, with numbers and formulas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..nn import Module, ParameterDict, ParameterList
from .field import Field, Number
from .formulas import field_formula, left_out, times, weights
from .looking import paths_of
from .trace import Call, Operation, Shape


@dataclass(frozen=True)
class ParameterRow:
    """One parameter of a layer.

    Attributes
    ----------
    name : str
    shape : tuple of int
    count : int
    formula : str
        ``11*11*3*96`` for a weight of shape (96, 3, 11, 11).
    trainable : bool
    shared : bool
        An earlier row has counted it.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> weight, bias = minicnn.summary(nn.Conv2d(3, 8, 5), (3, 9, 9), verbose=0).rows[0].parameters
    >>> weight.shape, weight.formula, weight.count
    ((8, 3, 5, 5), '5*5*3*8', 600)
    """

    name: str
    shape: Shape
    count: int
    formula: str
    trainable: bool
    shared: bool


@dataclass(frozen=True)
class Row:
    """One line of a summary: a layer that was called, or an operation in the ``forward`` of a layer.

    Attributes
    ----------
    kind : {"layer", "operation", "not called", "parameters", "failed"}
        "parameters" are a list or dictionary of them, which is not there to be called.
    name : str
        The attribute's name, as seen from the layer above; of an operation empty.
    path : str
        From the model down, as in ``state_dict``; of an operation that of its layer.
    type : str
        The class of the layer, or the operation.
    depth : int
        0 for the model itself.
    call : int
        1 for the first call of this layer, 2 for the second ...
    input_shapes, output_shapes : list of tuple
    formula : str
        Where the size of the output comes from.
    parameters : list of ParameterRow
        Those of the layer itself, without the layers in it.
    params, trainable_params : int
        Of this layer and all layers in it, as far as no earlier row has counted them.
    mult_adds : int
        Of everything that ran inside.
    mult_adds_formula : str
    output_bytes : int
        New memory for the results of all operations inside.
    fields : dict of int to (Field, Field)
        What the output sees of the rows and columns of each image; images are numbered as the model takes them.
    field_formula : str
        The step from the receptive field of the input to that of the output.
    note : str
    left_out : str
        The last rows and columns of the input that no window reaches: ``"last row"``; usually empty.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2))
    >>> pool = minicnn.summary(net, (1, 8, 8), verbose=0).rows[2]
    >>> pool.path, pool.output_shape, pool.formula, pool.receptive_field, pool.jump
    ('1', (1, 4, 3, 3), '(6 - 2 + 2*0)/2 + 1 = 3', (4, 4), (2, 2))
    """

    kind: str
    name: str
    path: str
    type: str
    depth: int
    call: int = 1
    input_shapes: list[Shape] = field(default_factory=list)
    output_shapes: list[Shape] = field(default_factory=list)
    formula: str = ""
    parameters: list[ParameterRow] = field(default_factory=list)
    params: int = 0
    trainable_params: int = 0
    mult_adds: int = 0
    mult_adds_formula: str = ""
    output_bytes: int = 0
    fields: dict[int, tuple[Field, Field]] = field(default_factory=dict)
    field_formula: str = ""
    note: str = ""
    left_out: str = ""

    @property
    def output_shape(self) -> Shape | None:
        """The shape of the first output."""
        return self.output_shapes[0] if self.output_shapes else None

    @property
    def param_formula(self) -> str:
        """``11*11*3*96 + 96``: the layer's own parameters, without those that are shared."""
        return " + ".join(p.formula for p in self.parameters if not p.shared)

    @property
    def receptive_field(self) -> tuple[int, int] | None:
        """Rows and columns of the first image that one position of the output sees; None if it sees no image."""
        return next(((rows.size, columns.size) for rows, columns in self.fields.values()), None)

    @property
    def jump(self) -> tuple[Number, Number] | None:
        """How far the field moves from one position to the next: the product of the strides."""
        return next(((rows.jump, columns.jump) for rows, columns in self.fields.values()), None)

    @property
    def sees_all(self) -> bool:
        """Whether all positions were mixed (global pooling, a fully connected layer), and see the whole image."""
        return any(rows.whole and columns.whole for rows, columns in self.fields.values())


def rows_of(root: Call, model: Module) -> list[Row]:
    """All rows, the outer layers before what is in them."""
    return list(_Builder(root, model).layer(root, 0, ""))


class _Builder:
    def __init__(self, root: Call, model: Module) -> None:
        self.complete = root.finished
        self.paths = paths_of(model)
        self.called = {id(call.module) for call in _calls(root)}
        self.calls: Counter[int] = Counter()
        self.counted: set[int] = set()  # parameters that have a row

    def layer(self, call: Call, depth: int, above: str) -> Iterator[Row]:
        module, path = call.module, self.paths[id(call.module)]
        self.calls[id(module)] += 1
        operations = list(call.operations())
        inside = [item for item in call.items if isinstance(item, Call)]
        facts = self.parameters(module, operations)
        if not inside and is_one_thing(module, operations):
            main = max(operations, key=lambda o: (o.mult_adds, bool(o.formula)), default=None)
            if main is not None:
                facts |= {"formula": main.formula, "field_formula": field_formula(main.function, main.saw, main.sees)}
                facts["left_out"] = left_out(main.function)
                products = [times(o.factors) for o in operations if o.factors]
                facts["mult_adds_formula"] = " + ".join(products)
            items: list[Call | Operation] = []
        else:
            items = call.items
        failed = not call.finished and not (inside and not inside[-1].finished)
        yield Row(
            "layer" if call.finished else "failed",
            _relative(path, above),
            path,
            type(module).__name__,
            depth,
            self.calls[id(module)],
            call.inputs,
            call.outputs,
            mult_adds=sum(o.mult_adds for o in operations),
            output_bytes=sum(o.bytes for o in operations),
            fields=_fields(call.sees),
            note="failed here" if failed else "",
            **facts,
        )
        for item in items:
            if isinstance(item, Call):
                yield from self.layer(item, depth + 1, path)
            else:
                yield self.operation(item, depth + 1, path)
        if self.complete and self.calls[id(module)] == 1:
            yield from self.not_called(module, depth + 1, path)
        self.counted |= set(map(id, module.parameters()))

    def operation(self, ran: Operation, depth: int, path: str) -> Row:
        unknown = id(ran.layer) not in self.paths and any(True for _ in ran.layer.parameters())
        kind = type(ran.layer).__name__
        return Row(
            "operation",
            "",
            path,
            ran.name,
            depth,
            1,
            ran.inputs,
            ran.outputs,
            ran.formula,
            mult_adds=ran.mult_adds,
            mult_adds_formula=times(ran.factors),
            output_bytes=ran.bytes,
            fields=_fields(ran.sees),
            field_formula=field_formula(ran.function, ran.saw, ran.sees),
            note=f"in a {kind} that is not registered: its parameters are not the model's" if unknown else "",
            left_out=left_out(ran.function),
        )

    def not_called(self, module: Module, depth: int, above: str) -> Iterator[Row]:
        """Layers that have parameters or buffers and did not run."""
        for child in module.children():
            if id(child) in self.called:
                continue
            if any(id(below) in self.called for below in child.modules()):
                yield from self.not_called(child, depth, above)
            elif any(True for _ in child.parameters()) or any(True for _ in child.buffers()):
                path = self.paths[id(child)]
                facts = self.parameters(child, [])
                kind = "parameters" if isinstance(child, (ParameterList, ParameterDict)) else "not called"
                yield Row(kind, _relative(path, above), path, type(child).__name__, depth, 0, **facts)
                self.counted |= set(map(id, child.parameters()))

    def parameters(self, module: Module, operations: list[Operation]) -> dict[str, Any]:
        """What a row says about parameters."""
        own = []
        for name, p in module._parameters.items():
            if p is not None:
                shape = tuple(p.shape)
                groups = next((_groups(o) for o in operations if shape in o.inputs[1:2]), 1)
                formula = weights(shape, groups)
                own.append(ParameterRow(name, shape, p.numel(), formula, p.requires_grad, id(p) in self.counted))
        new = [p for p in module.parameters() if id(p) not in self.counted]
        trainable = sum(p.numel() for p in new if p.requires_grad)
        return {"parameters": own, "params": sum(p.numel() for p in new), "trainable_params": trainable}


def _groups(ran: Operation) -> int:
    """The groups of a convolution; of other operations 1."""
    return getattr(ran.function, "groups", 1)


def is_one_thing(module: Module, operations: list[Operation]) -> bool:
    """Whether a layer without layers in it is shown as one row: the library's own, and those of one operation."""
    own = type(module).__module__.startswith(f"{Module.__module__.rpartition('.')[0]}.")
    return own or (len(operations) <= 1 and all(o.layer is module for o in operations))


def _calls(call: Call) -> Iterator[Call]:
    yield call
    for item in call.items:
        if isinstance(item, Call):
            yield from _calls(item)


def _relative(path: str, above: str) -> str:
    return path.removeprefix(f"{above}.") if above else path


def _fields(sees: dict[tuple[int, int], Field]) -> dict[int, tuple[Field, Field]]:
    return {image: (sees[image, 0], sees[image, 1]) for image in sorted({image for image, _ in sees})}
