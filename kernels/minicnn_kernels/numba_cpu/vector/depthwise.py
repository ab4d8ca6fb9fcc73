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

What lies outside the image is read from a vector of zeros instead: for every pixel an address is chosen, which costs
nothing beside the arithmetic, and there is neither a padded copy nor other code for the border.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from .builder import Code, Value
from .compiled import address
from .target import host

MOST_TAPS = 8  # columns of a window that are spelt out: their weights stay in registers
PIXELS = (8, 4, 1)  # output pixels computed together: the first of these that wastes little
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


def _inside(code: Code, where: Value, size: Value, at: Value, zeros: Value) -> Value:
    """The address ``at`` if ``0 <= where < size``, else that of zeros."""
    return code.ir.select(code.ir.icmp_unsigned("<", where, size), at, zeros)  # unsigned: what is negative is large


def emit_correlation(
    name: str, taps: int, step: int, spread: int, itemsize: int, lanes: int, streaming: bool = False
) -> str:
    """LLVM text of the correlation, as documented at :func:`correlation`."""
    code = Code(name, 8, itemsize, lanes)
    y, x, w, rows, channels, bias, bounds, plan = code.arguments
    words = (code.load_integer(code.at(plan, 8 * i)) for i in range(10))
    pixel, count, size, column, groups, distance, y_pixel, x_row, ahead, zeros = words
    zero, w_group = code.integer(0), code.times(pixel, taps)
    w_row = code.ir.mul(w_group, groups)
    low, high = code.load_number(bounds), code.load_number(code.at(bounds, itemsize))

    def tile(pixels: int, u: Value, offset: Value, mask: Value | None) -> None:
        left = code.at(column, code.times(u, step))
        start = code.at(code.at(x, offset), code.ir.mul(code.times(u, step), pixel))
        for line in range(step):
            for p in range(pixels * step):
                below = code.at(ahead, code.times(x_row, line))
                code.prefetch(code.at(code.at(start, code.times(pixel, p)), below), near=2)

        def group(_: Value, variables: list[Value]) -> list[Value]:
            x, w, left, *sums = variables
            weights = [_load(code, code.at(w, code.times(pixel, tap)), mask) for tap in range(taps)]
            for position, uses in _positions(pixels, taps, step, spread).items():
                at = _inside(code, code.at(left, position), size, code.at(x, code.times(pixel, position)), zeros)
                value = _load(code, at, mask)
                for p, tap in uses:
                    sums[p] = code.fma(weights[tap], value, sums[p])
            return [code.at(x, code.ir.mul(distance, pixel)), code.at(w, w_group), code.at(left, distance), *sums]

        def row(_: Value, variables: list[Value]) -> list[Value]:
            x, w, *sums = variables
            sums = code.loop(zero, groups, 1, [x, w, left, *sums], group)[3:]
            return [code.at(x, x_row), code.at(w, w_row), *sums]

        begin = [_load(code, code.at(bias, offset), mask)] * pixels
        for p, total in enumerate(code.loop(zero, rows, 1, [start, code.at(w, offset), *begin], row)[2:]):
            place = code.at(code.at(y, offset), code.ir.mul(code.at(u, p), y_pixel))
            result = code.at_most(code.at_least(total, low), high)
            if streaming and mask is None:
                code.stream(result, place)
            else:
                _store(code, result, place, mask)

    def run(pixels: int, last: Value) -> Turn:
        """``pixels`` from ``u`` on, or those up to ``last`` if there are fewer: some are then computed twice."""

        def turn(u: Value, _: list[Value]) -> list[Value]:
            most = code.ir.sub(last, code.integer(pixels))
            u = code.ir.select(code.ir.icmp_signed("<", u, most), u, most)
            _for_channels(code, channels, lambda offset, mask: tile(pixels, u, offset, mask))
            return []

        return turn

    done = zero
    for pixels, least in zip(PIXELS, (*PIXELS[1:], 0), strict=True):
        whole = code.at(done, code.times(code.ir.sdiv(code.ir.sub(count, done), code.integer(pixels)), pixels))
        worth = code.ir.icmp_signed(">", code.ir.sub(count, whole), code.integer(least))  # one more, overlapping
        possible = code.ir.icmp_signed(">=", count, code.integer(pixels))
        last = code.ir.select(code.ir.and_(worth, possible), count, whole)
        code.loop(done, last, pixels, [], run(pixels, last))
        done = last
    return code.finish()


@cache
def correlation(taps: int, step: int, spread: int, itemsize: int, streaming: bool = False) -> int:
    """Return the address of a micro-kernel that correlates a window with a row of pixels, for some channels.

    ::

        y[u] = clamp(bias + sum over row, group, tap of w[row, group, tap] * x[row, place])
        place = u*step + group*distance + tap*spread

    It takes eight integers: the addresses of ``y`` and of ``x``, ``w`` where the window's first row and column meet the
    first pixel; how many rows the window has; how many channels; the addresses of the bias and of two numbers, the
    bounds; and that of ten words: bytes from pixel to pixel of ``x``, and from column to column of ``w``; pixels
    ``u``; the columns of the image, and which of them ``x`` is at (it may be negative); groups of ``taps`` columns
    that the window is made of, and their ``distance``; bytes of ``y`` from pixel to pixel, of ``x`` from row to row,
    and of ``x`` from here to what will be needed later; and the address of a vector of zeros.

    If it is ``streaming`` it writes whole vectors past the caches; they must start at multiples of their width.
    """
    lanes = host().lanes(itemsize)
    name = f"correlation_{taps}_{step}_{spread}_{lanes}_{8 * itemsize}" + ("_streaming" if streaming else "")
    return address(name, lambda: emit_correlation(name, taps, step, spread, itemsize, lanes, streaming))


