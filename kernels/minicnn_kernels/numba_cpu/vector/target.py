"""The vector registers of the machine.

A vector register holds several numbers side by side, and one instruction computes with all of them. How many there
are and how wide they are decides the shape of a register tile (``tile.py``)::

    =========  ===========  =========  ==========================
    set        bytes wide   registers  found in
    =========  ===========  =========  ==========================
    AVX-512    64           32         server and newer desktop x86
    AVX2       32           16         x86 since about 2013
    NEON       16           32         64-bit ARM
    baseline   16           16         any other
    =========  ===========  =========  ==========================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from llvmlite import binding
from numba import config


@dataclass(frozen=True, slots=True)
class Target:
    """A processor as LLVM knows it, and its vector registers."""

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int

    def lanes(self, itemsize: int) -> int:
        """How many numbers of ``itemsize`` bytes one register holds."""
        return self.vector_bytes // itemsize


def _registers(triple: str, features: str) -> tuple[int, int]:
    """Width in bytes and number of the vector registers."""
    enabled = set(features.split(","))
    if "+avx512f" in enabled:
        return 64, 32
    if {"+avx2", "+fma"} <= enabled:
        return 32, 16
    if triple.startswith(("aarch64", "arm64")):
        return 16, 32
    return 16, 16


@cache
def host() -> Target:
    """Return the processor that Numba compiles for: this one, or what ``NUMBA_CPU_NAME`` and ``_FEATURES`` say."""
    triple = binding.get_process_triple()
    asked: Any = config  # its names are made when it is imported: unknown to a type checker
    cpu = asked.CPU_NAME or binding.get_host_cpu_name()
    features = asked.CPU_FEATURES
    if features is None:
        features = "" if asked.CPU_NAME else binding.get_host_cpu_features().flatten()
    return Target(triple, cpu, features, *_registers(triple, features))
