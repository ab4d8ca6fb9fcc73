"""RawModule, RawKernel, ElementwiseKernel and ReductionKernel: the executor of the project runs CUDA C on the CPU."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from minicnn_kernels.cuda.on_cpu import Program

from .array import ndarray
from .calls import blocks_of
from .memory import MemoryPointer
from .state import STATE, StandInError
from .streams import check_device, perform

C_TYPES = {
    "float32": "float", "float64": "double", "int8": "signed char", "uint8": "unsigned char", "int16": "short",
    "uint16": "unsigned short", "int32": "int", "uint32": "unsigned", "int64": "long long",
    "uint64": "unsigned long long", "bool": "bool",
}  # fmt: skip
IGNORED = (
    "-std=",
    "--std=",
    "--use_fast_math",
    "-use_fast_math",
    "--fmad",
    "-fmad",
    "-w",
    "-lineinfo",
    "--extra-device-vec",
)


@cache
def program(code: str, options: tuple[str, ...], checked: bool) -> Program:
    defines = {}
    for option in options:
        if option.startswith("-D"):
            name, _, value = option[2:].partition("=")
            defines[name] = value or "1"
        elif not option.startswith(IGNORED):
            raise StandInError(f"NVRTC's option {option!r} is not known to the stand-in")
    return Program(code, defines, checked)


class RawKernel:
    """``cupy.RawKernel``."""

    def __init__(
        self,
        code: str,
        name: str,
        options: Iterable[str] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        *,
        enable_cooperative_groups: bool = False,
        jitify: bool = False,
    ) -> None:
        if not isinstance(options, (tuple, list)):
            raise TypeError("options must be a tuple or a list of str")
        self.code, self.name, self.options = code, name, tuple(options)
        self.max_dynamic_shared_size_bytes, self.preferred_shared_memory_carveout = 48 << 10, -1

    def compile(self, log_stream: Any = None) -> None:
        program(self.code, self.options, STATE.checked)

    @property
    def attributes(self) -> dict[str, int]:
        return {"max_threads_per_block": 1024}

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: Any, *, shared_mem: int = 0, stream: Any = None
    ) -> None:
        if not isinstance(args, (tuple, list)):
            raise TypeError("args must be a tuple or a list")
        if not isinstance(grid, tuple) or not isinstance(block, tuple):
            raise TypeError(f"grid and block must be tuples; got {grid!r} and {block!r}")
        if max(grid[1:], default=1) > 65535:
            raise StandInError(f"{self.name}: a GPU has 65535 blocks along y and z at most; got the grid {grid}")
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise StandInError(
                f"{self.name}: {shared_mem} bytes of dynamic shared memory need "
                "kernel.max_dynamic_shared_size_bytes to be set"
            )
        compiled = program(self.code, self.options, STATE.checked)
        parameters = compiled.signature(self.name).parameters
        if len(args) != len(parameters):
            raise StandInError(f"{self.name} takes {len(parameters)} arguments, {len(args)} came: a GPU reads rubbish")
        values = [self._argument(p, value) for p, value in zip(parameters, args, strict=True)]
        listed = [value for p, value in zip(parameters, values, strict=True) if p.most and p.array]
        blocks = [*blocks_of(*args), *(_block(x) for arrays in listed for x in arrays)]
        checks = [one.guards(f"kernel {self.name}") for one in blocks]

        def work() -> None:
            compiled.launch(self.name, grid, block, values, shared_memory=shared_mem)
            for check in checks:
                check()

        perform(work, blocks, "kernel launches", stream)

    def _argument(self, p: Any, value: Any) -> Any:
        """A GPU gets the bytes of an argument, whatever the kernel declares; so the bytes must fit."""
        what = f"{self.name}: {p.name} ({p.ctype})"
        if isinstance(value, ndarray):
            check_device(value.data.device_id)
            if not p.array:
                raise StandInError(f"{what} is given an array")
            return value._a
        if p.most:
            return _listed(what, p, value)
        if p.array:
            if value is None or (isinstance(value, (int, np.integer)) and value == 0):
                if value is None:
                    raise TypeError(f"{what}: unsupported type <class 'NoneType'>; a null pointer is numpy.intp(0)")
                return None
            raise TypeError(f"{what}: Unsupported type {type(value)}; a device array is needed")
        passed = {bool: "?", int: "i8", float: "f8"}.get(type(value))  # what CuPy makes of Python's numbers
        given = np.asarray(value).dtype if passed is None else np.dtype(passed)
        if given.itemsize != p.dtype.itemsize or (given.kind == "f") != (p.dtype.kind == "f"):
            raise StandInError(
                f"{what} is given {value!r}, which CuPy passes as {given}. Fix: numpy.{p.dtype}({p.name})"
            )
        return p.dtype.type(value)


def _listed(what: str, p: Any, value: Any) -> list[Any]:
    """The arrays, or the numbers, of a structure that is passed by value: an array of NumPy with one element."""
    kind = np.dtype([("of", np.uint64 if p.array else p.dtype, p.most)])
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype != kind:
        raise StandInError(f"{what} needs an array of one {kind}; got {value!r}")
    entries = value["of"].reshape(-1).tolist()
    while entries and entries[-1] == 0:
        entries.pop()
    return [_at(what, address, p.dtype) for address in entries] if p.array else entries


def _at(what: str, address: int, dtype: np.dtype[Any]) -> np.ndarray:
    """What is in memory from an address on, to the end of its block."""
    block = MemoryPointer.block_at(address)
    if block is None:
        raise StandInError(f"{what} has an address that is no array's")
    return block.bytes[address - block.ptr : block.in_use].view(dtype)


def _block(x: np.ndarray) -> Any:
    return MemoryPointer.block_at(x.ctypes.data)


class RawModule:
    """``cupy.RawModule``."""

    def __init__(
        self,
        *,
        code: str | None = None,
        path: str | None = None,
        options: Iterable[str] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Any = None,
        jitify: bool = False,
    ) -> None:
        if code is None or path is not None:
            raise StandInError("the stand-in compiles code=, not a file of compiled code")
        if not isinstance(options, (tuple, list)):
            raise TypeError("options must be a tuple or a list of str")
        self.code, self.options = code, tuple(options)

    def compile(self, log_stream: Any = None) -> None:
        program(self.code, self.options, STATE.checked)

    def get_function(self, name: str) -> RawKernel:
        program(self.code, self.options, STATE.checked).signature(name)
        return RawKernel(self.code, name, self.options)


def _parameters(text: str) -> list[tuple[str, str, bool]]:
    """From ``"raw T x, int32 n"``: name, type, and whether it is raw."""
    return [(p[-1], p[-2], p[0] == "raw") for p in (q.split() for q in text.split(",") if q.strip())]


class ElementwiseKernel:
    """``cupy.ElementwiseKernel``: a loop over the elements is written around the operation."""

    def __init__(
        self,
        in_params: str,
        out_params: str,
        operation: str,
        name: str = "kernel",
        reduce_dims: bool = True,
        preamble: str = "",
        no_return: bool = False,
        return_tuple: bool = False,
        loop_prep: str = "",
        after_loop: str = "",
        options: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"Invalid kernel name: {name!r}")
        self.ins, self.outs, self.name, self.options = _parameters(in_params), _parameters(out_params), name, options
        self._operation, self._preamble, self._loop = operation, preamble, (loop_prep, after_loop)
        self._no_return, self._return_tuple = no_return, return_tuple
        self.nin, self.nout, self.nargs = len(self.ins), len(self.outs), len(self.ins) + len(self.outs)

    def _types(self, given: list[tuple[tuple[str, str, bool], Any]]) -> dict[str, str]:
        """What ``T`` stands for, by the arrays."""
        types: dict[str, str] = {}
        for (name, kind, _), x in given:
            if not isinstance(x, (ndarray, np.generic)):
                continue
            if kind in C_TYPES or kind in ("float16",):
                if isinstance(x, ndarray) and x.dtype.name != kind:
                    raise TypeError(f"Type is mismatched. {name} {x.dtype.name} {kind}")
            elif types.setdefault(kind, x.dtype.name) != x.dtype.name:
                raise TypeError(f"Type is mismatched. {name} {x.dtype.name} {types[kind]}")
        for (_, kind, _), x in given:
            if kind not in C_TYPES and kind not in types and x is not None:
                types[kind] = np.asarray(x).dtype.name
        return types

    def __call__(self, *args: Any, size: int | None = None, stream: Any = None, block_size: int = 128) -> Any:
        if len(args) not in (self.nin, self.nargs):
            raise TypeError(f"Wrong number of arguments for {self.name!r}")
        for x in args:
            if isinstance(x, np.ndarray):
                raise TypeError(f"Unsupported type {type(x)}")
            if isinstance(x, ndarray):
                check_device(x.data.device_id)
        ins, outs = list(args[: self.nin]), list(args[self.nin :])
        types = self._types(list(zip(self.ins + self.outs, ins + outs, strict=False)))
        plain = [
            x.shape for p, x in zip(self.ins + self.outs, args, strict=False) if isinstance(x, ndarray) and not p[2]
        ]
        shape = (size,) if size is not None else np.broadcast_shapes(*plain)
        if not outs:
            outs = [ndarray(shape, types.get(kind, kind)) for _, kind, _ in self.outs]
        for (name, _, raw), x in zip(self.outs, outs, strict=True):
            if not raw and x.shape != shape:
                raise ValueError(f"Out shape is mismatched: {name} has {x.shape}, and {shape} is needed")
        self._launch(ins, outs, types, shape, stream, block_size)
        if self._no_return:
            return None
        return outs[0] if len(outs) == 1 and not self._return_tuple else tuple(outs)

    def _code(self, types: dict[str, str]) -> str:
        declared, read = [], []
        for parameters, const in ((self.ins, "const "), (self.outs, "")):
            for name, kind, raw in parameters:
                element = C_TYPES[types.get(kind, kind)]
                declared.append(f"{const}{element}* {name if raw else '_p_' + name}")
                if not raw:
                    read.append(f"{const}{element}& {name} = _p_{name}[i];")
        using = "".join(f"typedef {C_TYPES[kind]} {name};\n" for name, kind in types.items())
        prepare, after = self._loop
        return (
            f'{using}{self._preamble}\nextern "C" __global__ void {self.name}({", ".join(declared)}, long long _n) {{\n'
            f"{prepare};\nfor (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < _n; "
            f"i += (long long)gridDim.x * blockDim.x) {{\n{' '.join(read)}\n{self._operation};\n}}\n{after};\n}}"
        )

    def _launch(self, ins: Any, outs: Any, types: Any, shape: tuple[int, ...], stream: Any, block_size: int) -> None:
        code, n = self._code(types), math.prod(shape)
        blocks = blocks_of(*ins, *outs)
        if not n:
            return
        compiled = program(code, self.options, STATE.checked)
        sources = [
            x._a if isinstance(x, ndarray) else np.asarray(x, types.get(kind, kind))
            for (_, kind, _), x in zip(self.ins, ins, strict=True)
        ]
        checks = [block.guards(f"kernel {self.name}") for block in blocks]
        targets, raws = [x._a for x in outs], [raw for _, _, raw in self.ins]

        def work() -> None:
            host = [
                x if raw else np.ascontiguousarray(np.broadcast_to(x, shape))
                for x, raw in zip(sources, raws, strict=True)
            ]
            made = [x if x.flags.c_contiguous else np.ascontiguousarray(x) for x in targets]
            compiled.launch(self.name, -(-n // block_size), block_size, (*host, *made, np.int64(n)))
            for target, result in zip(targets, made, strict=True):
                if result is not target:
                    target[...] = result
            for check in checks:
                check()

        perform(work, blocks, "kernel launches", stream)


class ReductionKernel:
    """``cupy.ReductionKernel``: one thread for each result adds up, in order."""

    def __init__(
        self,
        in_params: str,
        out_params: str,
        map_expr: str,
        reduce_expr: str,
        post_map_expr: str,
        identity: Any,
        name: str = "reduce_kernel",
        reduce_type: str | None = None,
        reduce_dims: bool = True,
        preamble: str = "",
        options: tuple[str, ...] = (),
    ) -> None:
        self.ins, self.outs, self.name = _parameters(in_params), _parameters(out_params), name
        kind = reduce_type or self.outs[0][1]
        loop = "for (long long _j = 0; _j < _m; ++_j)"
        reads = " ".join(f"const auto {n} = _in_{n}[i * _m + _j];" for n, _, _ in self.ins)
        self._kernel = ElementwiseKernel(
            ", ".join(f"raw {t} _in_{n}" for n, t, _ in self.ins) + ", int64 _m",
            out_params,
            f"{kind} _sum = {identity}; {loop} {{ {reads} {kind} a = _sum, b = ({map_expr}); _sum = ({reduce_expr}); }}"
            f" {kind} a = _sum; {post_map_expr}",
            name,
            preamble=preamble,
            options=options,
        )

    def __call__(
        self, *args: Any, axis: Any = None, keepdims: bool = False, out: Any = None, stream: Any = None
    ) -> Any:
        from .package import cupy

        ins = list(args[: len(self.ins)])
        shape = np.broadcast_shapes(*(x.shape for x in ins))
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = sorted(a % len(shape) for a in axes)
        kept = [a for a in range(len(shape)) if a not in gone]
        small, m = tuple(shape[a] for a in kept), math.prod(shape[a] for a in gone)
        flat = [
            cupy.ascontiguousarray(cupy.broadcast_to(x, shape).transpose(*kept, *gone).reshape((*small, m)))
            for x in ins
        ]
        kind = self.outs[0][1]
        types = self._kernel._types(list(zip(self._kernel.ins, [*flat, np.int64(m)], strict=True)))
        result = out if out is not None else ndarray(small, types.get(kind, kind))
        self._kernel(*flat, np.int64(m), result, stream=stream)
        return result.reshape(tuple(1 if a in gone else shape[a] for a in range(len(shape)))) if keepdims else result
