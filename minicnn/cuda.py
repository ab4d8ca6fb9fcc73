"""NVIDIA's GPUs: whether there is one, which one computes, its memory, its random numbers.

Without a GPU :func:`is_available` is False and says nothing; what needs one raises and says what is missing:

>>> import minicnn as torch
>>> device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from minicnn_kernels.registry import missing

from .core import device as devices
from .core import random
from .core.device import check_device
from .core.left_out import left_out

__all__ = [
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "init",
    "initial_seed",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_summary",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state",
    "set_rng_state_all",
    "synchronize",
]


def _of(device: Any) -> devices.device:
    """The GPU that ``device`` names, by name or number; None: the current one."""
    found = check_device("cuda" if device is None else device)
    if found.index is None:
        raise ValueError(f"expected a GPU, such as 'cuda:0' or 0; got {device!r}")
    return found


# ------------------------------------------------------------------------------------------------- which there are


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
    return int(devices.cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


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
    found = devices.cupy().cuda.runtime.getDeviceProperties(_of(device).index)
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


# --------------------------------------------------------------------------------------------------- which computes


def current_device() -> int:
    """Number of the GPU that ``"cuda"`` means."""
    return int(_of(None).index or 0)


def set_device(device: Any) -> None:
    """Let ``"cuda"`` mean another GPU from now on, in this thread."""
    devices.cupy().cuda.Device(_of(device).index).use()


class device(devices.on):  # noqa: N801 - PyTorch's name
    """Let ``"cuda"`` mean another GPU in a ``with`` block: ``with minicnn.cuda.device(1):``.

    Parameters
    ----------
    device : device, str or int
        None: no change.
    """

    def __init__(self, device: Any) -> None:
        super().__init__(None if device is None else _of(device).index)


def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done all that it was told to do.

    Operations on a GPU return before they are done; who measures time calls this before looking at the clock.
    """
    with devices.on(_of(device).index):
        devices.cupy().cuda.Device().synchronize()


# ----------------------------------------------------------------------------------------------------------- memory


def _pool(device: Any, what: str) -> int:
    """A count of CuPy's pool of memory on a GPU; 0 without one, as in PyTorch."""
    if not is_available():
        return 0
    with devices.on(_of(device).index):
        return int(getattr(devices.cupy().get_default_memory_pool(), what)())


def memory_allocated(device: Any = None) -> int:
    """Bytes of GPU memory that hold arrays; 0 without a GPU."""
    return _pool(device, "used_bytes")


def memory_reserved(device: Any = None) -> int:
    """Bytes of GPU memory that this process has taken: in use, and kept for the next arrays; 0 without a GPU."""
    return _pool(device, "total_bytes")


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that held arrays at a time since :func:`reset_peak_memory_stats`; 0 without a GPU.

    To know it takes a little time in each allocation, so it is written down from the first call of
    :func:`reset_peak_memory_stats` on, in the thread that calls it. Without one this is :func:`memory_reserved`: what
    was taken from the GPU to hold the most there was.
    """
    if not is_available():
        return 0
    if not (known := _peaks().peak):
        return memory_reserved(device)
    return max(known.get(_of(device).index or 0, 0), memory_allocated(device))


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes of GPU memory that this process has taken since :func:`empty_cache`; 0 without a GPU."""
    return memory_reserved(device)  # what was taken is kept


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let :func:`max_memory_allocated` begin anew with what is in use now."""
    index = _of(device).index or 0
    _peaks().begin(index, memory_allocated(index))


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes of memory of a GPU that are free, for all processes, and bytes in all."""
    with devices.on(_of(device).index):
        free, total = devices.cupy().cuda.runtime.memGetInfo()
    return int(free), int(total)


def empty_cache() -> None:
    """Give the memory that is kept for the next arrays back to the GPU, for other processes."""
    if is_available():
        devices.cupy().get_default_memory_pool().free_all_blocks()
        devices.cupy().get_default_pinned_memory_pool().free_all_blocks()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """A table of the memory of a GPU, as text; ``abbreviated`` makes no difference."""
    free, total = mem_get_info(device)
    rows = {
        "in use": memory_allocated(device),
        "most in use": max_memory_allocated(device),
        "taken by this process": memory_reserved(device),
        "free on the GPU": free,
        "in all": total,
    }
    lines = [f"  {name:<22}{count / 2**20:>12,.1f} MiB" for name, count in rows.items()]
    return "\n".join([f"{_of(device)}: {get_device_name(device)}", *lines])


@cache
def _peaks() -> Any:
    """What writes down the most memory in use, by the number of the GPU. CuPy tells it of every allocation."""

    class Peaks(devices.cupy().cuda.MemoryHook):  # type: ignore[misc]
        name = "minicnn: the most memory in use"

        def __init__(self) -> None:
            self.used: dict[int, int] = {}
            self.peak: dict[int, int] = {}

        def begin(self, device_id: int, used: int) -> None:
            if not self.peak:
                self.__enter__()
            self.used[device_id] = self.peak[device_id] = used

        def malloc_postprocess(self, device_id: int, mem_size: int, **_: Any) -> None:
            used = self.used[device_id] = self.used.get(device_id, 0) + mem_size
            self.peak[device_id] = max(self.peak.get(device_id, 0), used)

        def free_postprocess(self, device_id: int, mem_size: int, **_: Any) -> None:
            self.used[device_id] = self.used.get(device_id, 0) - mem_size

    return Peaks()


# --------------------------------------------------------------------------------------------------- random numbers


def _generator(device: Any) -> random.Generator:
    return random.generator_of(_of(device))


def manual_seed(seed: int) -> None:
    """Seed the random numbers of the current GPU; without one nothing happens.

    (``minicnn.manual_seed`` seeds all devices.)
    """
    if is_available():
        _generator(None).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the random numbers of all GPUs; without one nothing happens."""
    random.seed_gpus(seed)


def seed() -> None:
    """Seed the random numbers of the current GPU with a number that the operating system draws."""
    if is_available():
        _generator(None).seed()


def seed_all() -> None:
    """Seed the random numbers of all GPUs with a number that the operating system draws."""
    random.seed_gpus(random.Generator().seed())


def initial_seed() -> int:
    """The seed that the current GPU's random numbers started from."""
    return _generator(None).initial_seed()


def get_rng_state(device: Any = "cuda") -> dict[str, Any]:
    """State of the random numbers of a GPU (a dictionary of numbers, where PyTorch returns a byte tensor)."""
    return _generator(device).get_state()


def get_rng_state_all() -> list[dict[str, Any]]:
    """The states of all GPUs."""
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state(new_state: dict[str, Any], device: Any = "cuda") -> None:
    """Continue a GPU's random numbers from a state that :func:`get_rng_state` returned."""
    _generator(device).set_state(new_state)


def set_rng_state_all(new_states: list[dict[str, Any]]) -> None:
    """Continue those of all GPUs from states that :func:`get_rng_state_all` returned."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
