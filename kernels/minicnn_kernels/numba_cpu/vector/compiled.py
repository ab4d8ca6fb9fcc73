"""From LLVM's language to machine code in memory, by way of a file.

Compiling a micro-kernel takes about 50 ms, loading one about 1 ms. The object code is kept beside the code that Numba
keeps (``../cache.py`` tells where), under a name made of all that it depends on: the processor, LLVM's version, the
micro-kernel's parameters and the source text of this package.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from llvmlite import binding

from ..cache import KernelCache
from .target import Target, host

_engines: list[Any] = []  # own the memory that the addresses point into
_lock = Lock()


def _after_fork() -> None:
    """In a forked process: another thread of the parent may have been compiling, and will never come to its end."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@cache
def _initialise() -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


@cache
def _sources() -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


@cache
def directory() -> Path | None:
    """Where object code is kept: in Numba's cache directory for this package; None if there is no such place."""
    try:
        return Path(KernelCache(directory.__wrapped__)._cache_path)
    except RuntimeError:  # no directory can be written
        return None


def _machine(target: Target) -> Any:
    _initialise()
    return binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, jit=True, codemodel="jitdefault"
    )


def object_code(text: str, target: Target) -> bytes:
    """Compile LLVM's text for ``target``."""
    machine = _machine(target)
    module = binding.parse_assembly(text)
    module.verify()
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # the micro-kernels are unrolled where it helps
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def _stored(path: Path) -> bytes | None:
    """Object code from a file, which ends with its own hash: what breaks off is not used."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code, digest = content[:-32], content[-32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _store(path: Path, code: bytes) -> None:
    """Write the file whole or not at all; without room for it the code is compiled anew in the next process."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(code + hashlib.sha256(code).digest())
        os.replace(temporary, path)


def address(name: str, emit: Callable[[], str]) -> int:
    """Return the address of the micro-kernel ``name``, whose LLVM text ``emit`` writes if it must be compiled.

    The name tells all parameters; it is the function's name in the text.
    """
    target = host()
    with _lock:
        key = hashlib.sha256(f"{name} {target} {binding.llvm_version_info}".encode() + _sources()).hexdigest()[:24]
        place = directory()
        path = None if place is None else place / f"{name}-{key}.o"
        code = None if path is None else _stored(path)
        if code is None:
            code = object_code(emit(), target)
            if path is not None:
                _store(path, code)
        _initialise()
        engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine(target))
        engine.add_object_file(binding.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _engines.append(engine)
        return int(engine.get_function_address(name))
