"""Depthwise convolution on the compiled backend: every geometry, every vector width, nothing outside its buffers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels import call, threads, use_backend
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import Window2d, conv_window
from minicnn_kernels.numba_cpu import depthwise
from minicnn_kernels.numba_cpu.vector import depthwise as vector
from minicnn_kernels.numba_cpu.vector import target

from .guards import Guards

OPERATIONS = ("conv2d.forward", "conv2d.grad_input", "conv2d.grad_weight")


@st.composite
def windows(draw) -> Window2d:
    axis = st.tuples(*[st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 5), st.integers(0, 25)])
    (kh, sh, dh, ph, h), (kw, sw, dw, pw, w) = draw(axis), draw(axis)
    height, width = (max(1, d * (k - 1) + 1 - 2 * p + more) for k, d, p, more in ((kh, dh, ph, h), (kw, dw, pw, w)))
    return conv_window((1, 2, height, width), (2, 1, kh, kw), (sh, sw), (ph, pw), (dh, dw), 2)


def arguments(window: Window2d, n: int, c: int, dtype: type = np.float32) -> list[tuple]:
    """Arguments of the three operations."""
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((n, c, *window.input_size)), rng.standard_normal((n, c, *window.output_size))
    w, bias = rng.standard_normal((c, 1, *window.kernel_size)), rng.standard_normal(c)
    x, g, w, bias = (a.astype(dtype) for a in (x, g, w, bias))
    return [(x, w, bias, window, c), (g, w, window, c), (g, x, window, c)]


def forget() -> None:
    """Forget the addresses of micro-kernels."""
    for function in (vector.correlation, vector.window_sums, depthwise.depthwise_plan, depthwise._groups):
        function.cache_clear()


@pytest.fixture(params=[64, 32, 16], ids=["AVX-512", "AVX2", "NEON"])
def width(request, monkeypatch):
    """Micro-kernels for vectors of so many bytes; LLVM compiles any width for any machine."""
    forget()
    monkeypatch.setattr(vector, "host", lambda: replace(target.host(), vector_bytes=request.param))
    yield request.param
    forget()


def agree(got: np.ndarray, expected: np.ndarray) -> None:
    tolerance = 1e-4 if got.dtype == np.float32 else 1e-9
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max(initial=0)))


@given(windows(), st.integers(0, 3), st.integers(2, 37))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_every_geometry_within_its_buffers(window, n, c):
    guards = Guards()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depthwise, "empty", guards.empty)
        for operation, values in zip(OPERATIONS, arguments(window, n, c), strict=True):
            images = [guards.around(a) if isinstance(a, np.ndarray) and a.ndim == 4 else a for a in values]
            results = {}
            for backend, given_values in (("numba", images), ("numpy", values)):
                with use_backend(backend):
                    results[backend] = call(operation, *given_values)
            agree(results["numba"], results["numpy"])
    guards.check()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, 16, 45])
def test_every_vector_width(width, channels, dtype):
    window = conv_window((1, 2, 9, 21), (2, 1, 3, 3), stride=(2, 1), padding=1, groups=2)
    for operation, values in zip(OPERATIONS, arguments(window, 2, channels, dtype), strict=True):
        with use_backend("numpy"):
            expected = call(operation, *values)
        with use_backend("numba"):
            agree(call(operation, *values), expected)


@pytest.mark.parametrize("kernel", [(1, 11), (11, 1), (9, 9)])
def test_windows_wider_than_the_registers(kernel):
    window = conv_window((1, 2, 12, 30), (2, 1, *kernel), stride=(1, 2), padding=4, groups=2)
    for operation, values in zip(OPERATIONS, arguments(window, 2, 20), strict=True):
        with use_backend("numpy"):
            expected = call(operation, *values)
        with use_backend("numba"):
            agree(call(operation, *values), expected)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_the_epilogue(scaled, residual):
    window = conv_window((1, 2, 7, 10), (2, 1, 3, 3), padding=1, groups=2)
    x, w, bias, *rest = arguments(window, 2, 20)[0]
    x[0, 0, 3, 3] = np.nan
    rng = np.random.default_rng(1)
    added = rng.standard_normal((2, 20, *window.output_size)).astype(np.float32) if residual else None
    scale = rng.standard_normal(20).astype(np.float32) if scaled else None
    for epilogue in (Epilogue(scale, added, 0.0), Epilogue(scale, added, -0.5, 0.5), Epilogue(scale, added)):
        results = []
        for backend in ("numpy", "numba"):
            with use_backend(backend):
                results.append(call("conv2d.forward", x, w, bias, *rest, epilogue))
        agree(results[1], results[0])
        assert np.isnan(results[1]).sum() == 9


def test_the_number_of_threads_changes_nothing(monkeypatch):
    monkeypatch.setattr(threads, "_chosen", None)
    window = conv_window((1, 2, 33, 20), (2, 1, 3, 3), stride=2, padding=1, groups=2)
    for operation, values in zip(OPERATIONS, arguments(window, 9, 70), strict=True):
        with use_backend("numba"):
            run = partial(call, operation, *values)
            most = run()
            threads.set_num_threads(1)
            np.testing.assert_array_equal(run(), most)
            threads.set_num_threads(threads.available_threads())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [16, 32, 208])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_is_streamed_is_the_same_to_the_last_digit(monkeypatch, stride, channels, kind):
    window = conv_window((1, channels, 29, 31), (channels, 1, 3, 3), stride, 1, 1, channels)
    forget()
    results = []
    for least in (1 << 60, 0):
        monkeypatch.setattr(depthwise, "STREAMED", least)
        with use_backend("numba"):
            forward, grad_input, _ = arguments(window, 2, channels, kind)
            results.append((call("conv2d.forward", *forward), call("conv2d.grad_input", *grad_input)))
    for ordinary, streamed in zip(*results, strict=True):
        np.testing.assert_array_equal(ordinary, streamed)
    plans = depthwise.depthwise_plan.cache_info().currsize
    assert plans == (4 if target.host().vector_bytes == depthwise.LINE else 2)  # of both ways
