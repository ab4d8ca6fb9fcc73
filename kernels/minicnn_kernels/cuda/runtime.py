"""The GPU: whether there is one that computes, and CuPy, which only this module imports.

``import cupy`` takes 0.3 s and works on a machine without a driver, and a missing library shows only when something is
compiled or multiplied. So the first question whether a GPU is there tries both, once.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType


def cupy() -> ModuleType:
    """CuPy, imported at the first call."""
    return importlib.import_module("cupy")


_NO_DRIVER = "CuPy is installed, but this machine has no NVIDIA driver (nvidia-smi would show one)"


def _driver() -> bool:
    """Whether the driver's library is there: known at once, where importing CuPy takes 0.3 s."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


@cache
def why_unavailable() -> str | None:
    """What is missing to compute on a GPU, as one sentence with the remedy; None if one computes.

    Examples
    --------
    >>> from minicnn_kernels.cuda.runtime import why_unavailable
    >>> why_unavailable() is None or isinstance(why_unavailable(), str)
    True
    """
    if "cupy" not in sys.modules and importlib.util.find_spec("cupy") is not None and not _driver():
        return _NO_DRIVER
    try:
        cp = cupy()
    except ImportError as error:
        return (
            f"CuPy cannot be imported ({error}); install it for your driver: pip install 'minicnn[cuda13]' (CUDA 13, "
            "driver 580 or newer) or 'minicnn[cuda12]'"
        )
    except Exception as error:  # a broken installation must not break what runs on the CPU
        return f"CuPy fails to import ({type(error).__name__}: {error}); repair that package"
    runtime = cp.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        version = runtime.driverGetVersion()
        if version == 0:
            return _NO_DRIVER
        return (
            f"CuPy is installed, but the NVIDIA driver (CUDA {version // 1000}.{version % 1000 // 10}) is too old or "
            f"does not work for CuPy's CUDA {runtime.runtimeGetVersion() // 1000} ({error}); update the driver"
        )
    if count == 0:
        return "the NVIDIA driver sees no GPU (is CUDA_VISIBLE_DEVICES empty?)"
    try:  # NVRTC, cuBLAS and a context are needed, not a device alone
        ones = cp.ones((2, 2), "float32")
        copied = cp.ElementwiseKernel("T x", "T y", "y = x", "minicnn_probe")(ones)
        right = float((ones @ ones + copied).sum()) == 12
    except Exception as error:
        return (
            f"CuPy sees {count} GPU{'s' * (count > 1)} but cannot compute ({type(error).__name__}: {error}); if a "
            f"library is missing: pip install 'cupy-cuda{runtime.runtimeGetVersion() // 1000}x[ctk]'"
        )
    return None if right else "CuPy computed a wrong result on this GPU"
