"""The matrix product of one register tile: ``C[:rows, :columns] += A[:rows, :k] @ B[:k, :columns]``.

Why a matrix product is slow when it is written as three loops, and how this is not: one fused multiply-add instruction
takes two vectors and adds their product to a third. A processor starts one or two of them per cycle, but can read
only about as many numbers from its fastest cache in that time. So every number read must be used several times while
it is in a register. A *tile* of C stays in registers while ``k`` runs, and at each ``k``::

                      b0          b1             2 vectors of a row of B
              a0   c00 += a0*b0  c01 += a0*b1
     14 num-  a1   c10 += a1*b0  c11 += a1*b1    28 vectors of C, in registers all the time
     bers of  ...
     A        a13  ...

14 + 2 reads serve 28 multiply-adds. With 32 registers, 28 hold the tile, 2 the row of B, and the numbers of A are
spread over all lanes as they are read. A multiply-add takes 4 cycles until its result can be used, so at least 4 (8
where two start per cycle) must be under way that do not wait for each other: the 28 do not.

The tile follows the register file: 14 x 2 vectors of 32 registers; of 16 registers 6 x 2 (12 + 2 + 1 for a spread
number). Measured on a Zen 4 core: 14 x 2 reaches 95 % of the peak that arithmetic alone reaches.

Where the numbers of A are, is said by two tables, as address(i, k) = rows[i] + depth[k]. In the im2col matrix of a
convolution a row is an output pixel and ``k`` a window position, so the matrix is multiplied where it lies in the
image, and is never built. The table of ``k`` costs one more read per 28 multiply-adds. B is *packed*: the columns of
a tile in sequence, ``k`` after ``k``, so that it streams through the cache. Where a product has few rows, B is used
once or twice and comes from memory each time; then the processor foresees too little of it, and B is asked for
some way ahead (one image through ResNet-50: 20.0 ms without, 16.6 with it). So is a residual, at the beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from .builder import Code, Value
from .compiled import address
from .target import host

AHEAD = 4096  # bytes of B: the memory answers in the time of some 30 steps of k
LINE = 64  # bytes of a cache line
UNROLL = 4  # steps of k per turn of the loop


def tile_rows() -> int:
    """Rows of the large tile; a rest of few rows is computed by one of about half or a third of its size."""
    return 14 if host().registers >= 32 else 6


TILE_VECTORS = 2  # vectors in a row of a tile


def tile_columns(itemsize: int) -> int:
    """Columns of a tile."""
    return TILE_VECTORS * host().lanes(itemsize)


class Fetch(NamedTuple):
    """What is fetched while a tile is computed.

    Attributes
    ----------
    start : list of addresses
    fetch : function
        Fetches, at these addresses, what is due in some steps of k; returns where it goes on.
    turns : int, optional
        Only in so many turns of the loop.
    """

    start: list[Value]
    fetch: Callable[[list[Value], int], list[Value]]
    turns: int | None = None


_NO_FETCH = Fetch([], lambda places, _: places)


def product(
    code: Code, a: list[Value], depth: Value, k: Value, b: Value, vectors: int, fetch: Fetch | None = None
) -> list[Value]:
    """The vectors of C, row after row, for rows of A at the addresses ``a``."""
    width = code.width

    def step(depth: Value, b: Value, c: list[Value]) -> list[Value]:
        offset = code.load_integer(depth)
        row = [code.load(code.at(b, j * width)) for j in range(vectors)]
        result = []
        for i, start in enumerate(a):
            number = code.load_number(code.at(start, offset))
            result += [code.fma(number, row[j], c[i * vectors + j]) for j in range(vectors)]
        return result

    def turn(steps: int, fetch: Fetch):  # type: ignore[no-untyped-def]
        def run(_: Value, variables: list[Value]) -> list[Value]:
            count = len(fetch.start)
            depth, b, *c = variables[count:]
            for line in range(0, steps * TILE_VECTORS * width if steps > 1 else 0, LINE):
                code.prefetch(code.at(b, AHEAD + line))
            soon = fetch.fetch(variables[:count], steps)
            for s in range(steps):
                c = step(code.at(depth, 8 * s), code.at(b, s * TILE_VECTORS * width), c)
            return [*soon, code.at(depth, 8 * steps), code.at(b, steps * TILE_VECTORS * width), *c]

        return run

    # LLVM puts the sums of a low tile away and fetches them back in each turn that fetches, unless it has more steps.
    unroll = 2 * UNROLL if fetch and len(a) < 10 else UNROLL
    fetch, first = fetch or _NO_FETCH, code.integer(0)
    count = len(fetch.start)
    variables = [*fetch.start, depth, b, *[code.constant(0)] * (len(a) * vectors)]
    most = code.times(code.ir.sdiv(k, code.integer(unroll)), unroll)
    if fetch.turns is not None:
        end = code.integer(fetch.turns * unroll)
        end = code.ir.select(code.ir.icmp_signed("<", most, end), most, end)
        variables = code.loop(first, end, unroll, variables, turn(unroll, fetch))[count:]
        fetch, first, count = _NO_FETCH, end, 0
    variables = code.loop(first, most, unroll, variables, turn(unroll, fetch))
    return code.loop(most, k, 1, variables, turn(1, fetch))[count + 2 :]


def emit(
    name: str, rows: int, vectors: int, itemsize: int, lanes: int, fetching: bool = False, streaming: bool = False
) -> str:
    """LLVM text of the tile product, as documented at :func:`tile`."""
    code = Code(name, 11 if fetching else 9, itemsize, lanes)
    a_rows, depth, k, b, c_rows, c_offset, accumulate, columns, epilogue = code.arguments[:9]
    width = code.width
    a = [code.load_integer(code.at(a_rows, 8 * i)) for i in range(rows)]
    everywhere = range(rows * vectors)

    def fetch(soon: list[Value], steps: int) -> list[Value]:
        (place,) = soon
        for _ in range(steps):  # all at once: LLVM moves nothing across them
            code.prefetch(place, near=2)
            place = code.at(place, code.arguments[10])
        return [place]

    def places() -> list[Value]:
        starts = [code.at(code.load_integer(code.at(c_rows, 8 * i)), c_offset) for i in range(rows)]
        return [code.at(start, j * width) for start in starts for j in range(vectors)]

    for address_of_c in [] if streaming else places():  # comes while k runs: 64 channels at 1x1 take a fifth less time
        code.prefetch(address_of_c, to_write=True)

    def fetch_residual() -> list[Value]:
        residual = code.load_integer(code.at(epilogue, 16))

        def fetch() -> list[Value]:
            for address_of_c in places():
                code.prefetch(code.at(address_of_c, residual))
            return []

        return code.choose(code.nonzero(residual), fetch, list)

    code.choose(code.nonzero(epilogue), fetch_residual, list)
    c = product(code, a, depth, k, b, vectors, Fetch([code.arguments[9]], fetch) if fetching else None)
    place = places()

    def finish(masked: bool) -> list[Value]:
        """Add, scale, clamp and store: all columns, or those that exist."""
        masks = [code.first_lanes(code.at(columns, -j * lanes)) for j in range(vectors)] if masked else []

        def load(address: Value, j: int) -> Value:
            return code.load_masked(address, masks[j]) if masked else code.load(address)

        def per_column(field: int) -> list[Value]:
            start = code.at(code.load_integer(code.at(epilogue, 8 * field)), c_offset)
            return [load(code.at(start, j * width), j) for j in range(vectors)]

        def add_stored() -> list[Value]:
            return [code.add(c[q], load(place[q], q % vectors)) for q in everywhere]

        def with_epilogue() -> list[Value]:
            scale, bias = per_column(0), per_column(1)
            scaled = [code.fma(sums[q], scale[q % vectors], bias[q % vectors]) for q in everywhere]
            residual = code.load_integer(code.at(epilogue, 16))

            def add_residual() -> list[Value]:
                return [code.add(scaled[q], load(code.at(place[q], residual), q % vectors)) for q in everywhere]

            low, high = code.load_number(code.at(epilogue, 24)), code.load_number(code.at(epilogue, 32))
            added = code.choose(code.nonzero(residual), add_residual, lambda: scaled)
            return [code.at_most(code.at_least(y, low), high) for y in added]

        sums = c if streaming else code.choose(code.nonzero(accumulate), add_stored, lambda: c)
        for q, y in enumerate(code.choose(code.nonzero(epilogue), with_epilogue, lambda: sums)):
            if masked:
                code.store_masked(y, place[q], masks[q % vectors])
            elif streaming:
                code.stream(y, place[q])
            else:
                code.store(y, place[q])
        return []

    if streaming:
        finish(masked=False)
        return code.finish()
    enough = code.ir.icmp_signed(">=", columns, code.integer(vectors * lanes))
    code.choose(enough, lambda: finish(masked=False), lambda: finish(masked=True))
    return code.finish()


@cache
def tile(rows: int, itemsize: int, vectors: int = TILE_VECTORS, fetching: bool = False, streaming: bool = False) -> int:
    """Return the address of a micro-kernel that computes ``rows`` x ``tile_columns`` numbers of a matrix product.

    With ``vectors=1`` it computes the first half of the columns only, in half the time. If it is ``streaming`` it
    writes C past the caches; then all columns must exist, vectors of C start at multiples of their width, and
    ``accumulate`` is not looked at.

    It takes nine integers, if it is ``fetching`` eleven:

    - ``a_rows``: address of a table of ``rows`` addresses, the beginnings of the rows of A;
    - ``depth``: address of a table of ``k`` distances in bytes from there;
    - ``k``;
    - ``b``: address of the packed columns of B, ``k`` times ``tile_columns`` numbers;
    - ``c_rows``: address of a table of ``rows`` addresses, the beginnings of the rows of C. Two equal rows are one:
      it is written twice with the same numbers;
    - ``c_offset``: bytes from there to the first column;
    - ``accumulate``: not 0: add to what C holds;
    - ``columns``: how many columns exist from this one on. Memory after the last is neither read nor written;
    - ``epilogue``: 0, or the address of five words: address of the channels' scales, of their biases, bytes from
      C to a residual laid out like C (0: none), lower and upper bound (the first bytes of the word);
    - ``soon``, ``soon_step``: an address, and bytes from there to the next. While ``k`` runs, what stands at ``k``
      of them is fetched into the second cache, for whoever comes next. Nobody should fetch for nothing: asking for
      the same line again and again makes Winograd's gradient of the weights a fifth to a third slower.
    """
    lanes = host().lanes(itemsize)
    name = (
        f"tile_{rows}x{vectors * lanes}_{8 * itemsize}"
        + ("_fetching" if fetching else "")
        + ("_streaming" if streaming else "")
    )
    return address(name, lambda: emit(name, rows, vectors, itemsize, lanes, fetching, streaming))
