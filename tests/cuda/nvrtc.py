"""CUDA kernels through NVIDIA's compiler, which needs no GPU: does it take them, and what do they cost?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from minicnn_kernels.cuda.catalog import Kernel

OPTIONS = ("-std=c++17", "--ptxas-options=-v")


@dataclass(frozen=True)
class Resources:
    """What ptxas says of one kernel: registers of a thread, bytes of shared memory, of the stack and of spills."""

    registers: int
    shared: int
    stack: int
    spills: int


def compiled(module: Any, kernel: Kernel, architecture: int) -> Resources:
    """Compile a kernel for one architecture; raises RuntimeError with the compiler's log."""
    log = _log(module, kernel.text, kernel.file, tuple(kernel.defines.items()), architecture)
    return resources(log, kernel.function)


@cache
def _log(module: Any, text: str, file: str, defines: tuple[tuple[str, str], ...], architecture: int) -> str:
    """What ptxas says of a source, whose kernels are compiled together."""
    options = (*OPTIONS, f"-arch=sm_{architecture}", *(f"-D{name}={value}" for name, value in defines))
    program = module.createProgram(text, file, (), ())
    try:
        module.compileProgram(program, options)
        return str(module.getProgramLog(program))
    except module.NVRTCError as error:
        log = module.getProgramLog(program)
        raise RuntimeError(f"{file} {dict(defines)} for sm_{architecture}: {error}\n{log}") from None
    finally:
        module.destroyProgram(program)


def resources(log: str, function: str) -> Resources:
    """Read what ``ptxas -v`` says of a kernel."""
    match = re.search(
        rf"entry function '{function}'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
        r".*?Used (\d+) registers([^\n]*)",
        log,
        re.S,
    )
    if match is None:
        raise RuntimeError(f"the compiler's log does not tell of {function}:\n{log}")
    shared = re.search(r"(\d+) bytes smem", match[5])
    return Resources(int(match[4]), int(shared[1]) if shared else 0, int(match[1]), int(match[2]) + int(match[3]))
