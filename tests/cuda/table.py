"""All cases, gathered."""

from __future__ import annotations

from . import cases_channels, cases_elementwise, cases_planes, cases_windows  # noqa: F401 - they register their cases
from .case import MAKERS, Case, drawn

__all__ = ["MAKERS", "Case", "drawn"]
