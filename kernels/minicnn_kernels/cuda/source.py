"""The `.cu` files of this package, as text.

A file may include others of its folder (``#include "common.cuh"``) and nothing else: the text of each is put in once,
so that every compiler gets one string and needs no search path. ``#line`` directives keep messages true.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "kernels"
_INCLUDE = re.compile(r'^#include "([\w.]+)"[ \t]*$', re.M)


@cache
def read(file: str) -> str:
    """Return a source with its includes put in."""
    return _read(file, set())


def _read(file: str, done: set[str]) -> str:
    done.add(file)
    lines = [f'#line 1 "{file}"']
    for number, line in enumerate((FOLDER / file).read_text("utf-8").splitlines(), 1):
        match = _INCLUDE.match(line)
        if match is None:
            lines.append(line)
        else:
            if match[1] not in done:
                lines.append(_read(match[1], done))
            lines.append(f'#line {number + 1} "{file}"')
    return "\n".join(lines)
