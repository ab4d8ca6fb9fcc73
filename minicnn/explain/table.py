"""Rows as a table: text with aligned columns, or HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from .rows import Row

if TYPE_CHECKING:
    from .result import Summary


class Column(NamedTuple):
    """Title, the text of a row's cell, what it means, and whether it is a number, which goes to the right."""

    title: str
    cell: Callable[[Row], str]
    meaning: str
    right: bool = False


def counted(n: int, unit: str = "") -> str:
    """A number with its magnitude: ``4.09 G``.

    Examples
    --------
    >>> counted(4089184256), counted(602112, "B"), counted(12)
    ('4.09 G', '602.11 kB', '12')
    """
    for power, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if n >= 10**power:
            return f"{n / 10**power:.2f} {letter}{unit}"
    return f"{n} {unit}".rstrip()


def shape_text(shapes: Sequence[tuple[int, ...]]) -> str:
    """``(1, 64, 55, 55)``; several in a row."""
    return ", ".join(map(str, shapes))


def _params(row: Row) -> str:
    if row.parameters and not row.params and all(p.shared for p in row.parameters):
        return "shared"
    own = sum(p.count for p in row.parameters if not p.shared)
    number = f"{row.params:,}" if row.params else ""
    formula = row.param_formula
    return f"{formula} = {number}" if own == row.params and formula not in ("", str(own)) else number


def pair(values: tuple[object, object]) -> str:
    """``3``, or ``3 x 5`` if rows and columns differ."""
    rows, columns = map(str, values)
    return rows if rows == columns else f"{rows} x {columns}"


def _field(row: Row) -> str:
    seen = [("all" if r.whole else r.size, "all" if c.whole else c.size) for r, c in row.fields.values()]
    return " | ".join(map(pair, seen))


def _jump(row: Row) -> str:
    moves = [("-" if r.dim is None else r.jump, "-" if c.dim is None else c.jump) for r, c in row.fields.values()]
    return " | ".join(map(pair, moves))


def label(row: Row) -> str:
    """What stands in the first column, without the indentation."""
    remarks = [f"call {row.call}"] if row.call > 1 else []
    remarks += [row.kind] if row.kind == "not called" else []
    remarks += [row.note] if row.note else []
    name = f"{row.name}: {row.type}" if row.name else row.type
    return f"{name} ({'; '.join(remarks)})" if remarks else name


COLUMNS = {
    "input_size": Column("Input", lambda row: shape_text(row.input_shapes), "Shapes of the inputs"),
    "output_size": Column("Output", lambda row: shape_text(row.output_shapes), "Shapes of the outputs"),
    "formula": Column(
        "Output size",
        lambda row: row.formula,
        "Where the size of the output comes from; of a window (input - kernel + 2*padding)/stride + 1, rounded down",
    ),
    "num_params": Column("Parameters", _params, "Numbers in the weights and biases; shared ones count once", True),
    "trainable": Column(
        "Trainable",
        lambda row: f"{row.trainable_params:,}" if row.params else "",
        "Numbers in the parameters that training changes",
        True,
    ),
    "mult_adds": Column(
        "Multiply-adds",
        lambda row: f"{row.mult_adds:,}" if row.mult_adds else "",
        "Products of two numbers that are added up, in convolutions and products of matrices, for the whole batch",
        True,
    ),
    "memory": Column(
        "Memory",
        lambda row: counted(row.output_bytes, "B") if row.output_bytes else "",
        "Bytes of the new results; views and operations in place take none. 1 MB = 10^6 bytes",
        True,
    ),
    "receptive_field": Column(
        "Field",
        _field,
        "Receptive field: how many rows and columns of the image one position of the output depends on; "
        "all: the whole image",
        True,
    ),
    "jump": Column(
        "Jump",
        _jump,
        "By how many pixels of the image the field moves from one position to the next: the product of the strides",
        True,
    ),
}
DEFAULT = ("output_size", "formula", "num_params", "mult_adds", "memory", "receptive_field", "jump")


def chosen(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the columns, checked."""
    found = DEFAULT if names is None else (names,) if isinstance(names, str) else tuple(names)
    wrong = [name for name in found if name not in COLUMNS]
    if wrong:
        raise ValueError(f"summary: unknown column {wrong[0]!r}; known are {', '.join(COLUMNS)}")
    return found


def details(row: Row) -> list[str]:
    """The lines under a row that show its parameters one by one, and the formulas of its numbers."""
    lines = []
    for p in row.parameters:
        remarks = "".join([", shared" if p.shared else "", "" if p.trainable else ", frozen"])
        formula = f"{p.formula} = {p.count:,}" if p.formula != str(p.count) else f"{p.count}"
        lines.append(f"{p.name} {p.shape}: {formula}{remarks}")
    if row.mult_adds_formula:
        lines.append(f"multiply-adds: {row.mult_adds_formula} = {row.mult_adds:,}")
    if row.field_formula:
        lines.append(f"receptive field: {row.field_formula}")
    return lines


def text_table(rows: Sequence[Row], names: Sequence[str], full: bool = False) -> str:
    """Rows as lines of aligned columns; ``full``: with the lines of :func:`details`."""
    columns = [COLUMNS[name] for name in names]
    cells = [["  " * row.depth + label(row), *(column.cell(row) for column in columns)] for row in rows]
    titles = ["Layer", *(column.title for column in columns)]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    right = [False, *(column.right for column in columns)]

    def line(values: Sequence[str]) -> str:
        aligned = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True))
        return "  ".join(aligned).rstrip()

    rule = "-" * (sum(widths) + 2 * len(columns))
    lines = [line(titles), rule]
    for row, values in zip(rows, cells, strict=True):
        lines.append(line(values))
        lines += ["  " * row.depth + "    " + detail for detail in details(row)] if full else []
    return "\n".join([*lines, rule])


def html_table(summary: Summary) -> str:
    """The table and the totals as HTML that needs nothing else; meanings and :func:`details` show under the mouse."""
    columns = [COLUMNS[name] for name in summary.col_names]
    edge = "padding: 1px 8px; white-space: nowrap;"

    def cell(tag: str, text: str, right: bool, more: str = "", hint: Sequence[str] = ()) -> str:
        side = "right" if right else "left"
        title = "&#10;".join(map(escape, hint))  # lines that show under the mouse
        return f'<{tag} title="{title}" style="{edge} text-align: {side};{more}">{escape(text)}</{tag}>'

    head = cell("th", "Layer", False) + "".join(cell("th", c.title, c.right, hint=[c.meaning]) for c in columns)
    body = []
    for row in summary.shown:
        indent = f" padding-left: {8 + 16 * row.depth}px;"
        first = cell("td", label(row), False, indent, details(row))
        body.append(f"<tr>{first}{''.join(cell('td', c.cell(row), c.right) for c in columns)}</tr>")
    totals = "<br/>".join(escape(line) for line in summary.totals())
    return (
        '<table style="border-collapse: collapse; font-size: 90%;">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table><p>{totals}</p>"
    )
