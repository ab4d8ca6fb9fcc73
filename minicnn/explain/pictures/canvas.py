"""Figures, images and tables: what all pictures are drawn with."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def html_image(figure: Figure, dpi: int = 110) -> str:
    """A figure as an ``<img>`` that carries its own pixels."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return f'<img style="max-width: 100%;" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"/>'


class Picture:
    """A result with numbers, a text and a figure; a notebook shows text and figure."""

    def figure(self) -> Figure:
        """The picture, drawn with matplotlib and returned, never shown."""
        raise TypeError(f"{type(self).__name__} must define figure(self)")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {str(self).splitlines()[0].rstrip('.:')}>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>{html_image(self.figure())}"


def visible(image: Any) -> Any:
    """An image (C, H, W) of any range as (H, W, 3), or (H, W) if it has not three channels, from 0 to 1.

    The smallest value becomes black, the largest white, so that normalised photos look like photos.
    """
    low, high = float(image.min(initial=np.inf)), float(image.max(initial=-np.inf))
    shown = (image - low) / (high - low if high > low else 1.0)
    return shown.transpose(1, 2, 0) if len(image) == 3 else shown.mean(0)


def signed(values: Any) -> Any:
    """Values around 0 as an image (C, H, W) -> (H, W, 3) or (H, W): 0 is grey, the largest size black or white."""
    shown = 0.5 + values / (2 * (float(np.abs(values).max(initial=0)) or 1.0))
    return shown.transpose(1, 2, 0) if len(values) == 3 else shown.mean(0)


def show_image(ax: Axes, image: Any, title: str = "", **style: Any) -> None:
    """Draw (H, W, 3) or (H, W) without ticks and frame; grey from 0 to 1 unless ``style`` says otherwise."""
    ax.set_axis_on()
    if image.ndim == 2:
        style = {"cmap": "gray", "vmin": 0.0, "vmax": 1.0, **style}
    ax.imshow(image, **style)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if title:
        ax.set_title(title, fontsize=9)


def blank_axes(figure: Any, rows: int, columns: int) -> Any:
    """Axes (rows, columns), all switched off until :func:`show_image` draws on them."""
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    return axes
