"""One element of a result or of a gradient, and every product that adds up to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.figure import new_figure
from .figures import draw_box, draw_grid, draw_plane
from .printed import (
    cells_of,
    coefficient,
    factor,
    html_grid,
    html_lines,
    number,
    place,
    side_by_side,
    text_grid,
)
from .terms import Terms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLANES = 4  # that are shown unless everything is asked for
LINES = 24
SUMMANDS = 12  # of a sum that is written out
WIDTH = 118  # of a line of three grids
RESULTS = {"output": "y", "grad_input": "grad_x", "grad_weight": "grad_weight", "grad_bias": "grad_bias"}


@dataclass(frozen=True, repr=False)
class Pixel:
    """What :func:`minicnn.explain.pixel` returns. ``str()`` is the text; a notebook shows HTML.

    Attributes
    ----------
    operation : str
        ``conv2d``, ``max_pool2d`` ...
    of : {"output", "grad_input", "grad_weight", "grad_bias"}
    at : tuple of int
        Which element, as the operation numbers them.
    shape : tuple of int
        Of what it is an element of.
    terms : Terms
        Names, formula and notes, and what the arrays below are from.
    value : float
        What the kernel gave.
    computed_by : str
        The kernel.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.nn import functional as F
    >>> x = minicnn.arange(9.0).reshape(1, 1, 3, 3)
    >>> found = minicnn.explain.pixel(F.conv2d, x, minicnn.ones(1, 1, 2, 2), at=(0, 0, 1, 1))
    >>> found.products[0].tolist(), found.total
    ([[4.0, 5.0], [7.0, 8.0]], 24.0)
    >>> found.first_at[0, 1, 1].tolist()  # the last product is with x[0, 0, 2, 2]
    [0, 0, 2, 2]
    """

    operation: str
    of: str
    at: tuple[int, ...]
    shape: tuple[int, ...]
    terms: Terms
    value: float
    computed_by: str

    @property
    def first(self) -> Any:
        """The first factors (P, R, C): planes (channels, or samples), rows, columns."""
        return self.terms.first

    @property
    def second(self) -> Any:
        """The second factors (P, R, C): weights, or the coefficients of a pooling."""
        return self.terms.second

    @property
    def first_at(self) -> Any:
        """Where each first factor is from (P, R, C, dimensions)."""
        return self.terms.first_at

    @property
    def second_at(self) -> Any:
        """Where each second factor is from; no dimensions, if it is in no array."""
        return self.terms.second_at

    @property
    def real(self) -> Any:
        """Where there is a product (P, R, C): not in the padding."""
        return self.terms.real

    @property
    def products(self) -> Any:
        """What is added up (P, R, C); 0 where there is none."""
        return self.terms.products

    @property
    def bias(self) -> float:
        """What is added at the end; 0 if nothing is."""
        return self.terms.bias or 0.0

    @property
    def total(self) -> float:
        """The sum of the products and the bias, in float64."""
        return float(self.products.sum()) + self.bias

    # ----------------------------------------------------------------------- text

    @property
    def name(self) -> str:
        """``y[0, 0, 2, 3]``."""
        return place(RESULTS[self.of], self.at)

    def lines(self, full: bool = True) -> list[str]:
        """Every product on a line of its own, with where its factors are from."""
        t = self.terms
        every = np.argwhere(t.real)
        shown = every if full or len(every) <= LINES else every[: LINES - 1]
        texts = []
        for p in map(tuple, shown.tolist()):
            first = place(t.names[0], t.first_at[p].tolist())
            second = f" * {place(t.names[1], t.second_at[p].tolist())}" if t.names[1] else ""
            texts.append((first + second, f"{self._product(p, ' * ')} = {number(t.products[p])}"))
        width = max((len(where) for where, _ in texts), default=0)
        found = [f"{where.ljust(width)} : {numbers}" for where, numbers in texts]
        if len(every) > len(shown):
            rest = t.products[t.real][len(shown) :]
            found.append(f"... and {len(rest):,} more, which add up to {number(rest.sum())}")
        return found or ["no product: nothing reaches this element"]

    def _product(self, p: tuple[int, ...], sign: str = "*") -> str:
        """``50*30``."""
        second = self.terms.second[p]
        return f"{factor(self.terms.first[p])}{sign}{factor(second) if self.terms.names[1] else coefficient(second)}"

    def grids(self, full: bool = True) -> list[str]:
        """Both factors and the products as grids, plane by plane."""
        t, texts = self.terms, []
        count = len(t.first) if full or len(t.first) <= PLANES else PLANES - 1
        for p in range(count):
            blocks = [(title, text_grid(cells)) for title, _, cells in self._three(p)]
            lines = side_by_side(blocks, ("*", "="))
            if max(map(len, lines)) > WIDTH:
                lines = [line for title, grid in blocks for line in (title, *grid)]
            texts += [*lines, ""]
        return [*texts[:-1], *[line for left in self._left_out(count) for line in ("", left)]]

    def _left_out(self, count: int) -> list[str]:
        """What the planes after the first ``count`` add."""
        more, rest = len(self.first) - count, self.products[count:].sum()
        return [f"... and {more} more planes, whose products add up to {number(rest)}"] if more > 0 else []

    def _three(self, p: int) -> list[tuple[str, Any, list[list[str]]]]:
        """Title, numbers and texts of each grid of a plane."""
        t = self.terms
        first, real, second = t.first[p], t.real[p], t.second[p]
        in_array = bool(t.names[1])
        everywhere = real | (t.names[1] == "weight")  # weights are there in the padding too
        title = region(t.names[1], t.second_at[p], everywhere) if in_array else "coefficient"
        form = number if in_array else coefficient
        return [
            (region(t.names[0], t.first_at[p], real), np.where(real, first, np.nan), cells_of(first, real)),
            (title, np.where(everywhere, second, np.nan), cells_of(second, everywhere, form)),
            ("product", np.where(real, t.products[p], np.nan), cells_of(t.products[p], real)),
        ]

    def sum_line(self) -> str:
        """``50*30 + 20*30 = 2100``, without products that are 0."""
        t = self.terms
        used = np.argwhere(t.products != 0)
        count, total = int(t.real.sum()), number(t.products.sum())
        zeros = f" ({count - len(used)} products are 0)" if count > len(used) else ""
        written = " + ".join(self._product(tuple(p)) for p in used) if len(used) <= SUMMANDS else ""
        if written and len(written) <= WIDTH:
            return f"sum = {written} = {total}{zeros}"
        return f"sum of {count:,} products = {total}"

    def text(self, full: bool = False) -> str:
        """Formula, products and sum; ``full``: every plane and every line."""
        title = f"{self.operation}: {self.name}, one element of {self.of} {self.shape}"
        products = self.grids(full) if self._as_grids() else self.lines(full)
        return "\n".join([title, self.terms.formula, *self.terms.notes, "", *products, "", *self._end()])

    def _as_grids(self) -> bool:
        """A window is a grid; what comes from many places is a list."""
        return self.of == "output" and self.terms.first[0].size > 1 and self.first.shape[1] > 1

    def _end(self) -> list[str]:
        lines = [self.sum_line()]
        if self.terms.bias is not None:
            lines.append(f"+ bias {factor(self.terms.bias)} = {number(self.total)}")
        return [*lines, f"{self.name} = {number(self.total)}; {self.computed_by} gave {number(self.value)}"]

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Pixel {self.name} of {self.operation}: {int(self.real.sum())} products, {number(self.total)}>"

    def _repr_html_(self) -> str:
        t = self.terms
        parts = [html_lines([f"{self.operation}: {self.name}, one element of {self.of} {self.shape}"])]
        parts.append(html_lines([t.formula, *t.notes]))
        if self._as_grids():
            for p in range(min(len(t.first), PLANES)):
                parts.append(f"<div>{''.join(html_grid(*grid) for grid in self._three(p))}</div>")
            parts.append(html_lines(self._left_out(PLANES)))
        else:
            parts.append(html_lines(self.lines(full=False)))
        return "".join([*parts, html_lines(self._end())])

    # --------------------------------------------------------------------- figure

    def figure(self, planes: int = 3) -> Figure:
        """The plane the first factors are from with the place marked, both factors, and the products.

        Parameters
        ----------
        planes : int, default 3
            How many planes (rows of the figure) at most.
        """
        t = self.terms
        count = min(len(t.first), planes)
        fig = new_figure(10, 2.6 * count + 0.8)
        axes = fig.subplots(count, 4, squeeze=False)
        for p in range(count):
            self._draw_whole(axes[p, 0], p)
            for ax, grid in zip(axes[p, 1:], self._three(p), strict=True):
                draw_grid(ax, *grid)
        more = "" if count == len(t.first) else f" ({len(t.first) - count} more planes)"
        fig.suptitle(f"{self.operation}: {self.name} = {number(self.total)}{more}")
        return fig

    def _draw_whole(self, ax: Any, p: int) -> None:
        t = self.terms
        if t.whole is None:
            ax.set_axis_off()
            return
        n, c = t.first_at[p, 0, 0, :2].tolist()
        draw_plane(ax, t.whole[n, c], f"{t.names[0]}[{n}, {c}]")
        if t.real[p].any():
            at = t.first_at[p][t.real[p]]
            rows, columns = ((int(at[:, d].min()), int(at[:, d].max())) for d in (2, 3))
            draw_box(ax, rows, columns)


def region(name: str, at: Any, real: Any) -> str:
    """``x[0, 0, 2:5, 1:4]``: what a grid of places (R, C, dimensions) is a part of; the padding may be outside."""
    found = at.reshape(-1, at.shape[-1])[np.ravel(real)]
    if not len(found):
        return f"{name}, outside"
    parts = []
    for low, high, d in zip(found.min(0).tolist(), found.max(0).tolist(), range(found.shape[1]), strict=True):
        steps = np.diff(np.unique(found[:, d])).tolist()
        step = f":{steps[0]}" if steps and steps[0] > 1 and len(set(steps)) == 1 else ""
        parts.append(f"{low}" if low == high else f"{low}:{high + 1}{step}")
    return f"{name}[{', '.join(parts)}]"
