"""Accelerators, by PyTorch's newer name for them: the GPU, where there is one.

>>> import minicnn as torch
>>> device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
"""

from __future__ import annotations

from . import cuda
from .core.device import device


def is_available() -> bool:
    """Whether there is an accelerator: a GPU that computes."""
    return cuda.is_available()


def device_count() -> int:
    """Number of accelerators."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of accelerator there is, ``device("cuda")``; None without one."""
    return device("cuda") if cuda.is_available() else None
