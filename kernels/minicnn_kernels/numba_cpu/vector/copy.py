"""Runs of neighbouring numbers from many places into one block, one under the other.

Packing is memory to memory, a few numbers at a time. Compiled from a loop, each short run costs more in tests (do the
arrays overlap? how many numbers are left over?) than in copying: where the gradient of
a 1x1 convolution's weights copied both factors, such loops took 40 % of the time, this micro-kernel 10 %.
"""

from __future__ import annotations

from functools import cache

from .builder import Code, Value
from .compiled import address
from .target import host


def emit(name: str, itemsize: int, lanes: int) -> str:
    """LLVM text of the copy, as documented at :func:`copy`."""
    code = Code(name, 6, itemsize, lanes)
    table, rows, source, target, step, count = code.arguments
    whole = code.times(code.ir.sdiv(count, code.integer(lanes)), code.width)
    rest = code.ir.srem(count, code.integer(lanes))
    mask = code.first_lanes(rest)

    def one_row(i: Value, _: list[Value]) -> list[Value]:
        place = code.at(source, code.load_integer(code.at(table, code.times(i, 8))))
        goal = code.at(target, code.ir.mul(i, step))

        def one_vector(j: Value, _: list[Value]) -> list[Value]:
            code.store(code.load(code.at(place, j)), code.at(goal, j))
            return []

        code.loop(code.integer(0), whole, code.width, [], one_vector)

        def remainder() -> list[Value]:
            code.store_masked(code.load_masked(code.at(place, whole), mask), code.at(goal, whole), mask)
            return []

        code.choose(code.nonzero(rest), remainder, list)
        return []

    code.loop(code.integer(0), rows, 1, [], one_row)
    return code.finish()


@cache
def copy(itemsize: int) -> int:
    """Return the address of a micro-kernel that copies ``rows`` runs of ``count`` numbers.

    It takes six integers: address of a table of ``rows`` distances in bytes, ``rows``, the address that the distances
    start from, address of the block, bytes from one of its rows to the next, ``count``.
    """
    lanes = host().lanes(itemsize)
    name = f"copy_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit(name, itemsize, lanes))
