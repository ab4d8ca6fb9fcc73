"""What the figures were measured on, and what that machine can do at most."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from minicnn_kernels.numba_cpu.peak import Peak, measure_peak
from minicnn_kernels.numba_cpu.vector.target import host

import minicnn

__all__ = ["Peak", "describe", "measure_peak", "processor", "versions"]


def processor() -> str:
    """Name, width of the vector registers and number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
        number = f"family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"
        name = f"{fields.get('model name', name)} ({number})"
    return f"{name}, vectors of {8 * host().vector_bytes} bits, {os.cpu_count()} cores"


def versions() -> str:
    """Of everything that is compared."""
    names = ("numpy", "numba", "torch", "onnxruntime", "openvino")
    return ", ".join((f"minicnn {minicnn.__version__}", *(f"{name} {_version(name)}" for name in names)))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def describe(threads: int, peak: Peak) -> dict[str, Any]:
    """Everything about the machine that the figures depend on."""
    return {
        "processor": processor(),
        "threads on every side": threads,
        "peak, measured": f"{peak.flops / 1e9:.0f} GFLOP/s in float32 (multiply-adds in registers), "
        f"{peak.read / 1e9:.0f} GB/s reading, {peak.triad / 1e9:.0f} GB/s in a = b + 1.5 c",
        "python": platform.python_version(),
        "versions": versions(),
    }
