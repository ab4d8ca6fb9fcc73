"""All cases, gathered."""

from __future__ import annotations

from . import (  # noqa: F401 - they register their cases
    cases_channels,
    cases_convolution,
    cases_elementwise,
    cases_lines,
    cases_optimizers,
    cases_planes,
    cases_windows,
)
from .case import MAKERS, Case, drawn, few_threads

__all__ = ["MAKERS", "Case", "drawn", "few_threads"]
