"""Receptive fields on the page: how they grow from layer to layer, and what they cover of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...core.figure import new_figure
from ..figures import draw_box
from ..pictures.canvas import show_image, visible
from ..rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def growing(rows: list[Row]) -> list[Row]:
    """The layers and operations at which the field of the first image grows, as far as it is a part of the image."""
    found: list[Row] = []
    for i, row in enumerate(rows):
        outer = i + 1 < len(rows) and rows[i + 1].depth > row.depth and rows[i + 1].kind in ("layer", "operation")
        field = row.receptive_field
        before = (found[-1].receptive_field if found else None) or (1, 1)
        if field is not None and not outer and not row.sees_all and max(field) > max(before):
            found.append(row)
    return found


def largest_inside(rows: list[Row], size: Sequence[int]) -> str | None:
    """The layer with the largest field that is not larger than the image: the one to be measured."""
    fields = [(row.path, row.receptive_field) for row in growing(rows) if row.kind == "layer" and row.path]
    inside = [path for path, field in fields if field is not None and max(field) <= min(size)]
    return inside[-1] if inside else None


def field_figure(rows: list[Row], image: Any) -> Figure | None:
    """The fields of the middle position of some layers on the image, and their sizes; None if there are none."""
    found = growing(rows)
    if not found:
        return None
    from matplotlib import colormaps

    fig = new_figure(11, 4.4)
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.7))
    show_image(left, visible(image), "what the middle position of a layer sees")
    h, w = image.shape[1:]
    step = max(1, -(-len(found) // 7))
    some = found[::-1][::step][::-1]
    for i, row in enumerate(some):
        field_rows, field_columns = next(iter(row.fields.values()))
        (top, bottom), (first, last) = (f.at(f.count // 2) for f in (field_rows, field_columns))
        colour = colormaps["plasma"](0.1 + 0.8 * i / max(len(some) - 1, 1))
        label = f"{row.path or row.type}: {bottom - top + 1} × {last - first + 1}"
        draw_box(left, (top, bottom), (first, last), colour, label=label, clip_on=True)
    left.set_xlim(-0.5, w - 0.5)
    left.set_ylim(h - 0.5, -0.5)
    left.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False)
    sizes = [max(row.receptive_field or (0, 0)) for row in found]
    right.step(range(len(sizes)), sizes, where="mid", color="tab:blue")
    right.plot(range(len(sizes)), sizes, "o", color="tab:blue", markersize=4)
    right.axhline(max(h, w), color="tab:gray", linewidth=1, linestyle="--")
    right.text(0, max(h, w), " the image", va="bottom", fontsize=8, color="tab:gray")
    every = -(-len(found) // 30)
    names = [row.path or row.type for row in found][::every]
    right.set_xticks(range(0, len(found), every), names, rotation=90, fontsize=7)
    right.set_ylabel("receptive field in pixels")
    right.grid(True, axis="y", linewidth=0.4, alpha=0.6)
    right.spines[["top", "right"]].set_visible(False)
    return fig
