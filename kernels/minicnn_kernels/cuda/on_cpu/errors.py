"""What the executor found, in words that name the line, the threads and the element."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


class KernelError(RuntimeError):
    """A kernel did something that a GPU would not forgive.

    Attributes
    ----------
    kind : str
        ``"race"``, ``"bounds"``, ``"unwritten"`` (shared memory was read before it was written), ``"barrier"``,
        ``"warp"`` (a shuffle from a lane that takes no part), ``"fault"`` or ``"failed"`` (an assertion).
    kernel : str
    line, other_line : int, optional
        Lines in the source: of the access that was found out, and of the one it collides with.
    array, index : str and tuple of int, optional
        The element in question.
    block, thread, other_block, other_thread : tuple of int, optional
        ``(x, y, z)`` of the two.
    """

    def __init__(self, message: str, kind: str = "", kernel: str = "") -> None:
        super().__init__(message)
        self.kind, self.kernel = kind, kernel
        self.line: int | None = None
        self.other_line: int | None = None
        self.array: str | None = None
        self.index: tuple[int, ...] | None = None
        self.block: tuple[int, ...] | None = None
        self.thread: tuple[int, ...] | None = None
        self.other_block: tuple[int, ...] | None = None
        self.other_thread: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the source."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}:    {self.text}" if self.text else f"{self.file}, line {self.number}"


class Lines:
    """From a place in a shared object to the line of CUDA C that it was compiled from."""

    def __init__(self, library: Path, source: str, file: str) -> None:
        self._library = library
        self._file, self._texts = file, texts(source, file)

    def at(self, offsets: list[int]) -> list[Line | None]:
        """The line of each place; None where it is not known (no addr2line, or not code of the kernel)."""
        tool = shutil.which("addr2line")
        known = [offset for offset in dict.fromkeys(offsets) if offset >= 0]
        if tool is None or not known:
            return [None] * len(offsets)
        command = [tool, "-a", "-i", "-e", str(self._library), *(hex(offset) for offset in known)]
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found: dict[int, Line | None] = {}
        address = -1
        for row in output.splitlines():
            if re.fullmatch(r"0x[0-9a-f]+", row):
                address = int(row, 16)
                found[address] = None
            elif found.get(address, 0) is None:  # the innermost frame that lies in the source, not in cuda_cpu.h
                file, _, number = row.split(" (")[0].rpartition(":")
                name = self._file if file.endswith("<stdin>") else Path(file).name  # what g++ calls the main file
                text = self._texts.get((name, int(number))) if number.isdigit() else None
                if text is not None:
                    found[address] = Line(name, int(number), text)
        return [found.get(offset) for offset in offsets]


def texts(source: str, file: str) -> dict[tuple[str, int], str]:
    """The lines of a source by (file, number), as its #line directives count."""
    lines, number = {}, 1
    for text in source.splitlines():
        directive = re.match(r'\s*#line\s+(\d+)\s+"([^"]*)"', text)
        if directive:
            number, file = int(directive[1]), directive[2]
        else:
            lines[file, number] = text.strip()
            number += 1
    return lines
