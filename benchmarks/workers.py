"""Each side in a process of its own, so that no side's threads, memory or settings touch another's.

PyTorch, ONNX Runtime, OpenVINO and Numba each keep threads that go on spinning for a while after their work. In one
process they would also share or fight over an OpenMP library. Here a side is an object in its own process, which
waits at a pipe (and computes nothing) until it is asked for a turn.

>>> from fractions import Fraction
>>> with Worker(Fraction, 1, 3) as third:
...     third.ask("limit_denominator", 2)
Fraction(1, 2)
"""

from __future__ import annotations

import multiprocessing
import re
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .harness import Turn, take_turn

PATIENCE = 900  # seconds for one answer: compiling a large network takes minutes
FAREWELL = 5  # seconds for a process to end by itself

_NAMED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Failed|Interrupt|Exit)\b:? ?")
_processes = multiprocessing.get_context("spawn")


class WorkerError(RuntimeError):
    """What went wrong in the other process, with its traceback."""

    def reason(self) -> str:
        """The line that names the last exception: what follows it may be advice over several lines."""
        lines = str(self).strip().splitlines()
        return next((line for line in reversed(lines) if _NAMED.match(line)), lines[-1])


def _peak_memory() -> int:
    """Bytes: the most memory that this process has had (0 where that is not known)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _answer(side: Any, request: str, arguments: tuple[Any, ...]) -> Any:
    if request == "turn":
        return take_turn(side, *arguments)
    if request == "peak_memory":
        return _peak_memory()
    return getattr(side, request)(*arguments)


def _serve(pipe: Connection, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        side = make(*arguments)
        pipe.send((True, None))
        while True:
            pipe.send((True, _answer(side, *pipe.recv())))
    except (EOFError, ConnectionError):
        pass  # the other end has closed the pipe: done
    except Exception:
        pipe.send((False, traceback.format_exc()))


class Worker:
    """``make(*arguments)`` in a new process: an object that can be called.

    Parameters
    ----------
    make : callable
        Importable by name.
    *arguments
        Of ``make``.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self._pipe, other = _processes.Pipe()
        self._process = _processes.Process(target=_serve, args=(other, make, arguments), daemon=True)
        self._process.start()
        other.close()
        self._ready = False

    def ask(self, request: str, *arguments: Any) -> Any:
        """Call a method of the object there, or ``turn`` or ``peak_memory`` of the process."""
        self.wait()
        self._pipe.send((request, arguments))
        return self._receive()

    def wait(self) -> None:
        """Until the object is made."""
        if not self._ready:
            self._receive()
            self._ready = True

    def _receive(self) -> Any:
        if not self._pipe.poll(PATIENCE):
            raise WorkerError(f"no answer for {PATIENCE} s")
        try:
            succeeded, result = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise WorkerError(f"the process ended with exit code {self._process.exitcode}") from None
        if not succeeded:
            raise WorkerError(result)
        return result

    def __call__(self, calls: int, warm: int) -> Turn:
        """Time calls of the object: a side of :func:`benchmarks.harness.measure`."""
        return self.ask("turn", calls, warm)

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(FAREWELL)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
