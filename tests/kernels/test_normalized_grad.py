"""The gradient of joined arrays through a batch norm and a 1x1 convolution: as that of one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minicnn_kernels import call, explain, threads, use_backend
from minicnn_kernels.conv_algorithms import set_conv_algorithm
from minicnn_kernels.geometry import conv_window
from minicnn_kernels.numba_cpu import normalized_grad
from minicnn_kernels.prologue import Prologue
from minicnn_kernels.registry import own

from .guards import Guards

FUSED = "conv2d.grad_input_normalized"


@pytest.fixture(autouse=True)
def numba_backend():
    with use_backend("numba"):
        yield


def drawn(
    widths: tuple[int, ...], o: int, plane: tuple[int, int, int], dtype: Any = np.float32, bounds: Any = (0.0, np.inf)
) -> tuple[Any, ...]:
    """grad_y, w, parts with NaN around them, window, groups, and what is done before the convolution."""
    rng, guards = np.random.default_rng(0), Guards()
    (n, h, w_), c = plane, sum(widths)
    parts = tuple(guards.around(rng.standard_normal((n, width, h, w_)).astype(dtype)) for width in widths)
    w = rng.standard_normal((o, c, 1, 1)).astype(dtype)
    grad_y = guards.around(rng.standard_normal((n, o, h, w_)).astype(dtype))
    mean, weight, bias = rng.standard_normal((3, c)).astype(dtype)
    prologue = Prologue(mean, (0.5 + rng.random(c)).astype(dtype), weight, bias, 1e-5, *bounds)
    return grad_y, w, parts, conv_window((n, c, h, w_), w.shape), 1, prologue


def one_by_one(grad_y: Any, w: Any, parts: Any, window: Any, groups: int, prologue: Prologue, *out: Any) -> Any:
    return call("batch_norm.grad_joined", call("conv2d.grad_input", grad_y, w, window, groups), parts, *prologue, *out)


def assert_close(values: Any, truths: Any, rtol: float | None = None) -> None:
    for value, truth in zip(values, truths, strict=True):
        assert (value.shape, value.dtype) == (truth.shape, truth.dtype)
        bound = (rtol or (1e-12 if truth.dtype == np.float64 else 1e-5)) * np.abs(truth).max(initial=1)
        np.testing.assert_allclose(value, truth, rtol=0, atol=bound)


def place(layout: str, shape: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where to add to, of that shape and layout, and the larger array that it is a part of."""
    n, c, h, w = shape
    larger = np.random.default_rng(1).standard_normal((n, h, w, c + 12)).astype(dtype).transpose(0, 3, 1, 2)
    some = larger[:, 5 : 5 + c]
    out = {"some channels": some, "dense": some.copy("K"), "channels first": some.copy("C")}[layout]
    return out, larger


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    widths=st.lists(st.integers(0, 70), min_size=1, max_size=5).map(tuple),
    o=st.integers(1, 70),
    plane=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    dtype=st.sampled_from([np.float32, np.float64]),
    bounds=st.sampled_from([(-np.inf, np.inf), (0.0, np.inf), (-0.5, 0.5)]),
    layout=st.sampled_from([None, "some channels", "dense", "channels first"]),
)
def test_is_one_after_the_other(widths: Any, o: int, plane: Any, dtype: Any, bounds: Any, layout: Any) -> None:
    arguments = drawn(widths, o, plane, dtype, bounds)
    if layout is None:
        found = call(FUSED, *arguments)
        assert_close(found, one_by_one(*arguments))
        assert found[0].transpose(0, 2, 3, 1).flags.c_contiguous
        return
    n, h, w = plane
    out, larger = place(layout, (n, sum(widths), h, w), dtype)
    truth, before = one_by_one(*arguments, out.copy("K")), larger.copy()
    found = call(FUSED, *arguments, out)
    assert found[0] is out
    assert_close(found, truth)
    np.testing.assert_array_equal(larger[:, :5], before[:, :5])
    np.testing.assert_array_equal(larger[:, 5 + sum(widths) :], before[:, 5 + sum(widths) :])


