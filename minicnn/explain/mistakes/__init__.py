"""Known mistakes in kernels, and how to recognise one by its numbers."""

from . import layers, steps, windows  # noqa: F401 - they fill the table
from .known import MISTAKES, Mistake, close, fits, planted, results, right, suspects
from .unknown import remarks

__all__ = ["MISTAKES", "Mistake", "close", "fits", "planted", "remarks", "results", "right", "suspects"]
