"""Would the tests notice? ``python -m tests.mutate_cuda`` plants faults of one token in the CUDA kernels and counts.

Each mutant changes one token: an operator, a number, a name by its counterpart along the other axis, a barrier that is
left out. It is then compiled, run plainly on all cases and compared with the vectorized kernels, and run once more
under the checked executor, with few threads that take several elements each. What none of these notices is either
equivalent to the original, which `EQUIVALENT` must explain, or a hole in the tests.

    python -m tests.mutate_cuda                      # a sample of every file; about a quarter of an hour
    python -m tests.mutate_cuda pooling.cu --count 200
    python -m tests.mutate_cuda --write              # writes docs/cuda-mutations.md

The inline assembly of ``tensor_cores.cuh`` is left out: the CPU runs a model of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from minicnn_kernels.cuda import source
from minicnn_kernels.cuda.catalog import KERNELS, Kernel
from minicnn_kernels.cuda.on_cpu import CompileError, Program
from minicnn_kernels.cuda.on_cpu.translate import without_comments

from .cuda.equivalent import EQUIVALENT
from .cuda.table import drawn, few_threads

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cuda-mutations.md"
SECONDS = 30  # after which a mutant counts as one that does not end
TOLERANCE = 2e-6

PAIRS = (  # each is changed into the other
    ("<", "<="), (">", ">="), ("==", "!="), ("&&", "||"), ("+", "-"), ("+=", "-="), ("min", "max"), ("true", "false"),
    ("row", "column"), ("rows", "columns"), ("h", "w"), ("i", "j"), ("a", "b"), ("top", "left"), ("up", "to_left"),
    ("c", "k"), ("low", "high"), ("middle", "inner"), ("big_a", "small_a"), ("big_b", "small_b"),
)  # fmt: skip
SWAPS = {
    **dict(PAIRS), **{b: a for a, b in PAIRS},
    "*": "+", "/": "*", "%": "/", "*=": "+=", "/=": "*=", "++": "--", "!": "", ">>": "<<", "^": "|",
    "fmax": "fmin", "exp": "log", "continue": "break", "__syncthreads": "int",
}  # fmt: skip
TOKEN = re.compile(
    r"[A-Za-z_]\w*|0x[0-9A-Fa-f]+\w*|\d+|<<|>>|<=|>=|==|!=|&&|\|\||\+=|-=|\*=|/=|%=|\+\+|--|->|::|[-+*/%<>!^]"
)


@dataclass(frozen=True)
class Mutant:
    """A source with one token changed."""

    file: str  # in which it is changed
    line: str
    changed: str  # the line afterwards
    host: str  # the .cu that is compiled
    text: str
    function: str  # in which it is changed

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.line, self.changed


def other_axis(word: str) -> str | None:
    """``stride_h`` for ``stride_w``."""
    match = re.fullmatch(r"(\w+)_([hw])", word)
    return None if match is None else f"{match[1]}_{'w' if match[2] == 'h' else 'h'}"


def replacement(token: str) -> str | None:
    if token in SWAPS:
        return SWAPS[token]
    if token.isdigit():
        return str(int(token) + 1)
    return other_axis(token)


def masked(text: str) -> str:
    """The source with everything blank that is no arithmetic: comments, directives, heads of functions, assembly."""
    blank = without_comments(text)
    patterns = (
        r"^[ \t]*#(?!define (FIRST|STRIDE))[^\n]*",
        r"\b(__global__|__device__)\b[^{;]*",
        r"\btemplate\s*<[^>]*>",
        r"__shared__[^;]*;",
        r"asm[^;]*;",
        r"\((real|int|float|unsigned)\)",
        r"(const )?\b(real|float|tap_type|Moments|bool)\s*[*&]",
        r"cp_async_wait<|cp_async<|static_cast<|tile_product<[^>]*>",
        r"const int (TILE|DEPTH|BLOCK|COPIES|BY_DEPTH|BY_ROW|TILE_SIZE)\b[^;]*;",
    )
    for pattern in patterns:
        blank = re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), blank, flags=re.M)
    return blank


def mutants_of(host: str) -> Iterator[Mutant]:
    """All mutants of a .cu and of the headers that it includes."""
    text = source.read(host)
    blank, file, offset = masked(text), host, 0
    function = ""
    for line in text.splitlines(keepends=True):
        if directive := re.match(r'#line \d+ "([^"]+)"', line):
            file = directive[1]
        if head := re.search(
            r"\bvoid (?:__launch_bounds__\([^)]*\) )?(\w+)\(|^struct (\w+)|__device__ \w+ (\w+)\(", line
        ):
            function = next(name for name in head.groups() if name)
        for match in TOKEN.finditer(blank, offset, offset + len(line)):
            new = replacement(match[0])
            if new is None or file == "tensor_cores.cuh":
                continue
            start, end = match.span()
            changed = line[: start - offset] + new + line[end - offset :]
            yield Mutant(file, line.strip(), changed.strip(), host, text[:start] + new + text[end:], function)
        offset += len(line)


def candidates(file: str) -> list[Mutant]:
    """Mutants of one file; a header's run inside of every .cu that includes it."""
    hosts = sorted({kernel.file for kernel in KERNELS if f'"{file}"' in kernel.text})
    found: dict[tuple[str, str, str], list[Mutant]] = {}
    for host in hosts:
        for mutant in mutants_of(host):
            if mutant.file == file:
                found.setdefault(mutant.key, []).append(mutant)
    return [mutant for group in found.values() for mutant in group[:1]]


