"""Switches that programs written for GPUs set. Without a GPU they have nothing to switch."""

from __future__ import annotations


class _Library:
    """A library for GPUs, which is not here; its switches may be set."""

    enabled = False
    benchmark = False
    deterministic = False
    allow_tf32 = False

    def is_available(self) -> bool:
        """Whether the library can be used: no."""
        return False

    is_built = is_available


cudnn = _Library()
cuda = _Library()
mps = _Library()
