"""The one error about files that cannot be read."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A file that is damaged, cut short, of another kind, or that asks for code to be run."""
