"""Many small pictures in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.08  # between tiles, in parts of a tile


def tiled(tiles: Any, columns: int) -> tuple[Any, list[tuple[int, int]]]:
    """Tiles (N, h, w) or (N, h, w, 3) row after row in one array, NaN between them; and each tile's corner.

    Examples
    --------
    >>> picture, corners = tiled(np.ones((3, 2, 2)), columns=2)
    >>> picture.shape, corners
    ((5, 5), [(0, 0), (0, 3), (3, 0)])
    """
    n, h, w = tiles.shape[:3]
    gap = max(1, round(GAP * max(h, w)))
    rows = -(-n // columns)
    picture = np.full((rows * (h + gap) - gap, min(columns, n) * (w + gap) - gap, *tiles.shape[3:]), np.nan)
    corners = [(i // columns * (h + gap), i % columns * (w + gap)) for i in range(n)]
    for tile, (row, column) in zip(tiles, corners, strict=True):
        picture[row : row + h, column : column + w] = tile
    return picture, corners


def show_tiles(ax: Axes, tiles: Any, columns: int, title: str, labels: Any = (), **style: Any) -> None:
    """Draw tiles on one axis: colours (N, h, w, 3) from 0 to 1, or others as ``style`` says; labels in corners."""
    picture, corners = tiled(tiles, columns)
    if picture.ndim == 3:
        picture = np.dstack([np.nan_to_num(picture, nan=1.0), np.isfinite(picture[..., 0])])  # see-through gaps
    show_image(ax, picture, title, interpolation="nearest", **style)
    for label, (row, column) in zip(labels, corners, strict=False):
        ax.text(
            column, row, f" {label}", fontsize=6, va="top", ha="left", color="white",
            bbox={"facecolor": "black", "alpha": 0.45, "pad": 0.6, "edgecolor": "none"},
        )  # fmt: skip


def each_to_one(planes: Any) -> Any:
    """Planes (N, h, w), each from its own smallest value, 0, to its largest, 1."""
    low = planes.min(axis=(1, 2), keepdims=True)
    span = planes.max(axis=(1, 2), keepdims=True) - low
    return (planes - low) / np.where(span > 0, span, 1)
