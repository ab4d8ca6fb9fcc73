"""The micro-kernels, in the widths of AVX-512, AVX2 and NEON: LLVM makes any width run on any machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.numba_cpu import product
from minicnn_kernels.numba_cpu.vector import compiled, copy, dot, max_pooling, normalize, target, tile, transpose

from .micro_kernels import WIDTHS, close, kind_of, load_once, table

LINE = 64  # bytes of a line of the caches


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("rows", [14, 6, 1])
@pytest.mark.parametrize("k", [0, 1, 7, 40])
@pytest.mark.parametrize("columns", ["all", "one less", "one"])
@pytest.mark.parametrize("fetching", [False, True])
def test_a_tile_is_a_matrix_product_and_touches_nothing_else(lanes, itemsize, rows, k, columns, fetching):
    rng = np.random.default_rng(0)
    kind, width = kind_of(itemsize), 2 * lanes
    n = {"all": width, "one less": width - 1, "one": 1}[columns]
    run = load_once(tile.emit, rows, 2, itemsize, lanes, fetching)
    soon = (8, 1 << 20) if fetching else ()  # no memory of ours: what is fetched may be anything
    a = rng.standard_normal((rows, k)).astype(kind)
    b = rng.standard_normal((k, width)).astype(kind)
    c, residual = (np.full((rows, width + 2), 7, kind) for _ in range(2))
    residual[:, :n] = rng.standard_normal((rows, n))
    scale, bias = rng.standard_normal((2, width)).astype(kind)
    a_rows = table(*(a.ctypes.data + i * a.strides[0] for i in range(rows)))
    c_rows = table(*(c.ctypes.data + i * c.strides[0] for i in range(rows)))
    depth = table(*(i * itemsize for i in range(k)))
    arguments = [t.ctypes.data for t in (a_rows, depth)] + [k, b.ctypes.data, c_rows.ctypes.data, 0]
    run(*arguments, 0, n, 0, *soon)
    np.testing.assert_allclose(c[:, :n], (a @ b)[:, :n], **close(itemsize))
    assert (c[:, n:] == 7).all()
    run(*arguments, 1, n, 0, *soon)
    np.testing.assert_allclose(c[:, :n], 2 * (a @ b)[:, :n], **close(itemsize))
    words = table(scale.ctypes.data, bias.ctypes.data, residual.ctypes.data - c.ctypes.data, 0, 0)
    words.view(kind)[24 // itemsize], words.view(kind)[32 // itemsize] = -0.5, 1.5
    run(*arguments, 0, n, words.ctypes.data, *soon)
    expected = np.clip((a @ b)[:, :n] * scale[:n] + bias[:n] + residual[:, :n], -0.5, 1.5)
    np.testing.assert_allclose(c[:, :n], expected, **close(itemsize))
    assert (c[:, n:] == 7).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("rows", [4, 14])
def test_a_tile_of_one_vector_computes_half_of_the_columns(lanes, itemsize, rows):
    rng, kind = np.random.default_rng(0), kind_of(itemsize)
    run = load_once(tile.emit, rows, 1, itemsize, lanes)
    a, b = rng.standard_normal((rows, 9)).astype(kind), rng.standard_normal((9, 2 * lanes)).astype(kind)
    depth = table(*(i * itemsize for i in range(9)))
    for n in (lanes, lanes - 1, 1):
        c = np.full((rows, lanes + 2), 7, kind)
        a_rows, c_rows = (table(*(x.ctypes.data + i * x.strides[0] for i in range(rows))) for x in (a, c))
        run(a_rows.ctypes.data, depth.ctypes.data, 9, b.ctypes.data, c_rows.ctypes.data, 0, 0, n, 0)
        np.testing.assert_allclose(c[:, :n], (a @ b)[:, :n], **close(itemsize))
        assert (c[:, n:] == 7).all()


def in_whole_lines(rows, n, kind):
    """Zeros whose rows begin with a line of the caches, with a line of sevens behind each."""
    step = -(-n * kind().itemsize // LINE) * LINE + LINE
    memory = np.full(rows * step + LINE, 0, np.uint8)
    start = -memory.ctypes.data % LINE
    c = memory[start : start + rows * step].view(kind).reshape(rows, step // kind().itemsize)
    c[:, n:] = 7
    return c


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("rows", [14, 6, 1])
@pytest.mark.parametrize("vectors", [2, 1])
@pytest.mark.parametrize("fetching", [False, True])
def test_a_streaming_tile_writes_the_same(lanes, itemsize, rows, vectors, fetching):
    rng, kind, n = np.random.default_rng(0), kind_of(itemsize), vectors * lanes
    soon = (8, 1 << 20) if fetching else ()
    a, b = rng.standard_normal((rows, 9)).astype(kind), rng.standard_normal((9, 2 * lanes)).astype(kind)
    scale, bias = rng.standard_normal((2, n)).astype(kind)
    words = table(scale.ctypes.data, bias.ctypes.data, 0, 0, 0)
    words.view(kind)[24 // itemsize], words.view(kind)[32 // itemsize] = -0.5, 1.5
    depth = table(*(i * itemsize for i in range(9)))
    run = load_once(tile.emit, rows, vectors, itemsize, lanes, fetching, True)
    for epilogue in (0, words.ctypes.data):
        c = in_whole_lines(rows, n, kind)
        a_rows, c_rows = (table(*(x.ctypes.data + i * x.strides[0] for i in range(rows))) for x in (a, c))
        run(*(t.ctypes.data for t in (a_rows, depth)), 9, b.ctypes.data, c_rows.ctypes.data, 0, 0, n, epilogue, *soon)
        product = (a @ b)[:, :n]
        expected = np.clip(product * scale + bias, -0.5, 1.5) if epilogue else product
        np.testing.assert_allclose(c[:, :n], expected, **close(itemsize))
        assert (c[:, n:] == 7).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
def test_a_tile_may_store_a_row_twice(lanes, itemsize):
    kind = kind_of(itemsize)
    run = load_once(tile.emit, 6, 2, itemsize, lanes)
    a, b, c = np.ones((1, 3), kind), np.ones((3, 2 * lanes), kind), np.ones((1, 2 * lanes), kind)
    rows = [table(*[x.ctypes.data] * 6) for x in (a, c)]
    depth = table(0, itemsize, 2 * itemsize)
    run(rows[0].ctypes.data, depth.ctypes.data, 3, b.ctypes.data, rows[1].ctypes.data, 0, 1, 2 * lanes, 0)
    assert (c == 4).all()  # added once


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
def test_the_clamp_keeps_nan(lanes, itemsize):
    kind = kind_of(itemsize)
    run = load_once(tile.emit, 1, 2, itemsize, lanes)
    a, b, c = np.full((1, 1), np.nan, kind), np.ones((1, 2 * lanes), kind), np.zeros((1, 2 * lanes), kind)
    ones, zeros = np.ones(2 * lanes, kind), np.zeros(2 * lanes, kind)
    words = table(ones.ctypes.data, zeros.ctypes.data, 0, 0, 0)
    words.view(kind)[24 // itemsize], words.view(kind)[32 // itemsize] = 0, 6
    tables = table(a.ctypes.data), table(0), table(c.ctypes.data)
    at = [t.ctypes.data for t in tables]
    run(at[0], at[1], 1, b.ctypes.data, at[2], 0, 0, 2 * lanes, words.ctypes.data)
    assert np.isnan(c).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
def test_a_square_is_transposed(lanes, itemsize):
    x = np.arange(lanes * (lanes + 3), dtype=kind_of(itemsize)).reshape(lanes, lanes + 3)
    out = np.zeros((lanes, lanes + 1), x.dtype)
    run = load_once(transpose.emit, itemsize, lanes)
    run(x.ctypes.data, x.strides[0], out.ctypes.data, out.strides[0])
    np.testing.assert_array_equal(out[:, :lanes], x[:, :lanes].T)
    assert (out[:, lanes:] == 0).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
def test_rows_are_transposed_to_places_from_a_table(lanes, itemsize):
    run = load_once(transpose.emit_scattered, itemsize, lanes)
    for count in range(1, lanes + 1):
        x = np.random.default_rng(0).standard_normal((lanes, count)).astype(kind_of(itemsize))
        out = np.zeros((count + 2, lanes), x.dtype)
        places = np.random.default_rng(1).permutation(count)
        distances = table(*(places * out.strides[0]))
        run(x.ctypes.data, x.strides[0], count, distances.ctypes.data, out.ctypes.data)
        np.testing.assert_array_equal(out[places], x.T)
        assert (out[count:] == 0).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("count", [0, 1, 3, 16, 37])
def test_runs_are_copied_one_under_the_other(lanes, itemsize, count):
    x = np.arange(200, dtype=kind_of(itemsize))
    block = np.full((3, count + 2), -1, x.dtype)
    starts = table(*(i * itemsize for i in (5, 100, 2)))
    run = load_once(copy.emit, itemsize, lanes)
    run(starts.ctypes.data, 3, x.ctypes.data, block.ctypes.data, block.strides[0], count)
    for row, start in zip(block, (5, 100, 2), strict=True):
        np.testing.assert_array_equal(row[:count], x[start : start + count])
        assert (row[count:] == -1).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("count", [0, 1, 3, 16, 37])
@pytest.mark.parametrize("rows", [0, 1, 4, 7])
def test_rows_are_normalised_and_nothing_else_is_touched(lanes, itemsize, count, rows):
    rng, kind, before = np.random.default_rng(0), kind_of(itemsize), 2  # columns before those that are meant
    x = np.full((8, count + 5), np.nan, kind)
    x[:rows, 3 : 3 + count] = rng.standard_normal((rows, count))
    constants = rng.standard_normal((3, before + count)).astype(kind)
    words = table(*constants.ctypes.data + np.arange(3) * constants.strides[0], 0, 0)
    bounds = words.view(kind)
    bounds[24 // itemsize], bounds[32 // itemsize] = -0.5, 1.5
    block = np.full((8, count + 2), 7, kind)
    numbers = words.ctypes.data, before * itemsize
    run = load_once(normalize.emit, itemsize, lanes)
    run(x[:, 3:].ctypes.data, x.strides[0], block.ctypes.data, block.strides[0], rows, count, *numbers)
    mean, scale, shift = constants[:, before:]
    expected = np.clip((x[:rows, 3 : 3 + count] - mean) * scale + shift, -0.5, 1.5)
    np.testing.assert_allclose(block[:rows, :count], expected, **close(itemsize))
    assert (block[:, count:] == 7).all()
    assert (block[rows:] == 7).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("k", [0, 1, 5, 32, 77])
def test_dot_products_of_rows(lanes, itemsize, k):
    rng = np.random.default_rng(0)
    sea = np.full((4, k + 5), np.nan, kind_of(itemsize))
    w, x = sea[:, 2 : k + 2], rng.standard_normal(k).astype(sea.dtype)
    w[...] = rng.standard_normal((4, k))
    y = np.full((4, 2), 7, sea.dtype)
    run = load_once(dot.emit, 4, itemsize, lanes)
    run(x.ctypes.data, w.ctypes.data, w.strides[0], k, y.ctypes.data, y.strides[0])
    np.testing.assert_allclose(y[:, 0], w @ x, **close(itemsize))
    assert (y[:, 1] == 7).all()


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("tap_type", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 16, 45])
def test_the_first_maximum_of_a_window_and_its_gradient(lanes, itemsize, tap_type, channels):
    """Two windows of three pixels each, the second one two pixels after the first; all among sevens."""
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 2, (5, channels)).astype(kind_of(itemsize))
    x[rng.random(x.shape) < 0.1] = np.nan
    tap_size, size = np.dtype(tap_type).itemsize, channels * itemsize
    numbers = np.array([1, 5, 200], tap_type)
    taps = table(*[(i * size, number) for i, number in enumerate(numbers)])
    y, winner = np.full((3, channels), 7, x.dtype), np.full((3, channels), 7, tap_type)
    run = load_once(max_pooling.emit_largest, itemsize, tap_size, lanes)
    run(x.ctypes.data, 2 * size, taps.ctypes.data, 3, 2, y.ctypes.data, winner.ctypes.data, channels)
    for window in range(2):
        seen = x[2 * window : 2 * window + 3]
        missing = np.isnan(seen)
        first = np.where(missing.any(axis=0), 2 - missing[::-1].argmax(axis=0), seen.argmax(axis=0))
        np.testing.assert_array_equal(y[window], np.take_along_axis(seen, first[None], axis=0)[0])
        np.testing.assert_array_equal(winner[window], numbers[first])
    assert (y[2] == 7).all()
    assert (winner[2] == 7).all()

    g, gx = rng.standard_normal((2, channels)).astype(x.dtype), np.full((6, channels), 7, x.dtype)
    seen_by = [
        [(0, 0)],
        [(0, 1)],
        [(0, 2), (1, 0)],
        [],
        [(1, 2)],
    ]  # of each pixel: window and tap
    windows = table(*[(window * channels, numbers[tap]) for pairs in seen_by for window, tap in pairs])
    ends = table(*np.cumsum([len(pairs) for pairs in seen_by]))
    run = load_once(max_pooling.emit_gather, itemsize, tap_size, lanes)
    tables = g.ctypes.data, winner.ctypes.data, windows.ctypes.data, ends.ctypes.data
    run(*tables, 5, gx.ctypes.data, channels)
    for pixel, pairs in enumerate(seen_by):
        parts = [np.where(winner[window] == numbers[tap], g[window], 0) for window, tap in pairs]
        np.testing.assert_allclose(gx[pixel], sum(parts, np.zeros(channels)), **close(itemsize))
    assert (gx[5] == 7).all()


def test_the_registers_of_processors():
    registers = target._registers
    assert registers("x86_64-unknown-linux-gnu", "+sse2,+avx2,+fma,+avx512f") == (64, 32)
    assert registers("x86_64-unknown-linux-gnu", "+sse2,+avx2,+fma,-avx512f") == (32, 16)
    assert registers("x86_64-unknown-linux-gnu", "+sse2") == (16, 16)
    assert registers("aarch64-unknown-linux-gnu", "+neon") == (16, 32)


def test_a_file_that_breaks_off_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "directory", lambda: tmp_path)
    emits = []

    def emit(name="broken_off"):
        emits.append(name)
        return transpose.emit(name, 4, 4)

    first = compiled.address("broken_off", emit)
    (path,) = tmp_path.glob("broken_off-*.o")
    assert compiled.address("broken_off", emit) != first or len(emits) == 1
    assert len(emits) == 1
    path.write_bytes(path.read_bytes()[:-40])
    compiled.address("broken_off", emit)
    assert len(emits) == 2


@pytest.mark.parametrize("place", [None, "missing", "a file"])
def test_without_a_place_for_files_micro_kernels_are_compiled_all_the_same(tmp_path, monkeypatch, place):
    (tmp_path / "a file").write_text("")
    monkeypatch.setattr(compiled, "directory", lambda: None if place is None else tmp_path / place / "below")
    assert compiled.address("nowhere", lambda: transpose.emit("nowhere", 4, 4))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n", [8, 16, 24, 32, 48, 112, 144])
@pytest.mark.parametrize("k", [1, 37, 2000])
def test_a_product_that_is_streamed_is_the_same_to_the_last_digit(monkeypatch, kind, n, k):
    rng, m = np.random.default_rng(n), 501
    a, b = rng.standard_normal((m, k)).astype(kind), rng.standard_normal((k, n)).astype(kind)
    sizes = {"n": n, "a_sizes": (1, 1, m, 1, 1, k), "a_strides": (0, 0, k, 0, 0, 1), "b_strides": (0, 0, n, 1)}
    results = []
    for least in (1 << 60, 0):
        monkeypatch.setattr(product, "STREAMED", least)
        c = in_whole_lines(m, n, kind)
        rows = c.strides[0] // c.itemsize
        product.product(c.reshape(-1), a.reshape(-1), b.reshape(-1), c_strides=(0, 0, rows, 1), **sizes)
        assert (c[:, n:] == 7).all()
        results.append(c)
    np.testing.assert_allclose(results[0][:, :n], a @ b, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(*results)


def strides_of(x):
    return tuple(step // x.itemsize for step in x.strides)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_product_of_any_sizes_and_strides(data):
    """A and B lie in seas of NaN, in any order of their axes; C among sevens, with an epilogue or without."""
    sizes = [data.draw(st.integers(1, most), label="size") for most in (3, 4, 20, 3, 3, 40)]
    n = data.draw(st.integers(1, 70), label="n")
    kind = data.draw(st.sampled_from([np.float32, np.float64]), label="kind")
    rng = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))

    def in_a_sea(shape, fill):
        order = data.draw(st.permutations(range(len(shape))), label="order")
        sea = np.full([shape[axis] + 2 for axis in order], fill, kind)
        inside = sea[tuple([slice(1, -1)] * len(shape))].transpose(np.argsort(order))
        start = int((inside.ctypes.data - sea.ctypes.data) // sea.itemsize)
        return sea.reshape(-1), inside, start

    memory_a, a, start_a = in_a_sea(sizes, np.nan)
    memory_b, b, start_b = in_a_sea([*sizes[3:], n], np.nan)
    a[...], b[...] = rng.standard_normal(a.shape), rng.standard_normal(b.shape)
    plain = data.draw(st.booleans(), label="plain")
    axes = data.draw(st.permutations(range(4)), label="axes of C") if plain else [0, 1, 2, 3]
    sea = np.full([(*sizes[:3], n)[axis] + 2 for axis in axes], 7, kind)
    c = sea[1:-1, 1:-1, 1:-1, 1:-1].transpose(np.argsort(axes))
    start_c = (c.ctypes.data - sea.ctypes.data) // sea.itemsize
    expected = np.einsum("abcxyz,xyzn->abcn", a, b, dtype=np.float64)
    options = {}
    if not plain:
        scale, bias = rng.standard_normal((2, n)).astype(kind)
        options = {"bias": bias, "epilogue": Epilogue(scale=scale, low=-1.0, high=2.0)}
        expected = np.clip(expected * scale + bias, -1, 2)
    product.product(
        sea.reshape(-1), memory_a, memory_b, n=n, a_sizes=tuple(sizes), a_strides=strides_of(a),
        b_strides=strides_of(b), c_strides=strides_of(c), starts=((start_c, start_a, start_b, 0),), **options,
    )  # fmt: skip
    tolerance = 1e-4 if kind is np.float32 else 1e-11
    np.testing.assert_allclose(c, expected, rtol=tolerance, atol=tolerance)
    c[...] = 7
    assert (sea == 7).all()
