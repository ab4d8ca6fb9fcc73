"""Dot products of one vector with a few rows of a matrix: the product of a matrix and a single sample.

With one sample there is nothing to reuse: every weight is read from memory and multiplied once, so the memory is the
limit, and it is enough that the reads run in long vectors along the rows. Four rows at a time share the reads of ``x``;
two sums per row keep eight multiply-adds under way.
"""

from __future__ import annotations

from functools import cache

from .builder import Code, Value
from .compiled import address
from .target import host

ROWS = 4
SUMS = 2  # per row


def emit(name: str, rows: int, itemsize: int, lanes: int) -> str:
    """LLVM text of the dot products, as documented at :func:`dot`."""
    code = Code(name, 6, itemsize, lanes)
    x, w, w_step, k, y, y_step = code.arguments
    starts = [code.at(w, code.times(w_step, i)) for i in range(rows)]
    stride = SUMS * lanes
    whole = code.times(code.ir.sdiv(k, code.integer(stride)), stride)

    def turn(i: Value, sums: list[Value]) -> list[Value]:
        at = code.times(i, itemsize)
        vectors = [code.load(code.at(code.at(x, at), s * code.width)) for s in range(SUMS)]
        return [
            code.fma(vectors[s], code.load(code.at(code.at(starts[r], at), s * code.width)), sums[r * SUMS + s])
            for r in range(rows)
            for s in range(SUMS)
        ]

    sums = code.loop(code.integer(0), whole, stride, [code.constant(0)] * (rows * SUMS), turn)

    def rest(i: Value, totals: list[Value]) -> list[Value]:
        mask, at = code.first_lanes(code.ir.sub(k, i)), code.times(i, itemsize)
        part = code.load_masked(code.at(x, at), mask)
        return [code.fma(part, code.load_masked(code.at(starts[r], at), mask), totals[r]) for r in range(rows)]

    totals = [code.add(sums[r * SUMS], sums[r * SUMS + 1]) for r in range(rows)]
    for r, total in enumerate(code.loop(whole, k, lanes, totals, rest)):
        code.store_number(code.total(total), code.at(y, code.times(y_step, r)))
    return code.finish()


@cache
def dot(rows: int, itemsize: int) -> int:
    """Return the address of a micro-kernel that computes ``y[r] = sum over k of x[k] * w[r, k]`` for ``rows`` rows.

    It takes six integers: addresses of ``x`` and ``w``, bytes from a row of ``w`` to the next, ``k``, address of ``y``,
    bytes from a number of ``y`` to the next.
    """
    lanes = host().lanes(itemsize)
    name = f"dot_{rows}x{lanes}_{8 * itemsize}"
    return address(name, lambda: emit(name, rows, itemsize, lanes))
