"""What :func:`minicnn.explain.summary` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..nn import Module
from .rows import Row
from .table import chosen, counted, html_table, shape_text, text_table


@dataclass(frozen=True)
class Totals:
    """Numbers of the whole model, in elements and bytes."""

    params: int
    trainable: int
    param_bytes: int
    trainable_bytes: int
    buffers: int
    buffer_bytes: int

    @classmethod
    def of(cls, model: Module) -> Totals:
        params, buffers = list(model.parameters()), list(model.buffers())
        trainable = [p for p in params if p.requires_grad]
        return cls(
            *(sum(p.numel() for p in params), sum(p.numel() for p in trainable)),
            *(sum(p.nbytes for p in params), sum(p.nbytes for p in trainable)),
            *(sum(b.numel() for b in buffers), sum(b.nbytes for b in buffers)),
        )


@dataclass(frozen=True, repr=False)
class Summary:
    """A model's layers as a table, with totals. ``str()`` is the text; a notebook shows HTML.

    Attributes
    ----------
    model_name : str
    rows : list of Row
        All layers and operations, the outer ones before what is in them.
    input_size : list of tuple
        The shapes of the inputs, with the batch.
    total_params, trainable_params : int
        Numbers in parameters; shared ones count once.
    total_buffers : int
        Numbers in buffers, such as running means.
    total_mult_adds : int
        Of the whole batch.
    total_input, total_output_bytes, total_param_bytes : int
        Bytes of the inputs, of the results of all operations, of the parameters.
    depth : int or None
        Rows deeper than that are not shown; their numbers are in the rows above them.
    verbose : int
        2: the text shows every parameter and the formulas of all numbers.
    col_names : tuple of str

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> found = minicnn.summary(nn.Sequential(nn.Conv2d(3, 96, 11, stride=4)), (3, 227, 227), verbose=0)
    >>> found
    <Summary of Sequential: 34,944 parameters, 105,415,200 multiply-adds>
    >>> found.rows[1].formula, found.rows[1].param_formula, found.rows[1].receptive_field
    ('(227 - 11 + 2*0)/4 + 1 = 55', '11*11*3*96 + 96', (11, 11))
    """

    model_name: str
    rows: list[Row]
    input_size: list[tuple[int, ...]]
    total_input: int
    of_model: Totals
    depth: int | None = None
    verbose: int = 1
    col_names: tuple[str, ...] = field(default_factory=lambda: chosen(None))

    @property
    def total_params(self) -> int:
        return self.of_model.params

    @property
    def trainable_params(self) -> int:
        return self.of_model.trainable

    @property
    def non_trainable_params(self) -> int:
        return self.of_model.params - self.of_model.trainable

    @property
    def total_buffers(self) -> int:
        return self.of_model.buffers

    @property
    def total_mult_adds(self) -> int:
        return self.rows[0].mult_adds

    @property
    def total_param_bytes(self) -> int:
        return self.of_model.param_bytes

    @property
    def total_output_bytes(self) -> int:
        return self.rows[0].output_bytes

    @property
    def training_bytes(self) -> int:
        """A training step, roughly: parameters and activations, and a gradient for each of their numbers."""
        return (
            self.of_model.param_bytes + self.of_model.trainable_bytes + 2 * self.total_output_bytes + self.total_input
        )

    @property
    def receptive_field(self) -> tuple[int, int] | None:
        """Rows and columns of the first image that one position of the model's output sees."""
        return self.rows[0].receptive_field

    @cached_property
    def shown(self) -> list[Row]:
        """The rows down to ``depth``."""
        return [row for row in self.rows if self.depth is None or row.depth <= self.depth]

    def totals(self) -> list[str]:
        """The lines under the table."""
        m, taken = self.of_model, self.total_output_bytes
        fixed = f", {self.non_trainable_params:,} not" if self.non_trainable_params else ""
        more = f"; {m.buffers:,} numbers in buffers" if m.buffers else ""
        magnitude = f" ({counted(self.total_mult_adds)})" if self.total_mult_adds >= 1000 else ""
        return [
            f"Input: {shape_text(self.input_size)}",
            f"Parameters: {m.params:,} ({m.trainable:,} trainable{fixed}){more}",
            f"Multiply-adds: {self.total_mult_adds:,}{magnitude}",
            f"Memory: input {counted(self.total_input, 'B')}, parameters {counted(m.param_bytes, 'B')}, "
            f"activations {counted(taken, 'B')}",
            f"Training step, about: parameters {counted(m.param_bytes, 'B')} + their gradients "
            f"{counted(m.trainable_bytes, 'B')} + 2 * activations {counted(taken, 'B')} + input "
            f"= {counted(self.training_bytes, 'B')}",
            *self._border(),
        ]

    def _border(self) -> list[str]:
        """What rounding down leaves out, if it does anywhere."""
        found = [f"{row.path or row.type} ({row.left_out})" for row in self.rows if row.left_out]
        more = [f"{len(found) - 3} more"] * (len(found) > 3)
        return [f"Sizes are rounded down; no window reaches all of: {', '.join(found[:3] + more)}"] if found else []

    def text(self, verbose: int = 1) -> str:
        """The table and the totals; 2: with every parameter and the formulas of all numbers."""
        return "\n".join([text_table(self.shown, self.col_names, verbose > 1), *self.totals()])

    def __str__(self) -> str:
        return self.text(self.verbose)

    def __repr__(self) -> str:
        return (
            f"<Summary of {self.model_name}: {self.total_params:,} parameters, {self.total_mult_adds:,} multiply-adds>"
        )

    def _repr_html_(self) -> str:
        return html_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything in the table and under it, of types that JSON knows.

        Examples
        --------
        >>> import minicnn
        >>> from minicnn import nn
        >>> found = minicnn.summary(nn.Linear(3, 2), (3,), verbose=0).to_dict()
        >>> found["total_params"], found["rows"][0]["output_shape"]
        (8, [1, 2])
        """
        names = ("total_params", "trainable_params", "non_trainable_params", "total_buffers", "total_mult_adds")
        sizes = ("total_input", "total_param_bytes", "total_output_bytes", "training_bytes")
        return {
            "model": self.model_name,
            "input_size": [list(size) for size in self.input_size],
            **{name: getattr(self, name) for name in (*names, *sizes)},
            "rows": [_row_dict(row) for row in self.shown],
        }


def _row_dict(row: Row) -> dict[str, Any]:
    plain = ("kind", "name", "path", "type", "depth", "call", "formula", "params", "trainable_params", "param_formula")
    costs = ("mult_adds", "mult_adds_formula", "output_bytes", "field_formula", "sees_all", "note", "left_out")
    return {
        **{name: getattr(row, name) for name in (*plain, *costs)},
        "input_shapes": [list(shape) for shape in row.input_shapes],
        "output_shapes": [list(shape) for shape in row.output_shapes],
        "output_shape": None if row.output_shape is None else list(row.output_shape),
        "parameters": [
            {
                **{name: getattr(p, name) for name in ("name", "count", "formula", "trainable", "shared")},
                "shape": list(p.shape),
            }
            for p in row.parameters
        ],
        "receptive_field": None if row.receptive_field is None else list(row.receptive_field),
        "jump": None if row.jump is None else [float(move) for move in row.jump],
    }
