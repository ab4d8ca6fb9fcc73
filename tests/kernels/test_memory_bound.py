"""Normalisation, pooling and resizing of the numba backend: any geometry, with poisoned memory around every array."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels import available_backends, call, threads, use_backend
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import pool_window

if "numba" not in available_backends():
    pytest.skip("needs Numba", allow_module_level=True)

from minicnn_kernels.numba_cpu import batch_norm, columns, columnwise, group_norm, max_pooling, pooling, resample

ALLOCATES = (batch_norm, columns, columnwise, group_norm, max_pooling, pooling, resample)
GUARD = 100  # elements before and after every array: 25 vectors of 16 bytes, 6 of 64
few = settings(max_examples=25, deadline=None)


def poison(dtype: Any) -> Any:
    return np.nan if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max


class Guards:
    """Hands out arrays whose surroundings, and contents until written, are poison."""

    def __init__(self) -> None:
        self.buffers: list[np.ndarray] = []

    def empty(self, shape: Any, dtype: Any) -> np.ndarray:
        size = int(np.prod(shape))
        buffer = np.full(size + 2 * GUARD, poison(dtype), dtype)
        self.buffers.append(buffer)
        return buffer[GUARD : GUARD + size].reshape(shape)

    def empty_like(self, x: np.ndarray) -> np.ndarray:
        return self.empty(x.shape, x.dtype)

    def place(self, x: np.ndarray) -> np.ndarray:
        """A channels-last copy of x."""
        if x.ndim < 3:
            out = self.empty(x.shape, x.dtype)
            out[...] = x
            return out
        out = self.empty((len(x), *x.shape[2:], x.shape[1]), x.dtype)
        out[...] = np.moveaxis(x, 1, -1)
        return np.moveaxis(out, -1, 1)

    def check(self) -> None:
        for buffer in self.buffers:
            for border in (buffer[:GUARD], buffer[-GUARD:]):
                np.testing.assert_array_equal(border, poison(buffer.dtype))


@contextmanager
def guarded() -> Iterator[Guards]:
    guards = Guards()
    with ExitStack() as stack:
        for module in ALLOCATES:
            for name in ("empty", "empty_like"):
                if hasattr(module, name):
                    stack.enter_context(patch.object(module, name, getattr(guards, name)))
        yield guards
    guards.check()


def agrees(operation: str, *arguments: Any, rtol: float = 1e-9) -> Any:
    """The numba kernel's result on guarded arrays, which must be that of the NumPy kernel."""
    with use_backend("numpy"):
        expected = call(operation, *arguments)
    with guarded() as guards, use_backend("numba"):

        def place(x: Any) -> Any:
            if isinstance(x, Epilogue):
                return x._replace(residual=place(x.residual))
            return guards.place(x) if isinstance(x, np.ndarray) else x

        got = call(operation, *map(place, arguments))
    both = (got, expected) if isinstance(expected, tuple) else ((got,), (expected,))
    for value, truth in zip(*both, strict=True):
        if truth is None:
            assert value is None
            continue
        assert (value.shape, value.dtype) == (truth.shape, truth.dtype)
        largest = np.abs(truth).max(initial=0.0, where=np.isfinite(truth))
        np.testing.assert_allclose(value, truth, rtol=rtol, atol=rtol * max(1.0, float(largest)))
    return expected


sizes = st.integers(1, 13)
channels = st.sampled_from([1, 2, 3, 15, 16, 17, 24, 64, 70, 130])
kinds = st.sampled_from([(np.float64, 1e-9), (np.float32, 1e-4)])