SIZES = [
    ((64, 32, 32), 128, (2, 14, 14)),  # whole panels
    ((6, 48, 48, 1), 192, (3, 9, 11)),  # panels of several parts, rows left over
    ((300, 17, 1, 33), 1000, (1, 5, 5)),
    ((32,), 40, (2, 7, 7)),  # the weights are one panel as they lie
    ((5, 0, 4), 3, (40, 14, 14)),  # several tasks
]


@pytest.mark.parametrize(("widths", "o", "plane"), SIZES)
def test_is_what_numpy_computes(widths: Any, o: int, plane: Any) -> None:
    arguments = drawn(widths, o, plane, np.float64)
    assert_close(call(FUSED, *arguments), own("numpy", FUSED).function(*arguments), 1e-9)


@pytest.mark.parametrize(("widths", "o", "plane"), SIZES)
def test_the_number_of_threads_changes_nothing(
    widths: Any, o: int, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setattr(threads, "available_threads", lambda: 3)
    arguments = drawn(widths, o, plane)
    found = []
    for count in (1, 2, 3):
        threads.set_num_threads(count)
        found.append(call(FUSED, *arguments))
    for values in zip(*found, strict=True):
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])


@pytest.mark.parametrize(("widths", "o", "plane"), SIZES)
def test_nothing_else_is_read_or_written(widths: Any, o: int, plane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    guards = Guards()
    monkeypatch.setattr(normalized_grad, "empty", guards.empty)
    for result in call(FUSED, *drawn(widths, o, plane)):
        assert not np.isnan(result).any()
    guards.check()


def test_empty_batches() -> None:
    direct, *others = call(FUSED, *drawn((3, 4), 5, (0, 4, 4)))
    assert direct.shape == (0, 7, 4, 4)
    assert not np.any(others)


@pytest.mark.parametrize("layout", ["channels first", "some channels"])
def test_parts_in_other_layouts(layout: str) -> None:
    grad_y, w, parts, *rest = drawn((8, 5), 12, (3, 6, 5))
    expected = one_by_one(grad_y, w, parts, *rest)
    if layout == "channels first":
        others = tuple(np.ascontiguousarray(x) for x in parts)
        grad_y, w = np.ascontiguousarray(grad_y), np.asfortranarray(w)
    else:
        others, w = tuple(np.repeat(x, 2, 1)[:, ::2] for x in parts), np.repeat(w, 2, 1)[:, ::2]
    assert_close(call(FUSED, grad_y, w, others, *rest), expected)


def test_nan_and_infinities_stay() -> None:
    grad_y, w, parts, *rest = drawn((5, 3), 4, (2, 3, 3))
    grad_y[0, 1, 2, 2], parts[0][1, 2, 0, 1], parts[1][1, 0, 0, 0] = np.nan, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        for value, truth in zip(call(FUSED, grad_y, w, parts, *rest), one_by_one(grad_y, w, parts, *rest), strict=True):
            np.testing.assert_array_equal(np.isnan(value), np.isnan(truth))
            np.testing.assert_array_equal(np.isinf(value), np.isinf(truth))


def test_without_weight_and_bias() -> None:
    *arguments, prologue = drawn((20, 30), 12, (2, 6, 5))
    arguments.append(prologue._replace(weight=None, bias=None))
    assert_close(call(FUSED, *arguments), one_by_one(*arguments))


def test_what_it_declines() -> None:
    grad_y, w, parts, window, groups, prologue = drawn((4, 4), 6, (2, 4, 4))
    arguments = grad_y, w, parts, window, groups, prologue
    assert "normalized_grad.conv2d_grad_input_normalized, because" in explain(FUSED, *arguments)
    with set_conv_algorithm("im2col"):
        assert "asks for 'im2col'" in explain(FUSED, *arguments)
        assert_close(call(FUSED, *arguments), one_by_one(*arguments))
    strided = conv_window((2, 8, 4, 4), w.shape, stride=2)
    told = explain(FUSED, grad_y[:, :, ::2, ::2], w, parts, strided, 1, prologue)
    assert "1x1 convolutions with stride 1" in told
