"""Which GPUs there are, and which one computes."""

from __future__ import annotations

from typing import Any, NamedTuple

from minicnn_kernels.registry import missing

from ..core import device as devices
from ..core.device import check_device


def gpu(device: Any) -> devices.device:
    """The GPU that ``device`` names, by name or number; None: the current one."""
    found = check_device("cuda" if device is None else device)
    if found.index is None:
        raise ValueError(f"expected a GPU, such as 'cuda:0' or 0; got {device!r}")
    return found


def is_available() -> bool:
    """Whether there is a GPU that computes: tried once, with a kernel and a product of matrices.

    Examples
    --------
    >>> import minicnn
    >>> device = minicnn.device("cuda" if minicnn.cuda.is_available() else "cpu")
    """
    return missing("cupy") is None


def device_count() -> int:
    """Number of GPUs that can be used."""
    return devices.gpu_count()


def is_initialized() -> bool:
    """Whether there has been a tensor on a GPU."""
    return devices.in_use


def init() -> None:
    """Make sure that a GPU can be used: raises and says what is missing if not. (Nobody has to call it.)"""
    check_device("cuda")


class DeviceProperties(NamedTuple):
    """What :func:`get_device_properties` returns."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int


def get_device_properties(device: Any = None) -> DeviceProperties:
    """Name, compute capability, bytes of memory and number of multiprocessors of a GPU."""
    found = devices.cupy().cuda.runtime.getDeviceProperties(gpu(device).index)
    name = found["name"]
    return DeviceProperties(
        name.decode() if isinstance(name, bytes) else str(name),
        int(found["major"]),
        int(found["minor"]),
        int(found["totalGlobalMem"]),
        int(found["multiProcessorCount"]),
    )


def get_device_name(device: Any = None) -> str:
    """Name of a GPU."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Compute capability of a GPU, (9, 0) for example."""
    found = get_device_properties(device)
    return found.major, found.minor


def current_device() -> int:
    """Number of the GPU that ``"cuda"`` means."""
    return int(gpu(None).index or 0)


def set_device(device: Any) -> None:
    """Let ``"cuda"`` mean another GPU from now on, in this thread."""
    devices.cupy().cuda.Device(gpu(device).index).use()


class device(devices.on):  # noqa: N801 - PyTorch's name
    """Let ``"cuda"`` mean another GPU in a ``with`` block: ``with minicnn.cuda.device(1):``.

    Parameters
    ----------
    device : device, str or int
        None: no change.
    """

    def __init__(self, device: Any) -> None:
        super().__init__(None if device is None else gpu(device).index)


def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done all that it was told to do.

    Operations on a GPU return before they are done; who measures time calls this before looking at the clock.
    """
    with devices.on(gpu(device).index):
        devices.cupy().cuda.Device().synchronize()
