"""Apple's GPUs, which this version does not use."""

from __future__ import annotations


def is_available() -> bool:
    """Whether there is one that can be used: no."""
    return False


def is_built() -> bool:
    """Whether minicnn has kernels for them: no."""
    return False
