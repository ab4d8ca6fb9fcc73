"""A stand-in for CuPy on machines without a GPU: NumPy computes, `minicnn_kernels.cuda.on_cpu` runs the kernels.

For tests of the code around kernels. It is held to the real CuPy, which imports without a driver: names that it lacks
are lacking here, and calls must fit its signatures. As on a GPU:

- NumPy arrays do not mix with device arrays, and nothing is converted to NumPy by itself (`array.py`);
- reductions give 0-d device arrays; ``float(x)``, ``.item()``, ``.get()`` wait for the device;
- ``empty`` holds rubbish, which is NaN here, and nothing may write outside of an array (`memory.py`);
- there are two devices, and arrays of both do not mix (`streams.py`);
- while a stream captures, nothing runs; what was captured runs when the graph is launched, on the same memory;
- kernels get bytes, and are told nothing of types (`kernels.py`); cuBLAS gets addresses (`cublas.py`).

`STATE.counts` counts launches, allocations, copies and waits; `memory_limit` lets memory run out.
"""

from __future__ import annotations

from .package import install, uninstall
from .state import STATE, NotModelled, StandInError, checked_kernels, counted, memory_limit

__all__ = [
    "STATE",
    "NotModelled",
    "StandInError",
    "checked_kernels",
    "counted",
    "install",
    "memory_limit",
    "uninstall",
]
