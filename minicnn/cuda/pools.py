"""Memory of CUDA graphs, apart from that of all other arrays."""

from __future__ import annotations

from weakref import WeakSet

from ..core import device as devices
from .devices import gpu

of_graphs: WeakSet[Pool] = WeakSet()  # those that there are


class Pool:
    """Memory for graphs: what a graph writes to must not be given to others, also where no tensor has it any more."""

    def __init__(self) -> None:
        self._cupy = devices.cupy().cuda.MemoryPool()
        of_graphs.add(self)


def graph_pool_handle() -> Pool:
    """Memory that several graphs may share, if they are replayed in the order in which they were captured."""
    gpu(None)
    return Pool()
