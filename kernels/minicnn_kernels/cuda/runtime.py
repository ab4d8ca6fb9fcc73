"""The GPU: whether there is one that computes, its compiler, its memory, and CuPy, which only this module imports.

``import cupy`` takes 0.3 s and works on a machine without a driver, and a missing library shows only when something is
compiled or multiplied. So the first question whether a GPU is there tries both, once.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from ..errors import BackendError, CaptureError, DeviceMemoryError
from . import source
from .blas import Cublas
from .catalog import Kernel


def cupy() -> ModuleType:
    """CuPy, imported at the first call."""
    return importlib.import_module("cupy")


def check_may_send() -> None:
    """Raise while the current stream's work is recorded into a graph: CuPy would record a copy from the CPU as well.

    Its replays would read the memory that the numbers lay in, where there are others by then.
    """
    if cupy().cuda.get_current_stream().is_capturing():
        raise CaptureError(
            "a CUDA graph cannot record a copy from the CPU: its replays would read what lies in that memory by then. "
            "Fix: make the tensor before the capture, or on the GPU (device='cuda')"
        )


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
        right = float((ones @ ones + _squared(ones) + copied).sum()) == 20
    except Exception as error:
        return (
            f"CuPy sees {count} GPU{'s' * (count > 1)} but cannot compute ({type(error).__name__}: {error}); if a "
            f"library is missing: pip install 'cupy-cuda{runtime.runtimeGetVersion() // 1000}x[ctk]'"
        )
    if not right:
        return "CuPy computed a wrong result on this GPU"
    if not hasattr(cp.cuda.get_allocator(), "explains"):  # what goes wrong from here on is said in full
        cp.cuda.set_allocator(explaining(cp.cuda.get_allocator()))
    return None


def _squared(x: Any) -> Any:
    """``x @ x`` by our cuBLAS, which may be another file than that of CuPy's products."""
    pool = cupy().get_default_memory_pool()
    product, library = cupy().empty_like(x), Cublas(cupy(), pool.malloc)
    library.gemm(x, x, product)
    library.close()
    pool.free_all_blocks()  # its workspace of 32 MiB is not needed before there are products
    return product


@cache
def capability(device: int) -> int:
    """The compute capability of a GPU, as 90 for 9.0."""
    return int(cupy().cuda.Device(device).compute_capability)


# --------------------------------------------------------------------------------------------------------- kernels


def compiled(kernel: Kernel) -> Any:
    """The kernel's function; compiled, for the GPU where it is started, when that happens first."""
    return _module(kernel.file, tuple(kernel.defines.items())).get_function(kernel.function)


@cache
def _module(file: str, defines: tuple[tuple[str, str], ...]) -> Any:
    options = ("-std=c++17", *(f"-D{name}={value}" for name, value in defines))
    return cupy().RawModule(code=source.read(file), options=options)


def not_compiled(kernel: Kernel, error: Exception) -> BackendError:
    """What to raise when NVIDIA's compiler refuses a kernel of the table."""
    defines = ", ".join(f"{name}={value}" for name, value in kernel.defines.items()) or "none"
    least, found = min(kernel.architectures), capability(cupy().cuda.runtime.getDevice())
    return BackendError(
        f"the CUDA kernel {kernel.function} of {kernel.file} (definitions: {defines}) does not compile for this GPU, "
        f"whose compute capability is {found / 10}; it is written for {least / 10} and newer. Fix: on an older "
        "GPU, use_backend('numpy') computes there without these kernels; else repair NVRTC: "
        f"pip install 'cupy-cuda13x[ctk]'. The compiler says:\n{error}"
    )


@cache
def blas() -> Cublas:
    """cuBLAS, loaded at the first call."""
    return Cublas(cupy(), explaining(cupy().get_default_memory_pool().malloc))


# ---------------------------------------------------------------------------------------------------------- memory


def explaining(malloc: Callable[[int], Any]) -> Callable[[int], Any]:
    """An allocator of CuPy that says more when memory is exhausted; for ``cupy.cuda.set_allocator``."""

    def allocate(size: int) -> Any:
        try:
            return malloc(size)
        except cupy().cuda.memory.OutOfMemoryError as error:
            raise out_of_memory(size) from error

    allocate.explains = True  # type: ignore[attr-defined]
    return allocate


def out_of_memory(size: int, graphs: Any = None) -> DeviceMemoryError:
    """What to raise when so many bytes cannot be had; ``graphs``: the pool of a CUDA graph that asked for them."""
    pool = cupy().get_default_memory_pool()
    free, total = cupy().cuda.runtime.memGetInfo()
    used, unused, limit = pool.used_bytes(), pool.free_bytes(), pool.get_limit()
    captured = "" if graphs is None else f" The CUDA graph that is captured has {_bytes(graphs.total_bytes())} so far."
    limited = f", of which this process may have {_bytes(limit)}" if limit else ""
    return DeviceMemoryError(
        f"the GPU is out of memory: {_bytes(size)} were asked for, and {_bytes(free)} are free of {_bytes(total)}"
        f"{limited}. The arrays of this process hold {_bytes(used)}; {_bytes(unused)} more are kept for new arrays, in "
        f"pieces that are too small.{captured} Fix: a smaller batch; evaluate under no_grad(), where nothing is kept "
        "for a backward pass; del results that are no longer needed (loss.item() keeps a number, a list of losses "
        "keeps their graphs)"
    )


def _bytes(size: int) -> str:
    """A size for people."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):.2f} {unit}"
    return f"{size} bytes"
