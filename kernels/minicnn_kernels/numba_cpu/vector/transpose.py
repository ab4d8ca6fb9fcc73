"""A square of numbers, rows to columns, in registers: ``out[j, i] = x[i, j]`` for ``lanes`` x ``lanes`` numbers.

Copied number by number, a transposition is one read and one write each. With a row per register it is ``log2(lanes)``
rounds of exchanges: the round of distance ``d`` takes registers ``i`` and ``i + d`` and exchanges the upper ``d`` of
every ``2d`` lanes of the one with the lower ``d`` of the other, which transposes squares of ``2d`` made of transposed
squares of ``d``.
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir

from .builder import I32, Code, Value
from .compiled import address
from .target import host


def _exchange(code: Code, x: Value, y: Value, d: int) -> tuple[Value, Value]:
    """Exchange the upper ``d`` of every ``2d`` lanes of ``x`` with the lower ``d`` of ``y``."""
    n = code.lanes
    first = [i if i % (2 * d) < d else n + i - d for i in range(n)]
    second = [i + d if i % (2 * d) < d else n + i for i in range(n)]
    kind = ir.VectorType(I32, n)
    low = code.ir.shuffle_vector(x, y, ir.Constant(kind, first))
    return low, code.ir.shuffle_vector(x, y, ir.Constant(kind, second))


def _transposed(code: Code, rows: list[Value]) -> list[Value]:
    d = 1
    while d < code.lanes:
        for i in range(code.lanes):
            if i & d == 0:
                rows[i], rows[i + d] = _exchange(code, rows[i], rows[i + d], d)
        d *= 2
    return rows


def emit(name: str, itemsize: int, lanes: int) -> str:
    """LLVM text of the transposition, as documented at :func:`transpose`."""
    code = Code(name, 4, itemsize, lanes)
    x, x_step, out, out_step = code.arguments
    rows = _transposed(code, [code.load(code.at(x, code.times(x_step, i))) for i in range(lanes)])
    for i, row in enumerate(rows):
        code.store(row, code.at(out, code.times(out_step, i)))
    return code.finish()


@cache
def transpose(itemsize: int) -> int:
    """Return the address of a micro-kernel that transposes a square of ``lanes`` x ``lanes`` numbers.

    It takes four integers: address of the square, bytes from row to row, and the same two of the result.
    """
    lanes = host().lanes(itemsize)
    name = f"transpose_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit(name, itemsize, lanes))


def emit_scattered(name: str, itemsize: int, lanes: int) -> str:
    """LLVM text of the transposition into scattered rows, as documented at :func:`transpose_scattered`."""
    code = Code(name, 5, itemsize, lanes)
    x, x_step, count, table, out = code.arguments
    mask = code.first_lanes(count)
    rows = _transposed(code, [code.load_masked(code.at(x, code.times(x_step, i)), mask) for i in range(lanes)])
    for i, row in enumerate(rows):

        def store(i: int = i, row: Value = row) -> list[Value]:
            code.store(row, code.at(out, code.load_integer(code.at(table, 8 * i))))
            return []

        code.choose(code.ir.icmp_signed(">", count, code.integer(i)), store, list)
    return code.finish()


@cache
def transpose_scattered(itemsize: int) -> int:
    """Return the address of a micro-kernel that transposes ``lanes`` rows of ``count <= lanes`` numbers.

    It takes five integers: address of the rows, bytes from row to row, ``count``, address of a table of ``count``
    distances in bytes, the address that the distances start from: where the rows of the result go.
    """
    lanes = host().lanes(itemsize)
    name = f"transpose_scattered_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit_scattered(name, itemsize, lanes))
