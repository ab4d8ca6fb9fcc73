"""What this installation consists of: versions, backends, threads, memory, and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform

import numpy as np
from minicnn_kernels import memory, registry, threads


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _compiled() -> list[str]:
    """Whose threads the compiled kernels use, and where they are kept once they are compiled."""
    if registry.missing("numba") is not None:
        return []
    registry.operations("numba")  # loads them
    import numba
    from minicnn_kernels.numba_cpu.cache import folders

    try:
        layer: str = numba.threading_layer()
    except ValueError:
        layer = "chosen when the first kernel runs"
    kept = os.path.commonpath(folders) if folders else "nowhere, compiled anew in every process"
    return [f"threading layer: {layer}", f"compiled kernels: {kept}"]


def config_text() -> str:
    """The text that :func:`show_config` prints."""
    from . import __version__

    active = registry.active_backend()
    lines = [
        f"minicnn {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        f"numpy {np.__version__}, numba {_version('numba')}, pillow {_version('pillow')}, "
        f"safetensors {_version('safetensors')}, matplotlib {_version('matplotlib')}",
        f"threads: {threads.get_num_threads()}",
        *_compiled(),
        "memory of large arrays: {:.0f} MiB in use, {:.0f} idle, {:.0f} at most".format(
            *(size / 2**20 for size in memory.memory_stats()[:3])
        ),
        "backends:",
    ]
    for name in ("reference", "numpy", "numba", "cupy"):
        reason = registry.missing(name)
        if reason is not None:
            state = f"not available: {reason}"
        else:
            state = f"{len(registry.operations(name))} kernels" + (", active" if name == active else "")
        lines.append(f"  {name:<10} {state}")
    own, all_operations = set(registry.operations(active)), set(registry.operations())
    left = sorted(all_operations - own)
    lines.append(f"computed by 'numpy' instead of {active!r}: {', '.join(left) if left else 'none'}")
    return "\n".join(lines)


def show_config() -> None:
    """Print versions, backends with their number of kernels, threads, memory, and what is missing and why.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.show_config()  # doctest: +ELLIPSIS
    minicnn ..., Python ...
    numpy ...
    threads: ...
    threading layer: ...
    compiled kernels: ...
    memory of large arrays: ... MiB in use, ... idle, ... at most
    backends:
      reference  ... kernels...
      numpy      ... kernels...
      numba      ...
      cupy       not available: ...
    computed by 'numpy' instead of ...
    """
    print(config_text())
