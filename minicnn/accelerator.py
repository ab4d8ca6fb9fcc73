"""Accelerators, by PyTorch's newer name for them: none in this version.

>>> import minicnn as torch
>>> torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
'cpu'
"""

from __future__ import annotations

from .core.device import device


def is_available() -> bool:
    """Whether there is an accelerator: no."""
    return False


def device_count() -> int:
    """Number of accelerators: 0."""
    return 0


def current_accelerator(check_available: bool = False) -> device | None:
    """The accelerator in use, or, unless ``check_available``, one that could be: None."""
    return None
