"""Mutants that compute the same as the original, and why: (file, line, line with the change) -> reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str, str], str] = {}
