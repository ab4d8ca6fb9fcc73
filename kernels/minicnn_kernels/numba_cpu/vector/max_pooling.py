"""Max pooling: the maximum under a window and the tap that has it, and the gradient's way back.

With channels-last memory a vector runs along the channels. The best number so far, and its tap, stay in registers
while the taps pass; two vectors at a time share what each tap costs. (Compiled from a loop over channels for every
few taps, numbers and taps are written and read again in between, and numbers of four bytes beside taps of one make
slow code. The 13 poolings in a step of GoogLeNet took 11.7 ms forward and 8.5 backward so.)

Every tap asks for memory ahead: several rows are read side by side, and a processor foresees too little of that.

The gradient is gathered: for one pixel of the input, the sum of the gradients of those windows that see it and in
which it has won.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from .builder import Code, Value
from .compiled import address
from .target import host

VECTORS = 2  # at a time
AHEAD = 4096  # bytes: what is read next is asked for that far ahead
PAIR = 16  # bytes of an entry of a table: two integers


def _for_channels(code: Code, channels: Value, body: Callable[[Value, int, Value | None], None]) -> None:
    """``body(first channel, how many vectors, mask)`` until there are no more; a mask is only for the last ones."""
    many = VECTORS * code.lanes
    most = code.times(code.ir.sdiv(channels, code.integer(many)), many)

    def whole(channel: Value, _: list[Value]) -> list[Value]:
        body(channel, VECTORS, None)
        return []

    def rest(channel: Value, _: list[Value]) -> list[Value]:
        body(channel, 1, code.first_lanes(code.ir.sub(channels, channel)))
        return []

    code.loop(code.integer(0), most, many, [], whole)
    code.loop(most, channels, code.lanes, [], rest)


def emit_largest(name: str, itemsize: int, tap_size: int, lanes: int) -> str:
    """LLVM text of the maximum, as documented at :func:`largest`."""
    code = Code(name, 8, itemsize, lanes)
    x, x_step, table, count, windows, y, winner, channels = code.arguments
    wide, narrow = code.integers(itemsize), code.integers(tap_size)

    def one_window(window: Value, _: list[Value]) -> list[Value]:
        corner, place = code.at(x, code.ir.mul(window, x_step)), code.ir.mul(window, channels)
        _for_channels(code, channels, partial(some_channels, corner, place))
        return []

    def some_channels(corner: Value, place: Value, channel: Value, vectors: int, mask: Value | None) -> None:
        start = code.at(corner, code.times(channel, itemsize))

        def read(entry: Value) -> tuple[list[Value], list[Value]]:
            """The numbers that a tap looks at, and the number of the tap."""
            at = code.at(start, code.load_integer(entry))
            for i in range(vectors):
                code.prefetch(code.at(at, AHEAD + i * code.width))
            numbers = [code.load_masked(code.at(at, i * code.width), mask) for i in range(vectors)]
            return numbers, [code.spread_integer(code.load_integer(code.at(entry, 8)), wide)] * vectors

        def compare(i: Value, so_far: list[Value]) -> list[Value]:
            best, who = so_far[:vectors], so_far[vectors:]
            for j, (number, tap) in enumerate(zip(*read(code.at(table, i)), strict=True)):
                is_number = code.ir.fcmp_ordered("ord", number, number)
                stays = code.ir.and_(is_number, code.ir.fcmp_unordered("<=", number, best[j]))
                best[j], who[j] = code.ir.select(stays, best[j], number), code.ir.select(stays, who[j], tap)
            return best + who

        numbers, taps = read(table)
        results = code.loop(code.integer(PAIR), code.times(count, PAIR), PAIR, numbers + taps, compare)
        for i in range(vectors):
            target = code.at(code.at(place, channel), i * lanes)
            code.store_masked(results[i], code.at(y, code.times(target, itemsize)), mask)
            tap = results[vectors + i]
            tap = code.ir.trunc(tap, narrow) if tap_size < itemsize else tap
            code.store_masked(tap, code.at(winner, code.times(target, tap_size)), mask)

    code.loop(code.integer(0), windows, 1, [], one_window)
    return code.finish()


@cache
def largest(itemsize: int, tap_size: int) -> int:
    """Return the address of a micro-kernel that finds the first maximum under each window, for all channels.

    A number that is NaN is taken in any case, the last one if there are several.

    It takes eight integers: where the first window begins, and bytes from there to the next one; the address of a table
    with, for every tap, the distance in bytes from there to the pixel that it looks at, and its number; how many taps
    there are, at least one; how many windows; where the maxima go, and where the numbers of their taps go, of
    ``tap_size`` bytes each; how many channels.
    """
    lanes = host().lanes(itemsize)
    name = f"largest_{lanes}_{8 * itemsize}_{8 * tap_size}"
    return address(name, lambda: emit_largest(name, itemsize, tap_size, lanes))


def emit_gather(name: str, itemsize: int, tap_size: int, lanes: int) -> str:
    """LLVM text of the gradient, as documented at :func:`gather`."""
    code = Code(name, 7, itemsize, lanes)
    g, winner, table, ends, pixels, gx, channels = code.arguments
    narrow = code.integers(tap_size)

    def one_pixel(pixel: Value, begin: list[Value]) -> list[Value]:
        end = code.times(code.load_integer(code.at(ends, code.times(pixel, 8))), PAIR)
        place = code.ir.mul(pixel, channels)
        _for_channels(code, channels, partial(some_channels, begin[0], end, place))
        return [end]

    def some_channels(begin: Value, end: Value, place: Value, channel: Value, vectors: int, mask: Value | None) -> None:
        def add(i: Value, variables: list[Value]) -> list[Value]:
            entry = code.at(table, i)
            at = code.at(code.load_integer(entry), channel)
            tap = code.spread_integer(code.load_integer(code.at(entry, 8)), narrow)
            results = []
            for j, total in enumerate(variables[1:]):
                window = code.at(at, j * lanes)
                who = code.load_masked(code.at(winner, code.times(window, tap_size)), mask, narrow)
                number = code.load_masked(code.at(g, code.times(window, itemsize)), mask)
                results.append(code.ir.select(code.ir.icmp_unsigned("==", who, tap), code.add(total, number), total))
            return [at, *results]

        last, *sums = code.loop(begin, end, PAIR, [code.integer(0), *[code.constant(0)] * vectors], add)
        for j, total in enumerate(sums):
            code.prefetch(code.at(g, code.at(code.times(last, itemsize), AHEAD + j * code.width)))
            code.prefetch(code.at(winner, code.at(code.times(last, tap_size), AHEAD + j * lanes * tap_size)))
            target = code.at(code.at(place, channel), j * lanes)
            code.store_masked(total, code.at(gx, code.times(target, itemsize)), mask)

    code.loop(code.integer(0), pixels, 1, [code.integer(0)], one_pixel)
    return code.finish()


@cache
def gather(itemsize: int, tap_size: int) -> int:
    """Return the address of a micro-kernel that sums, for each of some pixels, the gradients of its windows.

    It takes seven integers: addresses of the gradients of all windows, and of the numbers of the taps that have won
    there, of ``tap_size`` bytes each; that of a table with, for every window that sees a pixel, its place in these (in
    numbers) and the tap through which it does; that of the ends of each pixel's entries in the table; how many
    pixels; where the sums go; how many channels.
    """
    lanes = host().lanes(itemsize)
    name = f"gather_{lanes}_{8 * itemsize}_{8 * tap_size}"
    return address(name, lambda: emit_gather(name, itemsize, tap_size, lanes))
