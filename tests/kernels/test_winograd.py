"""Winograd convolution on the compiled backend: errors, every geometry and vector width."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels import set_conv_algorithm, threads, use_backend
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import Window2d, conv_window
from minicnn_kernels.numba_cpu import winograd
from minicnn_kernels.numba_cpu.vector import target, tile, transpose
from minicnn_kernels.numba_cpu.vector import winograd as vector
from minicnn_kernels.numba_cpu.winograd import convolution, cut, gradient

from .convolutions import ERROR, agree, exact, numbers
from .guards import Guards

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def numba_backend() -> Iterator[None]:
    with use_backend("numba"), set_conv_algorithm("auto"):
        yield


def forget() -> None:
    """Forget the addresses of micro-kernels, and the sizes that follow from the vectors' width."""
    functions = (tile.tile, transpose.transpose, vector.input_transform, vector.filter_transform)
    for function in (*functions, vector.output_transform, cut.cut_convolution, cut.recorded, gradient._cut):
        function.cache_clear()


@pytest.fixture(params=[(64, 32), (32, 16), (16, 32)], ids=["AVX-512", "AVX2", "NEON"])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Vectors of so many bytes, and so many of them; LLVM compiles any width for any machine."""
    forget()
    width, registers = request.param
    for module in (tile, transpose, vector, cut):
        machine = replace(target.host(), vector_bytes=width, registers=registers)
        monkeypatch.setattr(module, "host", lambda machine=machine: machine)
    yield width
    forget()


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def results(x: np.ndarray, w: np.ndarray, g: np.ndarray, window: Window2d) -> list[np.ndarray]:
    return [
        winograd.winograd_forward(x, w, None, window),
        winograd.winograd_grad_input(g, w, window),
        winograd.winograd_grad_weight(g, x, window),
    ]


# ------------------------------------------------------------------------------------------------- accuracy

LAYERS = {  # images, input channels, output channels, side, window; the sides of large images are cut
    "VGG 1.2": (1, 64, 64, 56, 3),
    "VGG 2.1": (1, 64, 128, 56, 3),
    "VGG 3.2": (1, 256, 256, 28, 3),
    "VGG 4.2": (1, 512, 512, 28, 3),
    "VGG 5": (4, 512, 512, 14, 3),
    "ResNet 1": (4, 64, 64, 56, 3),
    "ResNet 2": (4, 128, 128, 28, 3),
    "ResNet 3": (4, 256, 256, 14, 3),
    "ResNet 4": (16, 512, 512, 7, 3),
    "MNIST 2": (20, 32, 64, 14, 5),
    "AlexNet 2": (2, 64, 192, 27, 5),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_errors_are_small_in_the_layers_of_known_networks(layer: tuple[int, ...]) -> None:
    images, channels, filters, side, kernel = layer
    window = conv_window((images, channels, side, side), (filters, channels, kernel, kernel), padding=kernel // 2)
    x, w, g = numbers(window, images, channels, filters)
    for got, expected in zip(results(x, w, g, window), exact(x, w, g, window), strict=True):
        agree(got, expected)
        assert got.flags.c_contiguous or got.transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_matrices_multiply_polynomials() -> None:
    """``A^T [(G g) * (B^T d)]`` slides g over d, exactly."""
    for r in range(2, 6):
        m = vector.SIDE + 1 - r
        matrices = vector.output_matrix(m), vector.filter_matrix(r), vector.input_matrix()
        a, g, b = (np.array(matrix, object) for matrix in matrices)
        d, f = np.arange(3, 9) ** 2, np.arange(1, r + 1) * (-1) ** np.arange(r)
        assert (a @ ((g @ f) * (b @ d))).tolist() == np.correlate(d, f, "valid").tolist()


# ------------------------------------------------------------------------------------------------- geometry


@st.composite
def geometries(draw: Any) -> tuple[Window2d, int, int, int]:
    r = draw(st.integers(2, 5))
    pads = draw(st.tuples(*[st.tuples(*[st.integers(0, r - 1)] * 2)] * 2))
    size = [max(1, r - sum(pad) + draw(st.integers(0, 13))) for pad in pads]
    channels, filters = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    length = [s + sum(pad) - r + 1 for s, pad in zip(size, pads, strict=True)]
    window = Window2d(tuple(size), (r, r), (1, 1), pads, (1, 1), tuple(length))
    return window, draw(st.integers(0, 5)), channels, filters


@settings(max_examples=60, deadline=None)
@given(geometries(), st.booleans())
def test_every_geometry_with_poisoned_memory_around_every_array(geometry: Any, turned: bool) -> None:
    window, images, channels, filters = geometry
    x, w, g = numbers(window, images, channels, filters)
    guards = Guards()
    guarded = guards.empty(w.shape, w.dtype)
    guarded[...] = w
    if turned:  # taps are no neighbours
        guarded = guards.empty(w.shape, w.dtype).transpose(0, 1, 3, 2)
        guarded[...] = w
    with pytest.MonkeyPatch.context() as patch:
        for module in (convolution, gradient):
            patch.setattr(module, "empty", guards.empty)
        got = results(guards.around(x), guarded, guards.around(g), window)
    guards.check()
    for one, expected in zip(got, exact(x, w, g, window, "numpy"), strict=True):
        agree(one, expected)


@settings(max_examples=20, deadline=None)
@given(geometries(), st.booleans(), st.booleans(), st.booleans())
def test_the_epilogue_in_every_geometry(geometry: Any, scaled: bool, biased: bool, residual: bool) -> None:
    window, images, channels, filters = geometry
    x, w, g = numbers(window, images, channels, filters)
    guards, rng = Guards(), np.random.default_rng(1)
    scale, bias = rng.standard_normal((2, filters)).astype(np.float32)
    epilogue = Epilogue(scale if scaled else None, guards.around(g) if residual else None, -1.5, 2.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "empty", guards.empty)
        got = winograd.winograd_forward(guards.around(x), w, bias if biased else None, window, epilogue)
    guards.check()
    y = exact(x, w, g, window, "numpy")[0]
    expected = epilogue.apply(y, bias if biased else None)
    np.testing.assert_allclose(got, expected, rtol=0, atol=ERROR * max(1, np.abs(y).max(initial=0)) * 4)


def test_the_textbook_agrees_in_odd_sizes() -> None:
    window = conv_window((2, 3, 5, 7), (4, 3, 3, 3), padding=1)
    x, w, g = numbers(window, 2, 3, 4)
    for got, expected in zip(results(x, w, g, window), exact(x, w, g, window, "reference"), strict=True):
        agree(got, expected)


def test_arrays_of_any_strides() -> None:
    window = conv_window((2, 20, 9, 11), (40, 20, 3, 3), padding=1)
    x, w, g = numbers(window, 2, 20, 40)
    expected = results(x, w, g, window)
    views = [
        lambda a: channels_last(a),
        lambda a: a[..., ::-1].copy()[..., ::-1],
        lambda a: np.ascontiguousarray(a.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    ]
    for view in views:
        got = results(view(x), view(w), view(g), window)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_nan_stays_in_its_image_and_reaches_every_window_that_sees_it() -> None:
    window = conv_window((2, 16, 12, 12), (16, 16, 3, 3), padding=1)
    x, w, _ = numbers(window, 2, 16, 16)
    x[0, 3, 5, 5] = np.nan
    y = winograd.winograd_forward(x, w, None, window, Epilogue(low=0.0))
    assert np.isnan(y[0, :, 4:7, 4:7]).all()
    assert not np.isnan(y[1]).any()


GUARD_PAGES = """
import ctypes, mmap
import numpy as np
from minicnn_kernels.geometry import conv_window
from minicnn_kernels.numba_cpu import winograd