@st.composite
def planes(draw: Any) -> tuple[np.ndarray, float]:
    """Images, and how precise results of them are."""
    dtype, rtol = draw(kinds)
    shape = draw(st.integers(1, 3)), draw(channels), draw(sizes), draw(sizes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.standard_normal(shape).astype(dtype), rtol


@st.composite
def windows(draw: Any, shape: tuple[int, ...], dilated: bool) -> Any:
    kernel = tuple(draw(st.integers(1, min(4, size))) for size in shape[2:])
    dilation = tuple(
        draw(st.integers(1, 2 if dilated and (k - 1) * 2 < size else 1))
        for k, size in zip(kernel, shape[2:], strict=True)
    )
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return pool_window("pool", shape, kernel, stride, padding, dilation, draw(st.booleans()))


@few
@given(st.data(), planes())
def test_max_pooling(data: Any, images: Any) -> None:
    x, rtol = images
    window = data.draw(windows(x.shape, dilated=True))
    special = data.draw(st.sampled_from([None, np.nan, -np.inf, 0.0]))
    if special is not None:
        x[np.random.default_rng(0).random(x.shape) < 0.4] = special
    y, taps = agrees("max_pool2d.forward", x, window, rtol=rtol)
    assert taps.dtype == np.uint8
    agrees("max_pool2d.indices", taps, window)
    grad_y = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    agrees("max_pool2d.grad_input", grad_y, taps, window, rtol=rtol)


@few
@given(st.data(), planes())
def test_average_pooling(data: Any, images: Any) -> None:
    x, rtol = images
    window = data.draw(windows(x.shape, dilated=False))
    divisor = data.draw(st.tuples(st.booleans(), st.sampled_from([None, 5])))
    y = agrees("avg_pool2d.forward", x, window, *divisor, rtol=rtol)
    agrees("avg_pool2d.grad_input", y, window, *divisor, rtol=rtol)


@few
@given(st.data(), planes())
def test_adaptive_pooling_and_resizing(data: Any, images: Any) -> None:
    x, rtol = images
    size = data.draw(st.one_of(st.just((1, 1)), st.tuples(sizes, sizes)))
    y = agrees("adaptive_avg_pool2d.forward", x, size, rtol=rtol)
    agrees("adaptive_avg_pool2d.grad_input", y, x.shape[2:], rtol=rtol)
    agrees("adaptive_max_pool2d.forward", x, size, rtol=rtol)
    rows, columns_ = (np.arange(out) * n // out for n, out in zip(x.shape[2:], size, strict=True))
    agrees("resize_nearest.forward", x, rows, columns_, rtol=rtol)
    agrees("resize_nearest.grad_input", y, rows, columns_, x.shape[2:], rtol=rtol)


@few
@given(st.data(), planes())
def test_batch_norm(data: Any, images: Any) -> None:
    x, rtol = images
    rng, c = np.random.default_rng(0), x.shape[1]
    mean, var = agrees("batch_norm.statistics", x, rtol=rtol)
    weight, bias = rng.standard_normal((2, c)).astype(x.dtype) if data.draw(st.booleans()) else (None, None)
    low, high = data.draw(st.sampled_from([(-np.inf, np.inf), (0.0, np.inf), (0.0, 0.5)]))
    residual, grad_y = rng.standard_normal((2, *x.shape)).astype(x.dtype)
    epilogue = Epilogue(None, residual if data.draw(st.booleans()) else None, low, high)
    given_ = mean, var + 1, weight, bias, 1e-3
    y = agrees("batch_norm.normalize", x, *given_, epilogue, rtol=rtol)
    clamped = y if low > -np.inf else None
    options = data.draw(st.booleans()), clamped, low, high, epilogue.residual is not None
    plain = epilogue.residual is None
    agrees("batch_norm.grad", grad_y, x, mean, var + 1, weight, 1e-3, *options, plain, bias, rtol=rtol)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (3, 16, 8, 8), (1, 33, 9, 4), (2, 64, 6, 6), (1, 200, 3, 3)])
