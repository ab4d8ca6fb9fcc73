"""``explain.im2col``: a convolution as one matrix product, with the patches that became columns marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels.geometry import Window2d
from minicnn_kernels.registry import call

from ..core.figure import new_figure
from ..nn import Module
from ..ops import conv, pooling, unfold
from .figures import draw_box, draw_grid, draw_plane
from .pixels import checked, main_step, run
from .printed import by, cells_of, html_grid, html_lines, text_columns, text_grid
from .trace import name_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (conv.Conv2d, pooling.MaxPool2d, pooling.AvgPool2d, unfold.Unfold)
NAMES = "conv2d, max_pool2d, avg_pool2d, unfold"
MARKS = "ABCDEF"
COLOURS = ("tab:orange", "tab:green", "tab:purple", "tab:cyan", "tab:pink", "tab:olive")
CLEAR = {"clip_on": False, "zorder": 5}  # a box at the edge of a matrix is seen as wide as one inside
ROWS, COLUMNS = 27, 10  # of a matrix that is printed
OVERLAPS = "col2im adds every column back to where it is from; so many numbers come together at each pixel:"


@dataclass(frozen=True, repr=False)
class Im2col:
    """What :func:`minicnn.explain.im2col` returns. ``str()`` is the text; a notebook shows HTML.

    Attributes
    ----------
    operation : str
    sample : int
    image : array (C, H, W)
        The sample that was taken from the input.
    window : Window2d
        How the window slides.
    columns : array (C*KH*KW, OH*OW)
        Column ``i*OW + j`` is the patch under the window at output (i, j); row ``(c*KH + a)*KW + b`` is tap (a, b) of
        channel c. The padding is 0, of max pooling -inf.
    weights : array (O, C*KH*KW) or None
        One filter per row, with zeros for the channels of other groups; None if the layer has no weights.
    bias : array (O,) or None
    product : array (O, OH*OW) or None
        ``weights @ columns + bias``: the output, position by position.
    overlaps : array (H, W)
        How many columns each pixel is in: col2im adds so many numbers there.
    marked : list of (int, int)
        The outputs (i, j) whose patches are marked.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.nn import functional as F
    >>> found = minicnn.explain.im2col(F.max_pool2d, minicnn.arange(9.0).reshape(1, 1, 3, 3), 2, 1)
    >>> found.columns[:, 3].tolist(), found.patch(1, 1)
    ([4.0, 5.0, 7.0, 8.0], ((1, 2), (1, 2)))
    >>> found.columns.max(0).tolist()  # max pooling: the largest of each column
    [4.0, 5.0, 7.0, 8.0]
    """

    operation: str
    sample: int
    image: Any
    window: Window2d
    columns: Any
    weights: Any
    bias: Any
    product: Any
    overlaps: Any
    marked: list[tuple[int, int]]

    def patch(self, i: int, j: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and last row, and first and last column, under the window at output (i, j); the padding is outside."""
        w = self.window
        ends = []
        for o, k, s, d, (before, _) in zip((i, j), w.kernel_size, w.stride, w.dilation, w.padding, strict=True):
            ends.append((o * s - before, o * s - before + (k - 1) * d))
        return ends[0], ends[1]

    def column(self, i: int, j: int) -> int:
        """The number of the column that is the patch of output (i, j)."""
        return i * self.window.output_size[1] + j

    @property
    def taps(self) -> list[tuple[int, int, int]]:
        """Channel, row and column of the window of each row of ``columns``."""
        return list(np.ndindex(len(self.image), *self.window.kernel_size))

    # ------------------------------------------------------------------------ text

    def text(self, full: bool = False) -> str:
        """The matrices as text; ``full``: all of their rows and columns."""
        sections = [self._head(), [f"columns {self.columns.shape}", *self._matrix(full)]]
        if self.weights is not None:
            sections.append([f"weights {self.weights.shape}", *_cut(self.weights, full)])
            sections.append([self._product_line(), *_cut(self.product, full)])
        sections += [[OVERLAPS, *_cut(self.overlaps, full)], [self._size_line()]]
        return "\n\n".join(map("\n".join, sections))

    def _head(self) -> list[str]:
        """What the window does, and the marked patches."""
        w = self.window
        setting = f"window {by(w.kernel_size)}, stride {by(w.stride)}, padding {_pads(w)}"
        setting += "" if w.dilation == (1, 1) else f", dilation {by(w.dilation)}"
        lines = [
            f"{self.operation} of sample {self.sample}, {by(self.image.shape)}: {setting}, output {by(w.output_size)}"
        ]
        for mark, (i, j) in zip(MARKS, self.marked, strict=False):
            rows, columns = (f"{first} to {last}" for first, last in self.patch(i, j))
            lines.append(
                f"{mark}: column {self.column(i, j)}, rows {rows} and columns {columns} of x, is for y[{i}, {j}]"
            )
        return lines

    def _matrix(self, full: bool) -> list[str]:
        """The columns, each under its mark and its output, each row beside its tap."""
        count, wide = self.columns.shape
        shown = list(range(wide)) if full or wide <= COLUMNS else sorted({*range(COLUMNS), *self._marked_columns()})
        height = count if full or count <= ROWS else ROWS
        marks = {self.column(*at): mark for mark, at in zip(MARKS, self.marked, strict=False)}
        across = self.window.output_size[1]
        titles = ["c a b", *(f"{marks.get(k, '')} {k // across},{k % across}".strip() for k in shown)]
        cells = cells_of(self.columns[:height][:, shown], np.ones((height, len(shown)), bool))
        rows = [[" ".join(map(str, tap)), *row] for tap, row in zip(self.taps, cells, strict=False)]
        return [text_columns(titles, rows), *_left_out(count - height, wide - len(shown))]

    def _marked_columns(self) -> list[int]:
        return [self.column(*at) for at in self.marked]

    def _product_line(self) -> str:
        return f"y = weights @ columns{'' if self.bias is None else ' + bias'} {self.product.shape}"

    def _size_line(self) -> str:
        held, given = self.columns.size, self.image.size
        return (
            f"memory: {held:,} numbers in the columns, {given:,} in the image: {held / max(given, 1):.2f} times as many"
        )

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Im2col of {self.operation}: columns {self.columns.shape}>"

    def _repr_html_(self) -> str:
        parts = [html_lines(self._head())]
        for title, array in (("columns", self.columns), ("weights", self.weights), ("y", self.product)):
            if array is not None:
                cut = array[:ROWS, :COLUMNS]
                note = "" if cut.shape == array.shape else ", its first rows and columns"
                parts.append(html_grid(f"{title} {array.shape}{note}", cut, cells_of(cut, np.ones(cut.shape, bool))))
        cut = self.overlaps[:ROWS, :COLUMNS]
        parts.append(html_grid("numbers that col2im adds at each pixel", cut, cells_of(cut, np.ones(cut.shape, bool))))
        return "".join([*parts, html_lines([self._size_line()])])

    # ---------------------------------------------------------------------- figure

    def figure(self, channel: int = 0) -> Figure:
        """The image with patches marked, the columns they became, the product, and the overlaps.

        Parameters
        ----------
        channel : int, default 0
            Which channel of the image is drawn.
        """
        fig = new_figure(12, 7 if self.weights is not None else 4)
        axes = fig.subplots(2 if self.weights is not None else 1, 3, squeeze=False)
        if self.weights is not None:  # below: the weights, and the product over the width of two
            for ax in axes[1, 1:]:
                ax.remove()
            axes[1, 1] = fig.add_subplot(axes[1, 0].get_gridspec()[1, 1:])
        draw_plane(axes[0, 0], self.image[channel], f"x[{self.sample}, {channel}]")
        for at, colour in zip(self.marked, COLOURS, strict=False):
            draw_box(axes[0, 0], *self.patch(*at), colour)
        axes[0, 0].set_xlim(*self._limits(1))
        axes[0, 0].set_ylim(*reversed(self._limits(0)))
        self._draw(axes[0, 1], f"columns {self.columns.shape}", self.columns)
        for at, colour in zip(self.marked, COLOURS, strict=False):
            k = self.column(*at)
            draw_box(axes[0, 1], (0, len(self.columns) - 1), (k, k), colour, **CLEAR)
        self._draw(axes[0, 2], "numbers that col2im adds", self.overlaps)
        if self.weights is not None:
            self._draw(axes[1, 0], f"weights {self.weights.shape}", self.weights)
            self._draw(axes[1, 1], self._product_line(), self.product)
            for at, colour in zip(self.marked, COLOURS, strict=False):
                draw_box(axes[1, 1], (0, len(self.product) - 1), (self.column(*at),) * 2, colour, **CLEAR)
        fig.suptitle(self._head()[0], fontsize="medium")
        return fig

    def _limits(self, axis: int) -> tuple[float, float]:
        """What is drawn along an axis: the image, and the padding that marked patches reach into."""
        ends = [self.patch(*at)[axis] for at in self.marked]
        size = self.window.input_size[axis]
        return min([0, *(low for low, _ in ends)]) - 0.75, max([size - 1, *(high for _, high in ends)]) + 0.75

    @staticmethod
    def _draw(ax: Any, title: str, values: Any) -> None:
        draw_grid(ax, title, values, cells_of(values, np.ones(values.shape, bool)))
        ax.set_aspect("auto" if values.shape[0] != values.shape[1] else "equal")


