"""The memory of a GPU: CuPy keeps a pool of it, and hands out what arrays have given back."""

from __future__ import annotations

from functools import cache
from typing import Any

from minicnn_kernels.cuda import runtime

from ..core import device as devices
from .devices import get_device_name, gpu, is_available
from .pools import of_graphs


def _pool(device: Any, what: str) -> int:
    """A count of the pools of memory on a GPU, CuPy's and those of graphs; 0 without one, as in PyTorch."""
    if not is_available():
        return 0
    with devices.on(gpu(device).index):
        pools = [devices.cupy().get_default_memory_pool(), *(blocks.pool for blocks in of_graphs)]
        return sum(int(getattr(pool, what)()) for pool in pools)


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
    if not (known := peaks().peak):
        return memory_reserved(device)
    return max(known.get(gpu(device).index or 0, 0), memory_allocated(device))


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes of GPU memory that this process has taken since :func:`empty_cache`; 0 without a GPU."""
    return memory_reserved(device)  # what was taken is kept


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let :func:`max_memory_allocated` begin anew with what is in use now."""
    index = gpu(device).index or 0
    peaks().begin(index, memory_allocated(index))


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes of memory of a GPU that are free, for all processes, and bytes in all."""
    with devices.on(gpu(device).index):
        free, total = devices.cupy().cuda.runtime.memGetInfo()
    return int(free), int(total)


def empty_cache() -> None:
    """Give the memory that is kept for the next arrays back to the GPU, for other processes."""
    if is_available():
        runtime.blas().release()
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
    return "\n".join([f"{gpu(device)}: {get_device_name(device)}", *lines])


@cache
def peaks() -> Any:
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
