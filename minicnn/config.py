"""What this installation consists of: versions, backends, threads, memory, and what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

from minicnn_kernels import memory, registry, threads

PACKAGES = ("numpy", "numba", "pillow", "safetensors", "matplotlib")
BACKENDS = ("reference", "numpy", "numba", "cupy")


def config_facts() -> dict[str, Any]:
    """What :func:`show_config` prints, as JSON can hold it; None is what is not there."""
    from . import __version__

    active = registry.active_backend()
    in_use, idle, most = memory.memory_stats()[:3]
    backends = {}
    for name in BACKENDS:
        missing = registry.missing(name)
        backends[name] = {"kernels": len(registry.operations(name)) if missing is None else 0, "missing": missing}
    return {
        "minicnn": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {package: _version(package) for package in PACKAGES},
        "threads": threads.get_num_threads(),
        "compiled_kernels": _compiled_kernels(),
        "memory": {"in_use": in_use, "idle": idle, "at_most": most},  # bytes
        "backend": active,
        "backends": backends,
        "computed_by_numpy_instead": sorted(set(registry.operations()) - set(registry.operations(active))),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _compiled_kernels() -> str | None:
    """Where compiled kernels are kept."""
    if registry.missing("numba") is not None:
        return None
    registry.operations("numba")  # loads them
    from minicnn_kernels.numba_cpu.cache import folders

    return os.path.commonpath(folders) if folders else None


def config_text() -> str:
    """The text that :func:`show_config` prints."""
    facts = config_facts()
    packages = ", ".join(f"{name} {version or 'not installed'}" for name, version in facts["packages"].items())
    lines = [
        f"minicnn {facts['minicnn']}, Python {facts['python']}, {facts['system']}",
        packages,
        f"threads: {facts['threads']}",
    ]
    if facts["backends"]["numba"]["missing"] is None:
        lines.append(f"compiled kernels: {facts['compiled_kernels'] or 'nowhere, compiled anew in every process'}")
    lines.append(
        "memory of large arrays: {:.0f} MiB in use, {:.0f} idle, {:.0f} at most".format(
            *(size / 2**20 for size in facts["memory"].values())
        )
    )
    lines.append("backends:")
    for name, found in facts["backends"].items():
        active = ", active" if name == facts["backend"] else ""
        missing = found["missing"]
        lines.append(
            f"  {name:<10} " + (f"not available: {missing}" if missing else f"{found['kernels']} kernels{active}")
        )
    left = ", ".join(facts["computed_by_numpy_instead"]) or "none"
    lines.append(f"computed by 'numpy' instead of {facts['backend']!r}: {left}")
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
