"""1x1 convolutions that normalise their input while they load it: as the two steps, whatever the sizes and layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minicnn_kernels import call, explain, threads, use_backend
from minicnn_kernels.conv_algorithms import set_conv_algorithm
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window
from minicnn_kernels.numba_cpu import normalized_conv, product
from minicnn_kernels.prologue import Prologue

from .guards import Guards


@pytest.fixture(autouse=True)
def numba_backend():
    with use_backend("numba"):
        yield


def given(
    widths: tuple[int, ...], o: int, plane: tuple[int, int, int], dtype: Any = np.float32, high: float = np.inf
) -> tuple[Any, ...]:
    """Parts in channels-last memory with NaN around them, w, grad_y, window, and what is done before."""
    rng, guards = np.random.default_rng(0), Guards()
    (n, h, w_), c = plane, sum(widths)
    parts = tuple(guards.around(rng.standard_normal((n, width, h, w_)).astype(dtype)) for width in widths)
    w = rng.standard_normal((o, c, 1, 1)).astype(dtype)
    grad_y = guards.around(rng.standard_normal((n, o, h, w_)).astype(dtype))
    mean, weight, bias = rng.standard_normal((3, c)).astype(dtype)
    prologue = Prologue(mean, (0.5 + rng.random(c)).astype(dtype), weight, bias, 1e-5, 0.0, high)
    return parts, w, grad_y, conv_window((n, c, h, w_), w.shape), prologue


def results(parts: Any, w: Any, grad_y: Any, window: Any, prologue: Prologue, *epilogue: Epilogue) -> list[Any]:
    bias = np.arange(len(w)).astype(w.dtype)
    return [
        call("conv2d.forward_normalized", parts, w, bias, window, 1, prologue, *epilogue),
        call("conv2d.forward_normalized", parts, w, None, window, 1, prologue),
        call("conv2d.grad_weight_normalized", grad_y, parts, window, 1, prologue),
    ]


def expected(parts: Any, w: Any, grad_y: Any, window: Any, prologue: Prologue, *epilogue: Epilogue) -> list[Any]:
    x, bias = call("batch_norm.normalize_joined", *prologue.normalization(parts)), np.arange(len(w)).astype(w.dtype)
    return [
        call("conv2d.forward", x, w, bias, window, 1, *epilogue),
        call("conv2d.forward", x, w, None, window, 1),
        call("conv2d.grad_weight", grad_y, x, window, 1),
    ]


def assert_equal(values: list[Any], truths: list[Any]) -> None:
    for value, truth in zip(values, truths, strict=True):
        bound = (1e-12 if truth.dtype == np.float64 else 1e-5) * np.abs(truth).max(initial=1)
        np.testing.assert_allclose(value, truth, rtol=0, atol=bound)


SIZES = [
    ((64, 32, 32), 128, (2, 14, 14)),
    ((7,), 1, (3, 5, 4)),
    ((300, 17, 1, 33), 40, (1, 9, 9)),
    ((1, 1), 600, (5, 7, 3)),
    ((1000, 300), 24, (2, 6, 6)),  # more than one block of the depth
    ((16,), 33, (1, 1, 1)),
    ((5, 0, 4), 3, (2, 2, 2)),
    ((0,), 3, (2, 2, 2)),
    ((48,), 20, (9, 30, 30)),  # parts of the depth are summed apart
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("widths", "o", "plane"), SIZES)
def test_is_the_convolution_of_the_batch_norm(widths: Any, o: int, plane: Any, dtype: Any) -> None:
    arguments = given(widths, o, plane, dtype, high=1.5)
    residual = np.random.default_rng(1).standard_normal(arguments[2].shape).astype(dtype)
    after = Epilogue(np.linspace(1, 2, o).astype(dtype), residual, -1.0, 9.0)
    values = results(*arguments, after)
    assert_equal(values, expected(*arguments, after))
    assert values[0].transpose(0, 2, 3, 1).flags.c_contiguous


def test_empty_batches() -> None:
    forward, _, grad_weight = results(*given((3, 4), 5, (0, 4, 4)))
    assert forward.shape == (0, 5, 4, 4)
    assert not grad_weight.any()
    assert grad_weight.shape == (5, 7, 1, 1)


@pytest.mark.parametrize("layout", ["channels first", "some channels"])
def test_parts_in_other_layouts(layout: str) -> None:
    parts, *rest = given((8, 5), 12, (3, 6, 5))
    if layout == "channels first":
        others = tuple(np.ascontiguousarray(x) for x in parts)
    else:
        others = tuple(np.repeat(x, 2, 1)[:, ::2] for x in parts)
    assert_equal(results(others, *rest), expected(parts, *rest))


def test_nan_and_infinities_stay() -> None:
    parts, *rest = given((5, 3), 4, (2, 3, 3))
    parts[0][0, 1, 2, 2], parts[1][1, 0, 0, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        for value, truth in zip(results(parts, *rest), expected(parts, *rest), strict=True):
            np.testing.assert_array_equal(np.isnan(value), np.isnan(truth))
            np.testing.assert_array_equal(np.isinf(value), np.isinf(truth))


def test_the_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_chosen", None)
    arguments = given((64, 32, 7), 70, (4, 14, 14))
    found = []
    for count in (threads.get_num_threads(), 1):
        threads.set_num_threads(count)
        found.append(results(*arguments))
    for several, one in zip(*found, strict=True):
        np.testing.assert_array_equal(one, several)


def test_nothing_else_is_read_or_written(monkeypatch: pytest.MonkeyPatch) -> None:
    guards = Guards()
    monkeypatch.setattr(normalized_conv, "empty", guards.empty)
    monkeypatch.setattr(product, "empty", guards.empty)
    for result in results(*given((16, 5, 33), 37, (3, 7, 7))):
        assert not np.isnan(result).any()
    guards.check()


def test_what_it_declines() -> None:
    parts, w, grad_y, window, prologue = given((4, 4), 6, (2, 4, 4))
    arguments = parts, w, None, window, 1, prologue
    assert "normalized_conv.conv2d_forward_normalized, because" in explain("conv2d.forward_normalized", *arguments)
    with set_conv_algorithm("im2col"):
        assert "asks for 'im2col'" in explain("conv2d.forward_normalized", *arguments)
        assert_equal(results(parts, w, grad_y, window, prologue), expected(parts, w, grad_y, window, prologue))
    strided = conv_window((2, 8, 4, 4), w.shape, stride=2)
    told = explain("conv2d.grad_weight_normalized", grad_y[:, :, ::2, ::2], parts, strided, 1, prologue)
    assert "1x1 convolutions with stride 1" in told
    halves = tuple(x.astype(np.float16) for x in parts)
    assert "float32" in explain("conv2d.forward_normalized", halves, w, None, window, 1, prologue)
