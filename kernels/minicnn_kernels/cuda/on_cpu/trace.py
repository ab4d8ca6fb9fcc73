"""Stepping through one thread of a launch: every load, store and barrier of it, with values."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import Line
from .program import SHARED, Event, Program, Size, _three, place

KINDS = {"r": "load", "w": "store", "b": "barrier"}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the thread did.

    Attributes
    ----------
    kind : {"load", "store", "barrier"}
    line : Line, optional
        ``line.number`` and ``line.text``; None where the compiler did not keep it.
    array, index : str and tuple of int, optional
        The element; ``index`` counts along the array's axes.
    value : scalar or array, optional
        What was loaded or stored; an array where several elements move at once.
    """

    kind: str
    line: Line | None
    array: str | None = None
    index: tuple[int, ...] | None = None
    value: Any = None

    def __str__(self) -> str:
        if self.array is None or self.index is None:
            return self.kind
        return f"{self.kind:5} {self.array}[{', '.join(map(str, self.index))}] = {_shown(self.value)}"


class Trace(Sequence[Step]):
    """The steps of a thread, a sequence; printed, a table beside the source."""

    def __init__(self, title: str, steps: Sequence[Step]) -> None:
        self.title, self._steps = title, list(steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, i: Any) -> Any:
        return self._steps[i]

    def __str__(self) -> str:
        rows, before = [self.title], None
        several = len({step.line.file for step in self._steps if step.line is not None}) > 1
        for step in self._steps:
            if step.line is not None and step.line != before:
                file = f"{step.line.file} " if several else ""
                rows.append(f"{file}line {step.line.number:3}  {step.line.text}")
                before = step.line
            rows.append(f"            {step}")
        return "\n".join(rows)


def trace(
    program: Program,
    kernel: str,
    grid: Size,
    block: Size,
    arguments: Sequence[Any] = (),
    named: Mapping[str, Any] | None = None,
    *,
    thread: Size = 0,
    of_block: Size = 0,
    shared_memory: int = 0,
) -> Trace:
    """Launch a kernel and write down what one of its threads does.

    Parameters
    ----------
    program : Program
        A checked one; the other parameters are those of `Program.launch`.
    thread, of_block : int or up to three ints
        ``threadIdx`` and ``blockIdx`` of the thread.

    Examples
    --------
    >>> program = Program('''extern "C" __global__ void square(float* x) {
    ...     float v = x[threadIdx.x];
    ...     x[threadIdx.x] = v * v;
    ... }''')
    >>> print(trace(program, "square", 1, 4, (np.arange(4, dtype=np.float32),), thread=3))
    thread (3, 0, 0) of block (0, 0, 0) in square
    line   2  float v = x[threadIdx.x];
                load  x[3] = 3
    line   3  x[threadIdx.x] = v * v;
                store x[3] = 9
    """
    if not program.checked:
        raise ValueError("only a checked program can be traced: Program(source, checked=True)")
    grid3, block3 = _three(grid), _three(block)
    thread3, of_block3 = _index(thread, block3, "thread"), _index(of_block, grid3, "of_block")
    traced = _number(of_block3, grid3), _number(thread3, block3)
    title = f"thread {thread3} of block {of_block3} in {kernel}"
    with program._lock:  # the library keeps the steps until its next launch
        values = program._launch(kernel, grid, block, arguments, named or {}, shared_memory, "forward", traced)
        return Trace(title, _steps(program, values))


def _index(index: Size, sizes: Sequence[int], name: str) -> tuple[int, int, int]:
    given = (index,) if not isinstance(index, Sequence) else tuple(index)
    x, y, z = (*(int(i) for i in given), 0, 0)[:3]
    if not all(0 <= i < size for i, size in zip((x, y, z), sizes, strict=True)):
        raise ValueError(f"{name} {index!r} is not among {tuple(sizes)} (x, y, z)")
    return x, y, z


def _number(index: Sequence[int], sizes: Sequence[int]) -> int:
    return index[0] + sizes[0] * (index[1] + sizes[1] * index[2])


def _steps(program: Program, values: Mapping[str, Any]) -> list[Step]:
    library = program._library
    first = ctypes.POINTER(Event)()
    count = library.cuda_cpu_events(ctypes.byref(first))
    lines = program.lines.at([first[i].pc for i in range(count)])
    names = [name for *_, name in program._names]
    steps = []
    for event, line in zip(first[:count], lines, strict=True):
        kind = KINDS[chr(event.kind)]
        if event.range < 0:
            steps.append(Step(kind, line))
            continue
        raw = ctypes.string_at(ctypes.addressof(event) + Event.value.offset, 16)[: event.size]
        if event.range >= SHARED:
            array = library.cuda_cpu_shared_name(event.range - SHARED).decode()
            dtype = np.dtype(library.cuda_cpu_shared_type(event.range - SHARED).decode() or "u1")
            x = None
        else:
            array = names[event.range].decode()
            x = values[array]
            dtype = x.dtype
        value = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)
        steps.append(Step(kind, line, array, place(event.element, x), value[0] if len(value) == 1 else value))
    return steps


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"({', '.join(_shown(v) for v in value)})"
    return f"{value:g}" if isinstance(value, np.floating) else str(value)
