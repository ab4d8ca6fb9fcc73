"""What all answers to "which pixels decide?" share: images, classes, and a map of the image for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...core.figure import new_figure
from ..printed import text_columns
from .canvas import Picture, blank_axes, show_image, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 8  # images in a figure


@dataclass(frozen=True, repr=False)
class Attribution(Picture):
    """For each image, a map (H, W) of how much its pixels count for a class.

    Attributes
    ----------
    images : array (N, C, H, W)
    targets : list of int
        The class of each image.
    scores : array (N,)
        The model's output for that class; for occlusion its probability.
    map : array (N, H, W)
    classes : sequence of str or None
        Names of all classes.
    """

    images: Any
    targets: list[int]
    scores: Any
    map: Any
    classes: Sequence[str] | None

    title: ClassVar[str] = "Attribution"
    overlaid: ClassVar[bool] = False  # drawn as colours over the image, not beside it alone

    def inside(self, rows: tuple[int, int], columns: tuple[int, int], index: int = 0) -> float:
        """Share of a map's sum that lies in a rectangle: rows and columns from the first up to, not with, the last.

        Source: the energy-based pointing game of Wang et al., *Score-CAM*, 2020, section 4.3.
        """
        plane = np.maximum(self.map[index], 0)
        total = float(plane.sum())
        return float(plane[slice(*rows), slice(*columns)].sum()) / total if total else 0.0

    def peak(self, index: int = 0) -> tuple[int, int]:
        """Row and column of a map's largest value."""
        row, column = np.unravel_index(int(self.map[index].argmax()), self.map[index].shape)
        return int(row), int(column)

    def class_name(self, index: int) -> str:
        """``285 Egyptian cat``, or the number alone."""
        number = self.targets[index]
        return f"{number} {self.classes[number]}" if self.classes is not None else f"class {number}"

    def heading(self) -> str:
        """The first line of the text."""
        n, c, h, w = self.images.shape
        return f"{self.title} of {n} image{'' if n == 1 else 's'} ({c}, {h}, {w})"

    def __str__(self) -> str:
        cells = []
        for i, score in enumerate(self.scores):
            where = [str(self.peak(i)), f"{self.centre_share(i):.0%}"] if self.map[i].max() > 0 else ["nowhere", ""]
            cells.append([str(i), self.class_name(i), f"{float(score):.4g}", *where])
        return f"{self.heading()}\n{text_columns(['Image', 'Class', 'Score', 'Peak', 'In the middle'], cells, left=2)}"

    def centre_share(self, index: int = 0) -> float:
        """Share of a map in the middle quarter of the image; 25 % if it is spread evenly."""
        h, w = self.map.shape[1:]
        return self.inside((h // 4, h - h // 4), (w // 4, w - w // 4), index)

    def figure(self) -> Figure:
        """Each image, and its map beside it; heat maps also over it."""
        count = min(len(self.images), SHOWN)
        columns = 3 if self.overlaid else 2
        fig = new_figure(2.9 * columns, 3.1 * count + 0.4)
        axes = blank_axes(fig, count, columns)
        for i in range(count):
            image = visible(self.images[i])
            show_image(axes[i, 0], image, f"{self.class_name(i)}\nscore {float(self.scores[i]):.3g}")
            self.draw_map(axes[i, 1], i)
            if self.overlaid:
                show_image(axes[i, 2], image, "over the image")
                heat = np.maximum(self.map[i], 0) / (float(self.map[i].max()) or 1.0)
                axes[i, 2].imshow(heat, cmap="turbo", vmin=0, vmax=1, alpha=np.clip(0.15 + 0.6 * heat, 0, 1))
        fig.suptitle(self.title, fontsize=11)
        return fig

    def draw_map(self, ax: Axes, index: int) -> None:
        """One map, black where nothing counts; a few peaks are cut, which would leave all else black."""
        top = float(np.percentile(self.map[index], 99.5)) or float(self.map[index].max()) or 1.0
        show_image(ax, self.map[index], "map", cmap="inferno", vmin=0, vmax=top)
