"""g++, and the compiled code on disk: one shared object for each source, kept under its hash.

The runtime is compiled once, a kernel in about half a second, and neither again while source, options and
compiler stay. A file gets its name only when it is whole, so two processes that compile at once do not disturb each
other.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

SHIM = Path(__file__).parent / "shim"
FLAGS = (
    "-std=c++17",
    "-g1",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-U_FORTIFY_SOURCE",
)
KERNEL_FLAGS = ("-fno-threadsafe-statics", "-Werror=frame-larger-than=65536")
CHECKED_FLAGS = ("-O1", "-fsanitize=thread", "--param", "tsan-instrument-func-entry-exit=0")
PLAIN_FLAGS = ("-O2",)


class CompileError(RuntimeError):
    """The compiler does not take a kernel, or there is none; the message has what it said."""


@cache
def compiler() -> str:
    """Path of g++."""
    if not sys.platform.startswith("linux"):
        raise CompileError(
            f"CUDA kernels run on the CPU on Linux; this is {sys.platform}. Fix: use Linux, WSL or a container"
        )
    found = shutil.which("g++")
    if found is None:
        raise CompileError(
            "g++ is needed to run CUDA kernels on the CPU, and there is none on the PATH. "
            "Fix: apt install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora)"
        )
    return found


@cache
def compiler_version() -> str:
    """What g++ says that it is: another one makes other code."""
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout


def cache_folder() -> Path:
    """Where the compiled code is: ``$XDG_CACHE_HOME/minicnn/on_cpu``, by default in ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "minicnn" / "on_cpu"


def _folder() -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary_folder()
    return folder if os.access(folder, os.W_OK) else _temporary_folder()


@cache
def _temporary_folder() -> Path:
    """For a home that cannot be written to; lasts as long as the process."""
    return Path(tempfile.mkdtemp(prefix="minicnn-on-cpu-"))


def _run(arguments: Sequence[str], source: str | None, what: str) -> None:
    done = subprocess.run([compiler(), *arguments], input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(f"g++ cannot compile {what}:\n{done.stderr.strip()}")


def _kept(name: str, make: object) -> Path:
    """The file of this name in the cache; ``make(path)`` writes it if it is not there."""
    target = _folder() / name
    if not target.exists():
        descriptor, temporary = tempfile.mkstemp(suffix=target.suffix, prefix=".", dir=target.parent)
        os.close(descriptor)
        try:
            make(temporary)  # type: ignore[operator]
            os.replace(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    return target


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr((compiler_version(), *parts)).encode()).hexdigest()[:24]


@cache
def _headers() -> str:
    return "".join(path.read_text("utf-8") for path in sorted(SHIM.iterdir()))


def _runtime() -> Path:
    files = [str(SHIM / name) for name in ("launch.cpp", "threads.cpp", "memory.cpp", "checker.cpp")]

    def make(path: str) -> None:
        _run([*FLAGS, "-O2", "-Wall", "-nostdlib", "-r", "-o", path, *files], None, "the runtime of the executor")

    return _kept(f"runtime-{_hash(_headers(), FLAGS)}.o", make)


def build(cpp: str, options: Sequence[str], checked: bool, what: str) -> Path:
    """Compile C++ from `translate.to_cpp` into a shared object and return its path."""
    flags = (*FLAGS, *KERNEL_FLAGS, *(CHECKED_FLAGS if checked else PLAIN_FLAGS), *options)
    runtime = _runtime()

    def make(path: str) -> None:
        part = f"{path}.o"
        try:
            _run([*flags, f"-I{SHIM}", "-x", "c++", "-c", "-o", part, "-"], cpp, what)
            _run(["-shared", "-o", path, part, str(runtime), "-ldl"], None, what)  # without the sanitizer's own library
        finally:
            Path(part).unlink(missing_ok=True)

    return _kept(f"{_hash(_headers(), flags, cpp)}.so", make)
