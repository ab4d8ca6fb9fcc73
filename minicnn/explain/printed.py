"""Numbers, grids of numbers and small tables, as text and as HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

NOTHING = "."  # stands where there is no number: padding, or no window


def number(value: Any) -> str:
    """Six digits at most: ``0.333333``, ``6600``, ``1.5e-09``.

    Examples
    --------
    >>> number(6600.0), number(1 / 3), number(-0.0)
    ('6600', '0.333333', '0')
    """
    return f"{float(value) + 0.0:.6g}"


def factor(value: Any) -> str:
    """A number inside a product: negative ones in brackets."""
    text = number(value)
    return f"({text})" if text.startswith("-") else text


def coefficient(value: Any) -> str:
    """A share as a fraction, where it is one: ``1/9``; negative ones in brackets.

    Examples
    --------
    >>> coefficient(1 / 9), coefficient(1.0), coefficient(0.3)
    ('1/9', '1', '0.3')
    """
    parts = 1 / value if value else 0.0
    return f"1/{round(parts)}" if parts > 1.5 and abs(parts - round(parts)) < 1e-9 * parts else factor(value)


def place(name: str, at: Sequence[int]) -> str:
    """``x[0, 2, 5, 7]``."""
    return f"{name}[{', '.join(map(str, at))}]"


def by(numbers: Sequence[Any]) -> str:
    """``3 x 32 x 32``."""
    return " x ".join(map(str, numbers))


# ------------------------------------------------------------------------ text


def cells_of(values: Any, real: Any, form: Callable[[Any], str] = number) -> list[list[str]]:
    """The numbers of a matrix (R, C) as texts; a dot where one is not real."""
    both = zip(values, real, strict=True)
    return [[form(v) if ok else NOTHING for v, ok in zip(*row, strict=True)] for row in both]


def text_grid(cells: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a matrix as lines of equal width."""
    width = max((len(cell) for row in cells for cell in row), default=0)
    return [" ".join(cell.rjust(width) for cell in row) for row in cells]


def side_by_side(blocks: Sequence[tuple[str, Sequence[str]]], between: Sequence[str]) -> list[str]:
    """Titled blocks of lines beside each other, with a sign between them on the middle line."""
    height = max(len(lines) for _, lines in blocks)
    middle = 1 + (height - 1) // 2
    rows = [""] * (height + 1)
    for (title, lines), sign in zip(blocks, [*between, ""], strict=True):
        block = [title, *lines, *[""] * (height - len(lines))]
        width = max(map(len, block))
        for i, line in enumerate(block):
            rows[i] += line.ljust(width) + (f" {sign if i == middle else ' ' * len(sign)} " if sign else "")
    return [row.rstrip() for row in rows]


def text_columns(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table: titles, a rule, and aligned cells; the first ``left`` columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        pairs = zip(cells, widths, strict=True)
        return "  ".join(c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(pairs)).rstrip()

    return "\n".join([line(titles), "-" * (sum(widths) + 2 * (len(widths) - 1)), *map(line, rows)])


# ------------------------------------------------------------------------ HTML


def html_lines(lines: Sequence[str]) -> str:
    """Lines as a paragraph."""
    return f"<p>{'<br/>'.join(map(escape, lines))}</p>" if lines else ""


def html_columns(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """The table of :func:`text_columns`."""
    edge = "padding: 1px 8px; white-space: nowrap; text-align: "

    def line(tag: str, cells: Sequence[str]) -> str:
        made = (
            f'<{tag} style="{edge}{"left" if i < left else "right"};">{escape(c)}</{tag}>' for i, c in enumerate(cells)
        )
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f'<table style="border-collapse: collapse; font-size: 90%;">{line("th", titles)}{body}</table>'


def html_grid(title: str, values: Any, cells: Sequence[Sequence[str]]) -> str:
    """A matrix as a table, blue where it is positive, red where it is negative, the deeper the larger."""
    sizes = np.abs(np.nan_to_num(values, posinf=0, neginf=0))
    depths = 0.7 * sizes / (float(np.max(sizes, initial=0)) or 1.0)
    body = []
    for row in zip(values, depths, cells, strict=True):
        made = (
            f'<td style="background: rgba({"70,130,180" if v > 0 else "205,92,92"},{depth:.2f}); padding: 1px 4px;">'
            f"{cell}</td>"
            for v, depth, cell in zip(*row, strict=True)
        )
        body.append(f"<tr>{''.join(made)}</tr>")
    return (
        '<div style="display: inline-block; margin: 4px; vertical-align: top;">'
        f'{escape(title)}<table style="border-collapse: collapse; font-size: 80%; text-align: right;">'
        f"{''.join(body)}</table></div>"
    )