kept = []

def before_a_locked_page(a):
    size = -(-a.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, size + mmap.PAGESIZE)
    whole = np.frombuffer(memory, np.uint8)
    kept.append((memory, whole))
    assert ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(whole.ctypes.data + size), mmap.PAGESIZE, 0) == 0
    copy = whole[size - a.nbytes : size].view(a.dtype).reshape(a.shape)
    copy[...] = a
    return copy

rng = np.random.default_rng(0)
for channels, filters, r in ((16, 32, 3), (5, 33, 3), (20, 16, 5)):
    x, g = (rng.random((2, 9, 10, c), "f4") for c in (channels, filters))
    w = rng.random((filters, channels, r, r), "f4")
    window = conv_window((2, channels, 9, 10), w.shape, padding=r // 2)
    results = []
    for place in (np.copy, before_a_locked_page):
        X, G, W = place(x).transpose(0, 3, 1, 2), place(g).transpose(0, 3, 1, 2), place(w)
        results.append((winograd.winograd_forward(X, W, place(w[:, 0, 0, 0]), window),
                        winograd.winograd_grad_input(G, W, window), winograd.winograd_grad_weight(G, X, window)))
    assert all(np.array_equal(one, other) for one, other in zip(*results))
"""


def test_no_channels_give_the_bias() -> None:
    x, w = np.empty((2, 0, 9, 9), np.float32), np.empty((3, 0, 3, 3), np.float32)
    window = conv_window((2, 3, 9, 9), (3, 3, 3, 3))
    bias = np.arange(3, dtype=np.float32)
    y = winograd.winograd_forward(x, w, bias, window)
    assert y.shape == (2, 3, 7, 7)
    assert (y == bias[:, None, None]).all()
    assert not winograd.winograd_grad_input(np.empty((2, 0, 7, 7), np.float32), w.transpose(1, 0, 2, 3), window).any()


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect")
def test_nothing_is_read_behind_the_end_of_an_array() -> None:
    """Not even what would not be used: the next page may belong to nobody, and reading there ends the process."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "kernels")}
    done = subprocess.run([sys.executable, "-c", GUARD_PAGES], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------- vector widths and threads


def test_every_vector_width(width: int) -> None:
    for r in (3, 5):
        window = conv_window((3, 21, 13, 10), (37, 21, r, r), padding=r // 2)
        x, w, g = numbers(window, 3, 21, 37)
        assert cut.cut_convolution(3, 21, 37, window, (13, 10), (13, 10), window.padding).lanes == width // 4
        for got, expected in zip(results(x, w, g, window), exact(x, w, g, window, "numpy"), strict=True):
            agree(got, expected)
        low = winograd.winograd_forward(x, w, w[:, 0, 0, 0], window, Epilogue(w[:, 1, 1, 1], g, 0.0, 6.0))
        plain = Epilogue(w[:, 1, 1, 1], g, 0.0, 6.0).apply(results(x, w, g, window)[0], w[:, 0, 0, 0])
        np.testing.assert_allclose(low, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(threads.available_threads() < 2, reason="needs two cores")
@pytest.mark.parametrize("layer", [(1, 16, 40, 7, 3), (3, 48, 96, 30, 3), (2, 33, 64, 14, 5)])
def test_the_number_of_threads_changes_no_bit(layer: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    images, channels, filters, side, kernel = layer
    window = conv_window((images, channels, side, side), (filters, channels, kernel, kernel), padding=1)
    x, w, g = numbers(window, images, channels, filters)
    monkeypatch.setattr(threads, "_chosen", 1)
    alone = results(x, w, g, window)
    monkeypatch.setattr(threads, "_chosen", 2)
    for one, two in zip(alone, results(x, w, g, window), strict=True):
        np.testing.assert_array_equal(one, two)


def test_from_four_python_threads_at_once() -> None:
    window = conv_window((2, 16, 12, 12), (32, 16, 3, 3), padding=1)
    arguments = [numbers(window, 2, 16, 32, seed) for seed in range(4)]
    expected = [results(*a, window) for a in arguments]
    with ThreadPoolExecutor(4) as pool:
        for got, alone in zip(pool.map(lambda a: results(*a, window), arguments * 5), expected * 5, strict=True):
            for one, other in zip(got, alone, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_it_runs_as_plain_python_for_debugging() -> None:
    code = """
import numpy as np
from minicnn_kernels.geometry import conv_window
from minicnn_kernels import call, set_conv_algorithm, use_backend
rng = np.random.default_rng(0)
x, w = rng.standard_normal((1, 17, 5, 6)).astype("f4"), rng.standard_normal((33, 17, 3, 3)).astype("f4")
window = conv_window(x.shape, w.shape, padding=1)
found = []
for algorithm in ("winograd", "im2col"):
    with use_backend("numba"), set_conv_algorithm(algorithm):
        y = call("conv2d.forward", x, w, None, window, 1)
        x_, w_ = call("conv2d.grad_input", y, w, window, 1), call("conv2d.grad_weight", y, x, window, 1)
    found.append((y, x_, w_))
for one, other in zip(*found):
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
"""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "kernels"), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("step", [16, 48])
def test_the_products_fetch_all_that_comes_next_once(step: int) -> None:
    """But the first row of tiles, which nothing comes before; also where pixels are parts of a larger array's."""
    images, channels, side, deep = 2, 16, 30, 8
    window = conv_window((images, channels, side, side), (8, channels, 3, 3), padding=1)
    shape = cut.cut_convolution(images, channels, 8, window, window.input_size, window.output_size, window.padding)
    pixel, first_row = step * cut.NUMBER, shape.side * side * step * cut.NUMBER
    end = images * side * side * pixel
    wanted = {place // cut.LINE for place in range(first_row, end, pixel)}
    soon, found = np.empty((1000, 2), np.int64), []
    for block in range(0, shape.tiles, shape.block):
        last = min(shape.tiles, block + shape.block)
        sizes = side, side, pixel, channels, block, last, deep, shape
        count = cut.lines(soon, 0, 0, *sizes)
        assert 0 < count < len(soon)
        found += [(start + i * distance) // cut.LINE for start, distance in soon[:count].tolist() for i in range(deep)]
    assert wanted <= set(found)
    assert len(found) < 1.2 * len(wanted)


def test_a_full_table_takes_no_more() -> None:
    window = conv_window((1, 16, 30, 30), (8, 16, 3, 3), padding=1)
    shape = cut.cut_convolution(1, 16, 8, window, window.input_size, window.output_size, window.padding)
    soon = np.zeros((3, 2), np.int64)
    assert cut.lines(soon[:2], 1, 0, 30, 30, 64, 16, 0, shape.tiles, 4, shape) == 2
    assert soon.any(axis=1).tolist() == [False, True, False]
