"""The modules ``cupy`` and ``cupyx``, put together: names that the real ones lack are lacking here."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from . import array, functions, hooks, host, indexing, kernels, memory, spec, streams, ufuncs
from .state import STATE, NotModelled

OURS: dict[str, Any] = {
    name: getattr(host, name)
    for name in [
        "arange",
        "array",
        "asanyarray",
        "asarray",
        "ascontiguousarray",
        "asnumpy",
        "empty",
        "empty_like",
        "eye",
        "frombuffer",
        "full",
        "full_like",
        "get_array_module",
        "identity",
        "linspace",
        "ones",
        "ones_like",
        "tri",
        "zeros",
        "zeros_like",
    ]
}
OURS |= {name: getattr(kernels, name) for name in ("ElementwiseKernel", "RawKernel", "RawModule", "ReductionKernel")}
OURS |= {
    "ndarray": array.ndarray,
    "ufunc": ufuncs.ufunc,
    "get_default_memory_pool": memory.get_default_memory_pool,
    "get_default_pinned_memory_pool": lambda: memory.PinnedMemoryPool(),
    "is_available": lambda: STATE.devices > 0,
}
CONSTANTS = (bool, int, float, str, type(None), np.dtype)


class Package(types.ModuleType):
    """A package whose names are the real one's; each is made when it is first asked for."""

    def __init__(self, name: str, path: str, numpys: Any, ours: dict[str, Any]) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self._path, self._numpys = path, numpys
        for key, value in ours.items():
            setattr(self, key, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        path = f"{self._path}{name}"
        real = spec.lookup(path)
        numpys = getattr(self._numpys, name, None)
        if isinstance(real, types.ModuleType):
            if numpys is None or name in ("random", "fft", "testing"):
                raise NotModelled(f"{self.__name__}.{name} is not modelled by the stand-in (tests/standin)")
            found: Any = Package(f"{self.__name__}.{name}", f"{path}.", numpys, {})
        elif isinstance(real, type):
            if real is not numpys and real.__module__.startswith("cupy"):
                raise NotModelled(f"{self.__name__}.{name} is not modelled by the stand-in (tests/standin)")
            found = real
        elif isinstance(real, CONSTANTS):
            found = real
        elif numpys is None:
            raise NotModelled(f"{self.__name__}.{name} is not modelled by the stand-in (tests/standin)")
        elif type(real).__name__ == "ufunc":
            found = ufuncs.ufunc(real, numpys)
        else:
            found = functions.function(path, real, numpys)
        setattr(self, name, found)
        return found


def _runtime() -> types.ModuleType:
    """``cupy.cuda.runtime``."""
    module = types.ModuleType("cupy.cuda.runtime")
    real = spec.real().cuda.runtime

    def device_count() -> int:
        if STATE.devices == 0:
            raise spec.cuda_error(100)  # cudaErrorNoDevice
        return STATE.devices

    def properties(device: int) -> dict[str, Any]:
        major, minor = map(int, streams_device(device).compute_capability)
        return {
            "name": b"Stand-in for a GPU", "major": major, "minor": minor, "multiProcessorCount": 4, "warpSize": 32,
            "totalGlobalMem": STATE.memory, "maxThreadsPerBlock": 1024, "sharedMemPerBlockOptin": 227 << 10,
        }  # fmt: skip

    def streams_device(device: int) -> streams.Device:
        if not 0 <= int(device) < STATE.devices:
            raise spec.cuda_error(spec.INVALID_DEVICE)
        return streams.Device(device)

    module.__dict__.update(
        {name: value for name, value in vars(real).items() if isinstance(value, int) and not name.startswith("_")},
        CUDARuntimeError=real.CUDARuntimeError,
        getDeviceCount=device_count,
        getDevice=streams.current_device,
        setDevice=lambda device: streams_device(device).use(),
        getDeviceProperties=properties,
        deviceSynchronize=lambda: streams.Device().synchronize(),
        deviceCanAccessPeer=lambda device, peer: 0,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
        memGetInfo=lambda: memory.free_and_total(streams.current_device()),
        streamSynchronize=lambda stream: streams.current_stream().synchronize(),
        streamIsCapturing=lambda stream: streams.current_stream().is_capturing(),
    )
    return module


def _cuda() -> types.ModuleType:
    """``cupy.cuda``."""
    module = types.ModuleType("cupy.cuda")
    module.__path__ = []  # type: ignore[attr-defined]
    exported = {
        streams: "Device Event ExternalStream Graph Stream get_elapsed_time",
        memory: "Memory MemoryPointer MemoryPool PinnedMemoryPointer PinnedMemoryPool UnownedMemory alloc "
        "alloc_pinned_memory get_allocator set_allocator using_allocator",
    }
    for source, names in exported.items():
        for name in names.split():
            setattr(module, name, getattr(source, name))
    module.MemoryHook = hooks.MemoryHook  # type: ignore[attr-defined]
    parts = {
        "device": {"Device": streams.Device, "get_compute_capability": lambda: streams.Device().compute_capability},
        "graph": {"Graph": streams.Graph},
        "memory": {"OutOfMemoryError": spec.real().cuda.memory.OutOfMemoryError, "MemoryPool": memory.MemoryPool},
        "stream": {"Event": streams.Event, "Stream": streams.Stream, "get_current_stream": streams.current_stream},
    }
    for name, contents in parts.items():
        part = types.ModuleType(f"cupy.cuda.{name}")
        part.__dict__.update(contents)
        setattr(module, name, part)
    module.__dict__.update(
        runtime=_runtime(),
        get_current_stream=lambda device_id=-1: streams.current_stream(None if device_id < 0 else device_id),
        get_device_id=streams.current_device,
        is_available=lambda: STATE.devices > 0,
    )
    return module


cupy = Package("cupy", "", np, {})
cupyx = types.ModuleType("cupyx")


def build() -> dict[str, types.ModuleType]:
    """The modules by name, as sys.modules wants them."""
    here = str(Path(__file__).with_name("__init__.py"))
    cupy.__dict__.update(OURS, __file__=here, __version__=spec.real().__version__ + "+stand-in", cuda=_cuda())
    cupyx.__dict__.update(
        scatter_add=indexing.scatter_add,
        empty_pinned=host.empty_pinned,
        zeros_pinned=host.zeros_pinned,
        empty_like_pinned=host.empty_like_pinned,
        zeros_like_pinned=host.zeros_like_pinned,
        rsqrt=lambda x: 1 / cupy.sqrt(x),
        __path__=[],
    )
    modules = {"cupy": cupy, "cupyx": cupyx, "cupy.cuda": cupy.cuda}
    for name, part in vars(cupy.cuda).items():
        if isinstance(part, types.ModuleType):
            modules[f"cupy.cuda.{name}"] = part
    return modules


def install() -> None:
    """Put the stand-in where ``import cupy`` finds it, with nothing in its memory."""
    spec.take_out()
    STATE.reset()
    streams.reset()
    memory.reset()
    hooks.reset()
    sys.modules.update(build())


def uninstall() -> None:
    """What was there before is there again."""
    spec.put_back()
    memory.reset()
