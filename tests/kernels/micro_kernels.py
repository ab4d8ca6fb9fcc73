"""Micro-kernels as Python functions: LLVM makes any width of vectors run on any machine."""

from __future__ import annotations

import ctypes
import itertools
from functools import cache

import numpy as np
from llvmlite import binding
from minicnn_kernels.numba_cpu.vector import compiled, target

WIDTHS = [(16, 4), (8, 4), (4, 4), (8, 8), (4, 8), (2, 8)]  # lanes and bytes of a number
ENGINES = []
NUMBERS = itertools.count()


def load(emit, *parameters):
    """Compile LLVM text and return it as a Python function of integers."""
    name = f"kernel_{next(NUMBERS)}"
    machine = compiled._machine(target.host())
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    code = compiled.object_code(emit(name, *parameters), target.host())
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    ENGINES.append(engine)

    def function(*arguments):
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(arguments))
        kind(engine.get_function_address(name))(*arguments)

    return function


load_once = cache(load)


def table(*numbers):
    return np.array(numbers, np.int64)


def kind_of(itemsize):
    return np.float32 if itemsize == 4 else np.float64


def close(itemsize):
    return {"rtol": 1e-5, "atol": 1e-5} if itemsize == 4 else {"rtol": 1e-12, "atol": 1e-12}
