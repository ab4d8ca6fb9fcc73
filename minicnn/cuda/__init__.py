"""GPUs: none in this version. What programs ask before they use one works as in PyTorch without one."""

from __future__ import annotations

from typing import Any

from ..core.device import check_device
from ..core.left_out import left_out


def is_available() -> bool:
    """Whether tensors can be placed on a GPU: not in this version.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.device("cuda" if minicnn.cuda.is_available() else "cpu")
    device(type='cpu')
    """
    return False


def device_count() -> int:
    """Number of GPUs."""
    return 0


def is_initialized() -> bool:
    """Whether a GPU is in use."""
    return False


def manual_seed(seed: int) -> None:
    """Seed the GPU's random numbers: nothing to do without one."""


def manual_seed_all(seed: int) -> None:
    """Seed the random numbers of all GPUs: nothing to do without one."""


def empty_cache() -> None:
    """Give unused GPU memory back: nothing to do without one."""


def synchronize(device: Any = None) -> None:
    """Wait for the GPU: raises, there is none."""
    check_device("cuda" if device is None else device)


def current_device() -> int:
    """Index of the current GPU: raises, there is none."""
    check_device("cuda")
    return 0


def set_device(device: Any) -> None:
    """Choose a GPU: raises, there is none."""
    check_device(f"cuda:{device}" if isinstance(device, int) else device)


def get_device_name(device: Any = None) -> str:
    """Name of a GPU: raises, there is none."""
    check_device("cuda" if device is None else device)
    return "cpu"


def memory_allocated(device: Any = None) -> int:
    """Bytes of GPU memory in use: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes of GPU memory that were in use: 0."""
    return 0


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
