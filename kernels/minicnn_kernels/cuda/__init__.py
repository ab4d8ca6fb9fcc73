"""CUDA kernels: `.cu` files, the table of them, and two ways to use them without a GPU.

``kernels/`` holds the sources; `catalog` says how each is started; `signature` reads what each takes and refuses what
does not fit. `on_cpu` runs any of them, or a source of one's own, on NumPy arrays.
"""

from __future__ import annotations

from . import catalog, on_cpu

__all__ = ["catalog", "on_cpu"]