def concerned(mutant: Mutant) -> list[Kernel]:
    """The kernels to run, those first that the change is most likely to show in."""
    header = not mutant.file.endswith(".cu")
    kernels = [k for k in KERNELS if (f'"{mutant.file}"' in k.text if header else k.file == mutant.file)]
    return sorted(kernels, key=lambda k: mutant.function not in (k.function, *k.defines.values()))


def applied(mutant: Mutant, kernel: Kernel) -> str:
    """The kernel's source with the mutant's change in it."""
    if kernel.file == mutant.host:
        return mutant.text
    return next(m.text for m in mutants_of(kernel.file) if m.key == mutant.key)


def passes(mutant: Mutant, checked: bool) -> bool:
    """Whether every case of every concerned kernel gives the right result."""
    for kernel in map(few_threads if checked else lambda k: k, concerned(mutant)):
        program = Program(applied(mutant, kernel), kernel.defines, checked, kernel.file)
        for case in drawn(kernel.name):
            arguments = case.copies()
            values = kernel.signature.bind(**arguments)
            grid = kernel.grid(values)
            if 0 not in grid:
                program.launch(kernel.function, grid, kernel.block, tuple(values.values()))
            case.check(arguments, TOLERANCE * kernel.tolerance)
    return True


def outcome(mutant: Mutant, checked: bool) -> str:
    """``survives``, ``compiler`` or ``caught``, found out in a process of its own: mutants crash and do not end."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        code = 1
        with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
            try:
                code = 0 if passes(mutant, checked) else 1
            except CompileError:
                code = 2
            except BaseException:
                code = 1
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    return {0: "survives", 2: "compiler"}.get(os.waitstatus_to_exitcode(status), "caught")


def verdict(mutant: Mutant) -> str:
    """What notices a mutant: compiler, results, checks; or equivalent, or nothing (missed)."""
    plain = outcome(mutant, checked=False)
    if plain != "survives":
        return "results" if plain == "caught" else plain
    if outcome(mutant, checked=True) != "survives":
        return "checks"
    return "equivalent" if mutant.key in EQUIVALENT else "missed"


COLUMNS = ("compiler", "results", "checks", "equivalent", "missed")


def page(counts: dict[str, Counter[str]], count: int, seed: int) -> str:
    """The table, in Markdown."""
    total = sum(counts.values(), Counter())
    caught = total["results"] + total["checks"]
    share = 100 * caught / max(caught + total["missed"], 1)
    text = """# Faults planted in the CUDA kernels

Written by `python -m tests.mutate_cuda --write`. Each mutant has one token of a kernel changed: an operator, a number,
a name by its counterpart along the other axis, a barrier left out. Mutants that do not compile are not counted. The
others are run on the CPU on all test cases. *results*: the plain run gives a wrong result, crashes or does not end.
*checks*: the result is right, and the checked executor finds an access outside of an array, a race or unwritten shared
memory, or the result is wrong when each thread takes several elements. *equivalent*: it computes the same, for the
reason in `tests/cuda/equivalent.py`."""
    rows = [
        text,
        "",
        f"Up to {count} mutants of each file, seed {seed}: **{share:.1f} %** of those that are not equivalent",
        f"are caught, {caught} of {caught + total['missed']}.",
        "",
        "| file | mutants | do not compile | results | checks | equivalent | missed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, c in [*counts.items(), ("all", total)]:
        rows.append(f"| {name} | {sum(c.values())} | {' | '.join(str(c[column]) for column in COLUMNS)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutate_cuda", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="*", help="of kernels/minicnn_kernels/cuda/kernels; all by default")
    parser.add_argument("--count", type=int, default=40, help="mutants of each file (default: 40)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()

    np.seterr(all="ignore")
    files = options.files or sorted({path.name for path in source.FOLDER.iterdir()} - {"tensor_cores.cuh"})
    counts: dict[str, Counter[str]] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for file in files:
            drawn_mutants = candidates(file)
            random.Random(options.seed).shuffle(drawn_mutants)
            counts[file] = Counter()
            for mutant in drawn_mutants[: options.count]:
                found = verdict(mutant)
                counts[file][found] += 1
                if found == "missed":
                    print(f"MISSED {file}\n    {mutant.line}\n    {mutant.changed}", flush=True)
            print(f"{file:20} {dict(counts[file])} after {time.monotonic() - started:.0f} s", flush=True)
    text = page(counts, options.count, options.seed)
    print(text)
    if options.write:
        PAGE.write_text(text, "utf-8")
    total = sum(counts.values(), Counter())
    sys.exit(int(total["missed"] > 0.05 * (total["missed"] + total["results"] + total["checks"])))


if __name__ == "__main__":
    main()
