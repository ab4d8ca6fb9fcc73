"""Memory of CUDA graphs, apart from that of all other arrays."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet, finalize

from minicnn_kernels.cuda import runtime

from ..core import device as devices
from .devices import gpu

of_graphs: WeakSet[Blocks] = WeakSet()  # all that there are
OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation


class Pool:
    """Memory for graphs: what a graph writes to must not be given to others, also where no tensor has it any more.

    It lasts as long as a graph has it. Then what no tensor uses goes back to the GPU.
    """

    def __init__(self) -> None:
        gpu(None)
        self.blocks = Blocks()
        finalize(self, self.blocks.free).atexit = False


class Blocks:
    """CuPy's pool of the memory of graphs, which must outlive its last array: CuPy's own arrays do not see to that."""

    def __init__(self) -> None:
        cuda = devices.cupy().cuda
        self._device = cuda.Device()
        self.pool = cuda.MemoryPool(from_the_gpu)
        of_graphs.add(self)

    def malloc(self, size: int) -> Any:
        """An allocator of CuPy: memory that keeps its pool."""
        cuda = devices.cupy().cuda
        try:
            found = self.pool.malloc(size)
        except MemoryError as error:
            raise runtime.out_of_memory(size, self.pool) from error
        kept = cuda.UnownedMemory(found.ptr, size, (self, found), found.device_id)
        return cuda.MemoryPointer(kept, 0)

    def free(self) -> None:
        """No graph needs the memory any more."""
        with self._device:
            self.pool.free_all_blocks()


class GraphMemoryError(MemoryError):
    """The GPU has no memory left for a graph."""


def from_the_gpu(size: int) -> Any:
    """Memory for a pool of graphs.

    When the GPU has none left, a pool of CuPy gives back what it keeps and tries again. But a graph that is being
    captured will write to what is kept. It does so for CUDA's error alone, so here is another one.
    """
    cuda = devices.cupy().cuda
    try:
        return cuda.MemoryPointer(cuda.Memory(size), 0)
    except cuda.runtime.CUDARuntimeError as error:
        if error.status != OUT_OF_MEMORY:
            raise
        raise GraphMemoryError(f"{size} bytes") from error


def graph_pool_handle() -> Pool:
    """Memory that several graphs may share, if they are replayed in the order in which they were captured."""
    return Pool()