def emit_window_sums(name: str, deep: int, taps: int, step: int, spread: int, itemsize: int, lanes: int) -> str:
    """LLVM text of the sums, as documented at :func:`window_sums`."""
    code = Code(name, 7, itemsize, lanes)
    sums, g, x, row, rows, channels, plan = code.arguments
    words = (code.load_integer(code.at(plan, 8 * i)) for i in range(14))
    pixel, count, height, size, column, g_row, x_row, x_tap, sums_row, stride, dilation, g_ahead, x_ahead, zeros = words
    zero = code.integer(0)
    everywhere = [(a, tap) for a in range(deep) for tap in range(taps)]
    # A sum can be added to every 4 cycles only, so a few taps alone would wait: neighbouring pixels have other sums.
    sets = min(UNROLL, -(-8 // len(everywhere)))

    def some(pixels: int, row: Value, offset: Value, mask: Value | None) -> Turn:
        """The products of ``pixels`` neighbours with what they look at."""
        sizes = [
            code.ir.select(code.ir.icmp_unsigned("<", code.at(row, code.times(dilation, a)), height), size, zero)
            for a in range(deep)
        ]  # a row that is not there has no columns

        def turn(u: Value, variables: list[Value]) -> list[Value]:
            g, x, *totals = variables
            source = code.at(g, code.at(offset, code.ir.mul(u, pixel)))
            start = code.at(x, code.at(offset, code.ir.mul(code.times(u, step), pixel)))
            for p in range(pixels):
                code.prefetch(code.at(code.at(source, code.times(pixel, p)), g_ahead), near=2)
            for p in range(pixels * step):
                code.prefetch(code.at(code.at(start, code.times(pixel, p)), x_ahead), near=2)
            slopes = [_load(code, code.at(source, code.times(pixel, p)), mask) for p in range(pixels)]
            left = code.at(column, code.times(u, step))
            for position, uses in _positions(pixels, taps, step, spread).items():
                at = code.at(start, code.times(pixel, position))
                for a in range(deep):
                    place = code.at(at, code.times(x_tap, a))
                    value = _load(code, _inside(code, code.at(left, position), sizes[a], place, zeros), mask)
                    for p, tap in uses:
                        i = p % sets * len(everywhere) + a * taps + tap
                        totals[i] = code.fma(slopes[p], value, totals[i])
            return [g, x, *totals]

        return turn

    def block(offset: Value, mask: Value | None) -> None:
        def line(_: Value, variables: list[Value]) -> list[Value]:
            row, *variables = variables
            most = code.times(code.ir.sdiv(count, code.integer(UNROLL)), UNROLL)
            variables = code.loop(zero, most, UNROLL, variables, some(UNROLL, row, offset, mask))
            g, x, *totals = code.loop(most, count, 1, variables, some(1, row, offset, mask))
            return [code.at(row, stride), code.at(g, g_row), code.at(x, x_row), *totals]

        start = [code.constant(0)] * (sets * len(everywhere))
        totals = code.loop(zero, rows, 1, [row, g, x, *start], line)[3:]
        for i, (a, tap) in enumerate(everywhere):
            place = code.at(code.at(code.at(sums, offset), code.times(sums_row, a)), code.times(pixel, tap))
            total = _load(code, place, mask)
            for part in range(sets):
                total = code.add(total, totals[part * len(everywhere) + i])
            _store(code, total, place, mask)

    _for_channels(code, channels, block)
    return code.finish()


def window_rows(rows: int, taps: int) -> int:
    """How many rows of ``taps`` columns :func:`window_sums` takes at once: the sums fill not quite half the registers.

    (With more of them it was 1.2 to 1.7 times slower: numbers on their way from memory need registers too.)
    """
    return max(1, min(rows, (host().registers // 2 - 2) // taps))


@cache
def window_sums(rows: int, taps: int, step: int, spread: int, itemsize: int) -> int:
    """Return the address of a micro-kernel that adds to the gradient of ``rows`` x ``taps`` weights of some channels.

    ::

        sums[a, tap] += sum over rows i, pixels u of g[i, u] * x[i*stride + a*dilation, u*step + tap*spread]

    It takes seven integers: the addresses of ``sums``, ``g`` and ``x`` where the first row begins; which row of the
    image ``x`` is at; how many rows ``i``; how many channels; and the address of fourteen words: bytes from pixel to
    pixel; pixels ``u``; the rows and the columns of the image, and which column ``x`` is at; bytes from row to row of
    ``g``, of ``x`` (``stride`` rows of the image, and ``dilation``) and of ``sums``; ``stride``; ``dilation``; bytes of
    ``g`` and of ``x`` from here to what will be needed later; and the address of a vector of zeros.
    """
    lanes = host().lanes(itemsize)
    name = f"window_sums_{rows}x{taps}_{step}_{spread}_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit_window_sums(name, rows, taps, step, spread, itemsize, lanes))