def im2col(
    operation: Module | Callable[..., Any],
    *inputs: Any,
    sample: int = 0,
    mark: Sequence[tuple[int, int]] | None = None,
    **options: Any,
) -> Im2col:
    """How a convolution becomes one matrix product: every patch that the window sees is a column.

    With the filters as rows, ``y = weights @ columns + bias`` computes all outputs at once. The way back, *col2im*,
    adds every column to where it is from; where windows overlap, several numbers come together at one pixel.

    Parameters
    ----------
    operation : Module or function
        Convolution, max or average pooling, or unfold: what slides a window.
    *inputs
        What it is called with.
    sample : int, default 0
        Which image of the batch.
    mark : sequence of (i, j), optional
        Outputs whose patches are marked, 6 at most. Default: the first, its right neighbour, and the last.
    **options
        Named arguments of the call.

    Returns
    -------
    Im2col
        ``columns``, ``weights``, ``product`` and ``overlaps`` as arrays; ``str()`` is the text, ``figure()`` a
        matplotlib Figure.

    Raises
    ------
    ValueError
        If not exactly one such operation ran, or a position is no output.

    References
    ----------
    Chellapilla, Puri & Simard, *High performance convolutional neural networks for document processing*, 2006,
    section 3.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.nn import functional as F
    >>> x = minicnn.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    >>> w = minicnn.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    >>> print(minicnn.explain.im2col(F.conv2d, x, w))
    conv2d of sample 0, 1 x 3 x 3: window 2 x 2, stride 1 x 1, padding 0, output 2 x 2
    A: column 0, rows 0 to 1 and columns 0 to 1 of x, is for y[0, 0]
    B: column 1, rows 0 to 1 and columns 1 to 2 of x, is for y[0, 1]
    C: column 3, rows 1 to 2 and columns 1 to 2 of x, is for y[1, 1]
    <BLANKLINE>
    columns (4, 4)
    c a b  A 0,0  B 0,1  1,0  C 1,1
    -------------------------------
    0 0 0      1      2    4      5
    0 0 1      2      3    5      6
    0 1 0      4      5    7      8
    0 1 1      5      6    8      9
    <BLANKLINE>
    weights (1, 4)
    1 0 0 1
    <BLANKLINE>
    y = weights @ columns (1, 4)
     6  8 12 14
    <BLANKLINE>
    col2im adds every column back to where it is from; so many numbers come together at each pixel:
    1 2 1
    2 4 2
    1 2 1
    <BLANKLINE>
    memory: 16 numbers in the columns, 9 in the image: 1.78 times as many
    """
    _, steps, _ = run("im2col", operation, inputs, options)
    step = steps[main_step("im2col", steps, KINDS, NAMES)]
    function: Any = step.function
    window = function.size_or_window if isinstance(function, pooling.AvgPool2d) else function.window
    x = step.inputs[0]._array  # type: ignore[union-attr]
    (sample,) = checked("im2col", sample, (len(x),), f"the batch of {name_of(step)}", "sample")
    image = x[sample : sample + 1]
    columns = call("im2col", image, window)
    if isinstance(function, pooling.MaxPool2d):  # its padding is never the largest
        columns = np.where(call("im2col", np.ones_like(image), window) == 0, -np.inf, columns)
    weights = bias = product = None
    if isinstance(function, conv.Conv2d):
        weights = dense(step.inputs[1]._array, function.groups)  # type: ignore[union-attr]
        bias = None if len(step.inputs) < 3 else step.inputs[2]._array  # type: ignore[union-attr]
        product = weights @ columns[0] + (0 if bias is None else bias[:, None])
    overlaps = call("col2im", np.ones_like(columns), window)[0, 0].astype(int)
    marked = positions(mark, window, name_of(step))
    return Im2col(name_of(step), sample, image[0], window, columns[0], weights, bias, product, overlaps, marked)


