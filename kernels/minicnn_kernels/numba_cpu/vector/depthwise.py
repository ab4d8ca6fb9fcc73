"""Depthwise convolution: the products of a window with a row of pixels, a vector of channels at a time.

Every channel has a window of its own, so this is no matrix product: with channels-last memory the vector runs along
the channels, and each number of the window meets each pixel it covers once. What can be saved is reading. Eight
neighbouring output pixels are computed together, in eight registers; with a window of three columns and stride 1 they
look at ten input pixels, each of which is read once and used up to three times::

    x          x0    x1    x2    x3    ...          read once each
    y0      +=  w0    w1    w2                      8 sums in registers,
    y1      +=        w0    w1    w2                the row's weights too
    y2      +=              w0    w1    w2

so that 13 reads serve 24 multiply-adds. (With every product's number read on its own, reading takes as long as
computing, and twice that where vectors cross the lines of the cache: measured 1.5 times slower.)

The gradient of the weights has the roles exchanged: the window's sums stay in registers while the pixels pass.

Pixels at the left and right border do not have all their columns. They are computed one at a time, and a column that
does not exist reads some number that does, which a selection then leaves out: there is no padded copy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from .builder import Code, Value
from .compiled import address
from .target import host

MOST_TAPS = 8  # columns of a window that are spelt out: their weights, or sums, stay in registers
PIXELS = (8, 4)  # output pixels computed together: as many eights as there are, then a four, then single ones
UNROLL = 4  # pixels in a turn of the loop that sums over them

Turn = Callable[[Value, list[Value]], list[Value]]


def _positions(pixels: int, taps: int, step: int, spread: int) -> dict[int, list[tuple[int, int]]]:
    """Which (pixel, tap) look at each input column, in the order of the columns."""
    seen: dict[int, list[tuple[int, int]]] = {}
    for pixel in range(pixels):
        for tap in range(taps):
            seen.setdefault(pixel * step + tap * spread, []).append((pixel, tap))
    return dict(sorted(seen.items()))


def _for_channels(code: Code, channels: Value, body: Callable[[Value, Value | None], None]) -> None:
    """``body(offset in bytes, mask)`` for every vector of channels; the mask is None but for a last one not full."""
    rest = code.ir.srem(channels, code.integer(code.lanes))
    full = code.times(code.ir.sub(channels, rest), code.itemsize)

    def turn(offset: Value, _: list[Value]) -> list[Value]:
        body(offset, None)
        return []

    def last() -> list[Value]:
        body(full, code.first_lanes(rest))
        return []

    code.loop(code.integer(0), full, code.width, [], turn)
    code.choose(code.nonzero(rest), last, list)


def _load(code: Code, at: Value, mask: Value | None) -> Value:
    return code.load(at) if mask is None else code.load_masked(at, mask)


def _store(code: Code, vector: Value, at: Value, mask: Value | None) -> None:
    if mask is None:
        code.store(vector, at)
    else:
        code.store_masked(vector, at, mask)


def emit_correlation(name: str, taps: int, step: int, spread: int, itemsize: int, lanes: int) -> str:
    """LLVM text of the correlation, as documented at :func:`correlation`."""
    code = Code(name, 7, itemsize, lanes)
    y, x, w, rows, bias, bounds, plan = code.arguments
    words = (code.load_integer(code.at(plan, 8 * i)) for i in range(10))
    channels, count, size, column, first, last, groups, distance, y_pixel, x_row = words
    zero, pixel = code.integer(0), code.times(channels, itemsize)  # bytes from one pixel of x to the next
    x_group, w_group = code.ir.mul(distance, pixel), code.times(pixel, taps)
    w_row = code.ir.mul(w_group, groups)
    low, high = code.load_number(bounds), code.load_number(code.at(bounds, itemsize))

    def tile(pixels: int, u: Value, offset: Value, mask: Value | None, border: bool) -> None:
        def group(g: Value, variables: list[Value]) -> list[Value]:
            x, w, *sums = variables
            weights = [_load(code, code.at(w, code.times(pixel, tap)), mask) for tap in range(taps)]
            for position, uses in _positions(pixels, taps, step, spread).items():
                at = code.at(x, code.times(pixel, position))
                if border:
                    where = code.at(left, code.at(code.ir.mul(g, distance), position))
                    there = code.ir.icmp_unsigned("<", where, size)  # unsigned: what is negative is large
                    value = _load(code, code.ir.select(there, at, w), mask)
                    product = code.fma(weights[uses[0][1]], value, sums[0])
                    sums[0] = code.ir.select(there, product, sums[0])
                else:
                    value = _load(code, at, mask)
                    for p, tap in uses:
                        sums[p] = code.fma(weights[tap], value, sums[p])
            return [code.at(x, x_group), code.at(w, w_group), *sums]

        def row(_: Value, variables: list[Value]) -> list[Value]:
            x, w, *sums = variables
            sums = code.loop(zero, groups, 1, [x, w, *sums], group)[2:]
            return [code.at(x, x_row), code.at(w, w_row), *sums]

        left = code.at(column, code.times(u, step))
        start = code.at(code.at(x, offset), code.ir.mul(code.times(u, step), pixel))
        begin = [_load(code, code.at(bias, offset), mask)] * pixels
        sums = code.loop(zero, rows, 1, [start, code.at(w, offset), *begin], row)[2:]
        for p, total in enumerate(sums):
            place = code.at(code.at(y, offset), code.ir.mul(code.at(u, p), y_pixel))
            _store(code, code.at_most(code.at_least(total, low), high), place, mask)

    def run(pixels: int, border: bool) -> Turn:
        def turn(u: Value, _: list[Value]) -> list[Value]:
            _for_channels(code, channels, lambda offset, mask: tile(pixels, u, offset, mask, border))
            return []

        return turn

    done, length = first, code.ir.sub(last, first)
    for pixels in PIXELS:
        end = code.at(first, code.times(code.ir.sdiv(length, code.integer(pixels)), pixels))
        code.loop(done, end, pixels, [], run(pixels, border=False))
        done = end
    together = code.ir.sub(done, first)

    def alone(i: Value, _: list[Value]) -> list[Value]:
        before = code.ir.icmp_signed("<", i, first)
        return run(1, border=True)(code.ir.select(before, i, code.at(i, together)), [])

    code.loop(zero, code.ir.sub(count, together), 1, [], alone)
    return code.finish()


@cache
def correlation(taps: int, step: int, spread: int, itemsize: int) -> int:
    """Return the address of a micro-kernel that correlates a window with a row of pixels, for all channels.

    ::

        y[u] = clamp(bias + sum over row, tap of w[row, tap] * x[row, u*step + tap*spread])

    It takes seven integers: the addresses of ``y`` and of ``x``, ``w`` where the window's first row and column meet the
    first pixel; how many rows the window has; the addresses of the bias and of two numbers, the bounds; and
    that of ten words: channels; pixels ``u``; the columns of the image, and which of them ``x`` is at (it may be
    negative); the first ``u`` all of whose columns are in the image and the one after the last; groups of
    ``taps`` columns that the window is made of, and how many columns of the image apart they are; and bytes of ``y``
    from pixel to pixel and of ``x`` from row to row.
    """
    lanes = host().lanes(itemsize)
    name = f"correlation_{taps}_{step}_{spread}_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit_correlation(name, taps, step, spread, itemsize, lanes))


def emit_window_sums(name: str, taps: int, step: int, spread: int, itemsize: int, lanes: int) -> str:
    """LLVM text of the sums, as documented at :func:`window_sums`."""
    code = Code(name, 5, itemsize, lanes)
    sums, g, x, rows, plan = code.arguments
    words = (code.load_integer(code.at(plan, 8 * i)) for i in range(8))
    channels, count, size, column, first, last, g_row, x_row = words
    zero, pixel = code.integer(0), code.times(channels, itemsize)
    # A sum can be added to every 4 cycles only, so a few taps alone would wait: neighbouring pixels have other sums.
    sets = min(UNROLL, -(-8 // taps))

    def some(pixels: int, offset: Value, mask: Value | None, border: bool) -> Turn:
        """The products of ``pixels`` neighbours with what they look at."""

        def turn(u: Value, variables: list[Value]) -> list[Value]:
            g, x, *totals = variables
            source = code.at(g, code.at(offset, code.ir.mul(u, pixel)))
            slopes = [_load(code, code.at(source, code.times(pixel, p)), mask) for p in range(pixels)]
            start = code.at(x, code.at(offset, code.ir.mul(code.times(u, step), pixel)))
            for position, uses in _positions(pixels, taps, step, spread).items():
                at = code.at(start, code.times(pixel, position))
                if border:
                    tap = uses[0][1]
                    where = code.at(code.at(column, code.times(u, step)), position)
                    there = code.ir.icmp_unsigned("<", where, size)
                    value = _load(code, code.ir.select(there, at, source), mask)
                    totals[tap] = code.ir.select(there, code.fma(slopes[0], value, totals[tap]), totals[tap])
                else:
                    value = _load(code, at, mask)
                    for p, tap in uses:
                        place = p % sets * taps + tap
                        totals[place] = code.fma(slopes[p], value, totals[place])
            return [g, x, *totals]

        return turn

    def block(offset: Value, mask: Value | None) -> None:
        def row(_: Value, variables: list[Value]) -> list[Value]:
            even = code.at(first, code.times(code.ir.sdiv(code.ir.sub(last, first), code.integer(UNROLL)), UNROLL))
            variables = code.loop(zero, first, 1, variables, some(1, offset, mask, border=True))
            variables = code.loop(first, even, UNROLL, variables, some(UNROLL, offset, mask, border=False))
            variables = code.loop(even, last, 1, variables, some(1, offset, mask, border=False))
            g, x, *totals = code.loop(last, count, 1, variables, some(1, offset, mask, border=True))
            return [code.at(g, g_row), code.at(x, x_row), *totals]

        totals = code.loop(zero, rows, 1, [g, x, *[code.constant(0)] * (sets * taps)], row)[2:]
        for tap in range(taps):
            place = code.at(code.at(sums, offset), code.times(pixel, tap))
            total = _load(code, place, mask)
            for part in range(sets):
                total = code.add(total, totals[part * taps + tap])
            _store(code, total, place, mask)

    _for_channels(code, channels, block)
    return code.finish()


@cache
def window_sums(taps: int, step: int, spread: int, itemsize: int) -> int:
    """Return the address of a micro-kernel that adds to the gradient of ``taps`` neighbouring weights of all channels.

    ::

        sums[tap] += sum over rows i, pixels u of g[i, u] * x[i, u*step + tap*spread]

    It takes five integers: the addresses of ``sums``, ``g`` and ``x`` where the first row begins; how many rows; and
    the address of eight words: channels; pixels ``u``; the columns of the image, and which of them ``x`` is at;
    the first ``u`` all of whose columns are in the image and the one after the last; and bytes from row to row of ``g``
    and of ``x``.
    """
    lanes = host().lanes(itemsize)
    name = f"window_sums_{taps}_{step}_{spread}_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit_window_sums(name, taps, step, spread, itemsize, lanes))
