"""What figures are made of: matrices with their numbers, planes, and boxes around pixels.

A figure is made by :func:`minicnn.core.figure.new_figure`, and returned, never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANNOTATED = 12  # rows and columns of a matrix whose numbers are written into it, if they are
CHARACTERS = 56  # a row at most
SIGNED = "RdBu"  # red below 0, white at 0, blue above
MARK = "tab:orange"


def draw_grid(ax: Axes, title: str, values: Any, cells: Sequence[Sequence[str]]) -> None:
    """A matrix in colours around 0, with the texts of its numbers if it is small; what is not finite stays empty."""
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0))
    ax.imshow(np.ma.masked_invalid(values), cmap=SIGNED, vmin=-(largest or 1.0), vmax=largest or 1.0)
    ax.set_title(title, fontsize="small")
    ax.set_xticks([])
    ax.set_yticks([])
    widest = max((len(cell) for row in cells for cell in row), default=0)
    if max(values.shape) > ANNOTATED or widest * values.shape[1] > CHARACTERS:
        return
    for (i, j), v in np.ndenumerate(values):
        colour = "white" if np.isfinite(v) and abs(v) > 0.6 * largest else "black"
        ax.text(j, i, cells[i][j], ha="center", va="center", fontsize=7, color=colour)


def draw_plane(ax: Axes, plane: Any, title: str) -> None:
    """A plane in grey, pixel by pixel."""
    ax.imshow(plane, cmap="gray", interpolation="nearest")
    ax.set_title(title, fontsize="small")


def draw_box(ax: Axes, rows: tuple[int, int], columns: tuple[int, int], colour: Any = MARK, **style: Any) -> None:
    """A rectangle around the pixels from the first to the last row and column, with a white edge on any ground."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    corner = (columns[0] - 0.5, rows[0] - 0.5)
    size = (columns[1] - columns[0] + 1, rows[1] - rows[0] + 1)
    halo = [withStroke(linewidth=4, foreground="white")]
    ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=2, path_effects=halo, **style))
