"""All cases, gathered."""

from __future__ import annotations

from . import cases_windows  # noqa: F401 - registers its cases
from .case import MAKERS, Case, drawn

__all__ = ["MAKERS", "Case", "drawn"]
