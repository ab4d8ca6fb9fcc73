"""An empty figure to draw into: matplotlib is loaded when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches that no window shows; a notebook draws it where it is returned."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("figures need matplotlib. Fix: pip install matplotlib") from None
    return Figure(figsize=(width, height), layout="constrained")