def dense(w: Any, groups: int) -> Any:
    """Filters (O, C/groups, KH, KW) as rows (O, C*KH*KW), with zeros for the channels of other groups."""
    out, inside = len(w) // groups, prod(w.shape[1:])
    rows = np.zeros((len(w), groups * inside), w.dtype)
    for g in range(groups):
        rows[g * out : (g + 1) * out, g * inside : (g + 1) * inside] = w[g * out : (g + 1) * out].reshape(out, inside)
    return rows


def positions(mark: Any, window: Window2d, name: str) -> list[tuple[int, int]]:
    """The outputs to mark, checked."""
    rows, columns = window.output_size
    if mark is None:
        return list(dict.fromkeys([(0, 0), (0, min(1, columns - 1)), (rows - 1, columns - 1)]))
    given = list(mark)
    if len(given) > len(MARKS):
        raise ValueError(f"im2col: at most {len(MARKS)} patches can be marked; got {len(given)}")
    found = [
        checked("im2col", at, window.output_size, f"the plane of outputs (i, j) of {name}", "mark") for at in given
    ]
    return [(i, j) for i, j in found]


def _pads(window: Window2d) -> str:
    """One number if all sides are the same."""
    sides = [n for pads in window.padding for n in pads]
    return str(sides[0]) if len(set(sides)) == 1 else f"{window.padding}"


def _cut(array: Any, full: bool) -> list[str]:
    """A matrix; its first rows and columns, if it is large."""
    height, width = array.shape if full else (ROWS, COLUMNS)
    shown = array[:height, :width]
    more = (a - b for a, b in zip(array.shape, shown.shape, strict=True))
    return [*text_grid(cells_of(shown, np.ones(shown.shape, bool))), *_left_out(*more)]


def _left_out(rows: int, columns: int) -> list[str]:
    more = [f"{n} more {what}" for n, what in ((rows, "rows"), (columns, "columns")) if n]
    return [f"... and {' and '.join(more)}"] if more else []
