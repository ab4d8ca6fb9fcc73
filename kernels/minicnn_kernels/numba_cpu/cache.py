"""Compiled kernels on disk: Numba's cache, which would miss two things here.

Compiling a kernel takes seconds, loading it milliseconds. Numba keeps the machine code of a function under
a stamp of the one file that the function is written in. But

- machine code contains the functions that a function calls and the constants it uses, wherever they are written:
  after a change of ``mathematics.py``, by an editor or by an upgrade of the package, ``softmax.py`` must be compiled
  anew. Here the stamp is of the file and of all files of this package that it imports, directly or not;
- a full disk leaves a file that breaks off, and two processes that compile at once leave an index that names the other
  one's code. Numba would fail at every start from then on. Here what cannot be loaded, or is not for
  the types asked for, is compiled again, and what cannot be stored is not.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.sigutils import normalize_signature

HERE = Path(__file__).parent
folders: set[Path] = set()  # where the caches of the functions are that have been decorated so far


def imported_files(module: str) -> list[Path]:
    """List the file of a module of this package, and those of the modules of the package that it imports."""
    found: set[Path] = set()
    waiting = [HERE.joinpath(*module.split("numba_cpu.")[-1].split("."))]
    while waiting:
        path = waiting.pop().with_suffix(".py")
        if path not in found and path.exists():
            found.add(path)
            for dots, name in re.findall(r"^from (\.+)([\w.]+) import", path.read_text("utf-8"), re.MULTILINE):
                folder = path.parents[len(dots) - 1]
                if folder.is_relative_to(HERE):
                    waiting.append(folder.joinpath(*name.split(".")))
    return sorted(found)


@cache
def stamp(module: str) -> str:
    """Return a hash of all the source code that the compiled functions of a module are made of."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in imported_files(module))).hexdigest()


@cache
def say_that_kernels_are_compiled() -> None:
    """One line on stderr, at the first kernel of this process that is not in the cache: it explains the wait."""
    if os.environ.get("MINICNN_QUIET", "0") != "0":
        return
    with suppress(Exception):  # whatever stderr is: closed, a broken pipe, or None
        sys.stderr.write(
            "minicnn: compiling kernels for this machine, which keeps them (those of a network take 10 to 30 s, "
            "longer on a busy machine; `python -m minicnn warmup` compiles the usual ones ahead) ...\n"
        )
        sys.stderr.flush()


class KernelCache(FunctionCache):
    """The cache of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamps = self._impl.locator.get_source_stamp(), stamp(function.__module__)
        folders.add(Path(self._cache_path))
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamps)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load the code for these argument types; None if it must be compiled."""
        found = self._load(sig, target_context)
        if found is None:
            say_that_kernels_are_compiled()
        return found

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # a file that breaks off raises whatever unpickling raises
            with suppress(OSError):
                self.flush()
            return None
        asked_for = tuple(normalize_signature(sig)[0])
        return found if found is not None and tuple(found.signature.args) == asked_for else None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store compiled code, if there is room for it."""
        with suppress(OSError):
            super().save_overload(sig, data)
