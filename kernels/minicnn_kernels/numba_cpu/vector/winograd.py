r"""Winograd's convolution of one tile: the transforms before and after the multiplications.

A filter of ``r`` numbers slides over ``n = m + r - 1`` numbers and makes ``m`` results, for ``m*r``
multiplications. Fewer do. Two polynomials of ``m`` and ``r`` coefficients can be multiplied by their values:
*evaluate* both at ``n`` points, multiply value by value, and *interpolate*, which gives the ``n`` coefficients of
the product. A sliding filter is the transpose of that product, and transposing the three steps gives (Winograd
1980; for networks Lavin & Gray 2016)::

    y = A^T [ (G g) * (B^T d) ]                    d: n numbers, g: r numbers, y: m numbers; * is number by number
    Y = A^T [ (G g G^T) * (B^T d B) ] A            in two dimensions: d (n, n), g (r, r), Y (m, m)

With ``n = 6`` a tile of 4 x 4 results of a 3 x 3 filter takes 36 multiplications instead of 144. The transforms
multiply by small constants only, and their work is shared: a tile of the image is transformed once for all filters,
a filter once for all tiles, and the sum over input channels is taken before ``A``. What is left in the middle are
36 matrix products, one per point: (tiles, C) @ (C, O), which is where the time goes, in a form that ``tile.py``
does best.

The points are 0, 3/4, -3/4, 3/2, -3/2 and infinity. With ``N_j`` the product of all ``p_j - p_l``::

    A^T[i, j] = p_j^i                              values at the points, transposed
    G[j, i]   = p_j^i / N_j                        values of the filter, divided here
    B^T[j]    = coefficients of the product of all (x - p_l), l != j

and at infinity a polynomial's value is its highest coefficient. The same six points serve every ``m + r = 7``: 4 x 4
results of a 3 x 3 filter, 2 x 2 of 5 x 5, and for the gradient of the weights 3 x 3 "results" (the weights) of a
4 x 4 "filter" (the gradient of the tile).

The price is accuracy: the transforms multiply by numbers larger than 1 and take differences of the large sums, so
digits are lost. How many depends on the points. The integers 0, 1, -1, 2, -2 of the papers, times 3/4, lose a quarter
as much: with 512 channels in float32 the results were right to 4e-6 of the largest one instead of 2e-5, where the
sum as written has 7e-7 (other factors were worse, and three quarters is exact in binary). More points save more
multiplications, but lose more digits. And NaN or infinity in one number reaches all results of its tile, not only
those of the windows that see it.

In memory a *tile* is a table of the addresses of its pixels, each the beginning of the numbers of all channels: a
pixel outside of the image is the address of zeros. A transformed tile lies in *planes*, one per point, a step
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache

from .builder import Code, Value
from .compiled import address
from .target import host

_SCALE = Fraction(3, 4)
POINTS = tuple(_SCALE * p for p in (0, 1, -1, 2, -2))  # and infinity; after 0 in pairs of opposite sign
SIDE = len(POINTS) + 1  # n: points in one dimension
PLANES = SIDE * SIDE

Matrix = list[list[Fraction]]


def times_linear(polynomial: Sequence[Fraction], root: Fraction) -> list[Fraction]:
    """Coefficients of ``polynomial * (x - root)``, the constant one first."""
    shifted, scaled = [Fraction(0), *polynomial], [*(-root * c for c in polynomial), Fraction(0)]
    return [a + b for a, b in zip(shifted, scaled, strict=True)]


def input_matrix() -> Matrix:
    """``B^T (6, 6)``."""
    rows = []
    for without in (*POINTS, None):
        row = [Fraction(1)]
        for point in POINTS:
            if point != without:
                row = times_linear(row, point)
        rows.append(row + [Fraction(0)] * (SIDE - len(row)))
    return rows


def output_matrix(m: int) -> Matrix:
    """``A^T (m, 6)``."""
    return [[*(p**i for p in POINTS), Fraction(i == m - 1)] for i in range(m)]


def filter_matrix(r: int) -> Matrix:
    """``G (6, r)``."""
    rows = []
    for p in POINTS:
        norm = Fraction(1)
        for other in POINTS:
            norm *= p - other if other != p else 1
        rows.append([p**i / norm for i in range(r)])
    return [*rows, [Fraction(i == r - 1) for i in range(r)]]


Transform = Callable[[Code, list[Value]], list[Value]]
PAIRS = (0,), (1, 2), (3, 4), (5,)  # rows of a transformed tile that have most in common: those of p and -p


def _combine(code: Code, factors: Sequence[Fraction], vectors: Sequence[Value]) -> Value:
    """``sum of factors[i] * vectors[i]`` with as few instructions as possible."""
    terms = sorted(((f, v) for f, v in zip(factors, vectors, strict=True) if f), key=lambda term: term[0] != 1)
    (first, total), *others = terms
    if first != 1:
        total = code.mul(code.constant(float(first)), total)
    for f, v in others:
        if f == 1:
            total = code.add(total, v)
        elif f == -1:
            total = code.sub(total, v)
        else:
            total = code.fma(code.constant(float(f)), v, total)
    return total


def evaluate(matrix: Matrix) -> Transform:
    """Multiplication by ``B^T`` or ``G``: the rows of ``p`` and ``-p`` have their even and odd terms in common."""

    def apply(code: Code, x: list[Value]) -> list[Value]:
        y = [_combine(code, matrix[0], x)]
        for j in range(1, SIDE - 1, 2):
            p, row = POINTS[j], matrix[j]
            even = _combine(code, row[::2], x[::2])
            odd = _combine(code, [f / p for f in row[1::2]], x[1::2])
            y += [code.fma(code.constant(float(sign * p)), odd, even) for sign in (1, -1)]
        return [*y, _combine(code, matrix[-1], x)]

    return apply


def interpolate(matrix: Matrix) -> Transform:
    """Multiplication by ``A^T``: the columns of ``p`` and ``-p`` agree in even rows and are opposite in odd ones."""

    def apply(code: Code, x: list[Value]) -> list[Value]:
        pairs = range(1, SIDE - 1, 2)
        sums = [code.add(x[j], x[j + 1]) for j in pairs]
        differences = [code.sub(x[j], x[j + 1]) for j in pairs]
        ends = [x[0], x[-1]]
        return [
            _combine(code, [*row[1:-1:2], row[0], row[-1]], [*(differences if i % 2 else sums), *ends])
            for i, row in enumerate(matrix)
        ]

    return apply


def _for_all_channels(
    code: Code, first: Value, last: Value, body: Callable[[Value, Value, Value | None], None]
) -> None:
    """``body(bytes from channel 0, bytes from channel first, mask)`` for each vector; mask is None if it is full."""
    most = code.ir.sub(code.ir.sub(last, first), code.ir.srem(code.ir.sub(last, first), code.integer(code.lanes)))

    def turn(done: Value, mask: Value | None) -> list[Value]:
        body(code.times(code.at(first, done), code.itemsize), code.times(done, code.itemsize), mask)
        return []

    code.loop(code.integer(0), most, code.lanes, [], lambda done, _: turn(done, None))
    rest = code.ir.sub(code.ir.sub(last, first), most)
    code.choose(code.nonzero(rest), lambda: turn(most, code.first_lanes(rest)), list)


def emit_to_planes(name: str, transform: Transform, n: int, itemsize: int, lanes: int) -> str:
    """LLVM text of the transform of a tile of ``n`` x ``n`` pixels, as documented at :func:`input_transform`.

    ``T x T^T`` is ``T`` times every column of ``x``, then times every row of that. Of 6 x 6 pixels some rows at a time:
    all 36 numbers at once are more than there are registers, and to read ``x`` again from the L1 cache is cheaper than
    to put them away and fetch them back (32 ns instead of 47 for 16 channels). LLVM leaves out what is computed for
    other rows.
    """
    code = Code(name, 5, itemsize, lanes)
    pixels, planes, step, first, last = code.arguments

    def body(source: Value, target: Value, mask: Value | None) -> None:
        places = [code.at(code.load_integer(code.at(pixels, 8 * i)), source) for i in range(n * n)]
        place = code.at(planes, target)
        for together in PAIRS if n == SIDE else [range(SIDE)]:
            x = [code.load(q) if mask is None else code.load_masked(q, mask) for q in places]
            columns = [transform(code, x[j::n]) for j in range(n)]
            for i in together:
                for y in transform(code, [column[i] for column in columns]):
                    code.store(y, place)
                    place = code.at(place, step)

    _for_all_channels(code, first, last, body)
    return code.finish()


def emit_from_planes(name: str, transform: Transform, n: int, itemsize: int, lanes: int) -> str:
    """LLVM text of the transform to a tile of ``n`` x ``n`` pixels, as documented at :func:`output_transform`."""
    code = Code(name, 6, itemsize, lanes)
    planes, step, pixels, first, last, epilogue = code.arguments

    def body(target: Value, source: Value, mask: Value | None) -> None:
        def load(address: Value) -> Value:
            return code.load(address) if mask is None else code.load_masked(address, mask)

        place, x = code.at(planes, source), []
        for _ in range(PLANES):
            x.append(code.load(place))
            place = code.at(place, step)
        columns = [transform(code, x[j::SIDE]) for j in range(SIDE)]
        y = [value for row in zip(*columns, strict=True) for value in transform(code, list(row))]
        places = [code.at(code.load_integer(code.at(pixels, 8 * i)), target) for i in range(n * n)]

        def with_epilogue() -> list[Value]:
            scale, bias = (load(code.at(code.load_integer(code.at(epilogue, 8 * i)), target)) for i in range(2))
            scaled = [code.fma(value, scale, bias) for value in y]
            residual = code.load_integer(code.at(epilogue, 16))

            def add_residual() -> list[Value]:
                return [code.add(v, load(code.at(place, residual))) for v, place in zip(scaled, places, strict=True)]

            low, high = code.load_number(code.at(epilogue, 24)), code.load_number(code.at(epilogue, 32))
            added = code.choose(code.nonzero(residual), add_residual, lambda: scaled)
            return [code.at_most(code.at_least(value, low), high) for value in added]

        finished = code.choose(code.nonzero(epilogue), with_epilogue, lambda: y)
        for value, place in reversed(list(zip(finished, places, strict=True))):
            if mask is None:
                code.store(value, place)
            else:
                code.store_masked(value, place, mask)

    _for_all_channels(code, first, last, body)
    return code.finish()


@cache
def input_transform(itemsize: int) -> int:
    """Return the address of a micro-kernel that computes ``B^T d B`` for all channels of a tile of 6 x 6 pixels.

    It takes five integers:

    - ``pixels``: address of a table of 36 addresses, the pixels of the tile row by row: where their channel 0 is;
    - ``planes``: address of the result's plane 0, where its channel ``first`` will be;
    - ``step``: bytes from plane to plane;
    - ``first``, ``last``: the channels ``first .. last-1`` are transformed. The last vector of the planes is
      written whole, with zeros behind the last channel; pixels are not read there.
    """
    lanes = host().lanes(itemsize)
    name = f"winograd_input_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit_to_planes(name, evaluate(input_matrix()), SIDE, itemsize, lanes))


@cache
def filter_transform(r: int, itemsize: int) -> int:
    """Return the address of a micro-kernel that computes ``G g G^T`` for a tile of ``r`` x ``r`` pixels.

    It takes the integers of :func:`input_transform`.
    """
    lanes = host().lanes(itemsize)
    name = f"winograd_filter_{r}_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit_to_planes(name, evaluate(filter_matrix(r)), r, itemsize, lanes))


@cache
def output_transform(m: int, itemsize: int) -> int:
    """Return the address of a micro-kernel that computes ``A^T M A`` for a tile of ``m`` x ``m`` pixels.

    It takes six integers:

    - ``planes``: address of plane 0, where its channel ``first`` is. The last vector is read whole;
    - ``step``: bytes from plane to plane;
    - ``pixels``: address of a table of ``m*m`` addresses, the pixels of the result row by row: where their channel
      0 is. Several may be equal: the number of the first one remains;
    - ``first``, ``last``: channels;
    - ``epilogue``: 0, or an address as in ``tile.py``.
    """
    lanes = host().lanes(itemsize)
    name = f"winograd_output_{m}_{lanes}_{8 * itemsize}"
    return address(name, lambda: emit_from_planes(name, interpolate(output_matrix(m)), m, itemsize, lanes))
