"""Rows of numbers, normalised on their way into a block: ``clamp((x - mean)*scale + shift, low, high)``.

Several rows are done at once: their mean, scale and shift are read once then.
"""

from __future__ import annotations

from functools import cache

from .builder import Code, Value
from .compiled import address
from .target import host

AT_ONCE = 4  # rows
AHEAD = 4096  # bytes: what stands a page behind is asked for


def emit(name: str, itemsize: int, lanes: int) -> str:
    """LLVM text of the loop, as documented at :func:`normalize`."""
    code = Code(name, 8, itemsize, lanes)
    source, source_step, target, step, rows, count, numbers, offset = code.arguments
    constants = [code.at(code.load_integer(code.at(numbers, 8 * i)), offset) for i in range(3)]
    low, high = code.load_number(code.at(numbers, 24)), code.load_number(code.at(numbers, 32))
    whole = code.times(code.ir.sdiv(count, code.integer(lanes)), code.width)
    rest = code.ir.srem(count, code.integer(lanes))
    mask = code.first_lanes(rest)

    def normalized(x: Value, mean: Value, scale: Value, shift: Value) -> Value:
        return code.at_most(code.at_least(code.fma(code.sub(x, mean), scale, shift), low), high)

    def turn(height: int):  # type: ignore[no-untyped-def]
        def run(_: Value, variables: list[Value]) -> list[Value]:
            places, goals = variables[:1], variables[1:]
            for _ in range(height - 1):
                places.append(code.at(places[-1], source_step))
                goals.append(code.at(goals[-1], step))

            def one_vector(j: Value, _: list[Value]) -> list[Value]:
                per_channel = [code.load(code.at(c, j)) for c in constants]
                for place, goal in zip(places, goals, strict=True):
                    code.prefetch(code.at(code.at(place, j), AHEAD))
                    code.store(normalized(code.load(code.at(place, j)), *per_channel), code.at(goal, j))
                return []

            code.loop(code.integer(0), whole, code.width, [], one_vector)

            def remainder() -> list[Value]:
                per_channel = [code.load_masked(code.at(c, whole), mask) for c in constants]
                for place, goal in zip(places, goals, strict=True):
                    x = code.load_masked(code.at(place, whole), mask)
                    code.store_masked(normalized(x, *per_channel), code.at(goal, whole), mask)
                return []

            code.choose(code.nonzero(rest), remainder, list)
            return [code.at(places[-1], source_step), code.at(goals[-1], step)]

        return run

    most = code.times(code.ir.sdiv(rows, code.integer(AT_ONCE)), AT_ONCE)
    middle = code.loop(code.integer(0), most, AT_ONCE, [source, target], turn(AT_ONCE))
    code.loop(most, rows, 1, middle, turn(1))
    return code.finish()


@cache
def normalize(itemsize: int) -> int:
    """Return the address of a micro-kernel that normalises ``rows`` runs of ``count`` numbers.

    It takes eight integers: address of the numbers, bytes from row to row, the same two of the result, ``rows``,
    ``count``, the address of five words (addresses of means, scales and shifts, lower and upper bound: the first bytes
    of the word), and bytes from there to the first column.
    """
    lanes = host().lanes(itemsize)
    name = f"normalize_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit(name, itemsize, lanes))