def test_a_result_computed_again_is_the_result(shape: tuple[int, ...], kind: Any) -> None:
    """Gradients agree to the last digit whether the batch norm's clamped result is read or computed again.

    Half of the numbers are small and whole, so that many results are a bound exactly, or next to it.
    """
    rng, c = np.random.default_rng(0), shape[1]
    draws = rng.standard_normal(shape), rng.integers(-3, 4, shape) * 0.5
    x = np.where(rng.random(shape) < 0.5, *draws).astype(kind)
    x.flat[:4] = np.nan, np.inf, -np.inf, -0.0
    grad_y = rng.standard_normal(shape).astype(kind)
    for mean, var in ((0.5, 0.25), (0.1, 0.3), (0.0, 1 / 3)):
        for weight, bias in ((None, None), (np.full(c, 0.5, kind), np.full(c, 0.25, kind)), rng.random((2, c), kind)):
            given_ = np.full(c, mean, kind), np.full(c, var, kind), weight
            for low, high in ((0.0, np.inf), (0.0, 0.5)):
                with use_backend("numba"), np.errstate(invalid="ignore"):  # plain Python warns of inf*0
                    y = call("batch_norm.normalize", x, *given_, bias, 0.0, Epilogue(None, None, low, high))
                    gradients = "batch_norm.grad", grad_y, x, *given_, 0.0, False
                    read = call(*gradients, y, low, high)
                    again = call(*gradients, np.full_like(y, np.nan), low, high, False, True, bias)  # y is not read
                assert 0 < (y == low).sum() < y.size
                for a, b in zip(again[:3], read[:3], strict=True):
                    np.testing.assert_array_equal(a, b)


@few
@given(st.data(), planes())
def test_normalisation_of_samples(data: Any, images: Any) -> None:
    x, rtol = images
    n, c, h, w = x.shape
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((2, c)).astype(x.dtype)
    groups = data.draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0]))
    y, mean, rstd = agrees("group_norm.forward", x, groups, weight, bias, 1e-2, rtol=rtol)
    agrees("group_norm.grad", y, x, mean, rstd, weight, groups, rtol=rtol)
    rows = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(n * h * w, c)
    y, mean, rstd = agrees("layer_norm.forward", rows, weight, bias, 1e-2, rtol=rtol)
    agrees("layer_norm.grad", y, rows, mean, rstd, weight, rtol=rtol)
    agrees("conv2d.grad_bias", x, rtol=rtol)


@pytest.mark.parametrize("pixels", [1, 7, 300, 70_000])
@pytest.mark.parametrize("c", [3, 64, 300])
def test_a_variance_is_exact_however_large_the_mean(pixels: int, c: int) -> None:
    """Also if the first pixels, about which squares are taken at first, are far from all others."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, max(1, pixels * 64 // (c + 61)), c))
    for shifted in (x + 1e4, np.concatenate([x[:, :3] - 1e4, x], axis=1), np.full_like(x, 1 / 3)):
        single = shifted.astype(np.float32)
        precise = single.astype(np.float64)
        mean, var = columns.moments(single)
        true_mean, true_var = precise.mean(axis=1), precise.var(axis=1)
        assert (np.abs(mean - true_mean) <= 1e-7 * (np.abs(true_mean) + np.sqrt(true_var))).all()
        np.testing.assert_allclose(var, true_var, rtol=2e-5, atol=1e-13)


@pytest.mark.skipif(threads.available_threads() < 2, reason="needs two cores")
def test_large_arrays_are_the_same_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x = np.moveaxis(rng.standard_normal((4, 60, 62, 72), np.float32), -1, 1)  # 4 MB
    window = pool_window("pool", x.shape, 3, 2, 1)

    def results() -> list[np.ndarray]:
        mean, var = call("batch_norm.statistics", x)
        y, taps = call("max_pool2d.forward", x, window)
        return [
            mean,
            var,
            *call("batch_norm.grad", x, x, mean, var, None, 1e-5, False)[:3],
            y,
            taps,
            call("max_pool2d.grad_input", y, taps, window),
            call("avg_pool2d.forward", x, window, True, None),
            call("adaptive_avg_pool2d.forward", x, (1, 1)),
            call("conv2d.grad_bias", x),
            *call("group_norm.forward", x, 8, None, None, 1e-5),
        ]

    before = threads.get_num_threads()
    try:
        with use_backend("numba"):
            threads.set_num_threads(1)
            alone = results()
            threads.set_num_threads(2)
            together = results()
    finally:
        threads.set_num_threads(before)
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, two)
