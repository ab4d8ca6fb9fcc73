"""NVIDIA's GPUs, which this version does not use."""

from __future__ import annotations


def is_built() -> bool:
    """Whether minicnn has kernels for them: no."""
    return False
