"""Every operation launched on the stand-in for a GPU, against the vectorized kernel on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minicnn_kernels import cases, registry, schedules, set_conv_algorithm, use_backend
from minicnn_kernels.cases import draw_case
from minicnn_kernels.cuda.runtime import cupy
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window
from minicnn_kernels.precision import set_conv_tf32, set_float32_matmul_precision

from tests.standin import counted

from .launching import (
    OPERATIONS,
    W,
    X,
    calls,
    flattened,
    full_precision,
    laid_out,
    last,
    launched,
    to_device,
    to_host,
    vector,
)


def agree(operation: str, dtype: Any, batch: int, layout: str, seed: int) -> None:
    found = launched(operation, draw_case(operation, dtype, batch, layout, seed))
    with np.errstate(all="ignore"):
        expected = cases.outcome(operation, "numpy", draw_case(operation, dtype, batch, layout, seed))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, **cases.tolerance(b), err_msg=f"{operation} {layout} seed {seed}")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_computes_what_numpy_computes(operation: str, device: str) -> None:
    for seed, layout in enumerate(cases.LAYOUTS):
        agree(operation, np.float32, 2, layout, seed)
    agree(operation, np.float32, 0, "contiguous", 0)
    agree(operation, np.float64, 3, "channels_last", 9)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_launcher_takes_what_its_kernel_can(operation: str, device: str) -> None:
    for seed in range(3):
        given = to_device(draw_case(operation, np.float32, seed=seed))
        kernel, why = registry.select(operation, given)
        assert kernel.backend == "cupy" or "adds arrays of one shape" in why
    halves = to_device(draw_case(operation, np.float16))
    if operation != "max_pool2d.indices":  # takes no numbers of that kind
        assert "float32 and float64, not float16" in registry.select(operation, halves)[1]


def test_a_result_lies_as_its_input_does(device: str) -> None:
    for name, (arguments, _) in calls().items():
        operation = name.partition(",")[0]
        if operation.split(".")[0] in ("conv2d", "batch_norm", "max_pool2d", "relu", "add", "cat"):
            result = registry.call(operation, *arguments)
            y = result[0] if isinstance(result, tuple) else result
            assert y.ndim < 4 or y.transpose(0, 2, 3, 1).flags.c_contiguous, name


# --------------------------------------------------------------------------------------------------- shapes at random


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_convolutions_of_any_shape(device: str, data: st.DataObject) -> None:
    groups, c, k = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride, padding, dilation = (
        data.draw(st.tuples(st.integers(*r), st.integers(*r))) for r in ((1, 3), (0, 2), (1, 2))
    )
    size = tuple(d * (kernel_ - 1) + 1 + more for d, kernel_, more in zip(dilation, kernel, (3, 1), strict=True))
    n, algorithm = data.draw(st.integers(0, 2)), data.draw(st.sampled_from(("auto", "direct", "im2col")))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shapes = (n, groups * c, *size), (groups * k, c, *kernel)
    window = conv_window(*shapes, stride, padding, dilation, groups)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    grad_y = rng.standard_normal((n, groups * k, *window.output_size)).astype(np.float32)
    for operation, arguments in (
        ("conv2d.forward", (x, w, w[:, 0, 0, 0].copy(), window, groups)),
        ("conv2d.grad_input", (grad_y, w, window, groups)),
        ("conv2d.grad_weight", (grad_y, x, window, groups)),
    ):
        with set_conv_algorithm(algorithm):
            (found,) = launched(operation, arguments)
        with use_backend("numpy"):
            expected = registry.call(operation, *arguments)
        np.testing.assert_allclose(found, expected, **cases.tolerance(expected), err_msg=f"{operation} {algorithm}")


def test_tf32_is_what_the_settings_say(device: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((30, 64), (64, 20)))
    x, w = rng.standard_normal(X).astype(np.float32), rng.standard_normal(W).astype(np.float32)
    window = conv_window(X, W, 1, 1)
    cp = cupy()

    def error(operation: str, *arguments: Any) -> float:
        found = registry.call(operation, *to_device(arguments)).get()
        with use_backend("numpy"):
            exact = registry.call(
                operation, *(v.astype(np.float64) if isinstance(v, np.ndarray) else v for v in arguments)
            )
        return float(np.abs(found - exact).max() / np.abs(exact).max())

    assert error("matmul", a, b) < 1e-6, "PyTorch's default is full precision"
    assert error("conv2d.forward", x, w, None, window, 1) > 1e-5, "and TF32 for convolutions"
    with set_float32_matmul_precision("high"), set_conv_tf32(False):
        assert error("matmul", a, b) > 1e-5
        assert error("conv2d.forward", x, w, None, window, 1) < 1e-6
    assert cp.asarray(a).dtype == np.float32


def beginning(x: np.ndarray, offset: int, channels_last: bool) -> Any:
    """A copy on the device, in the middle of a larger array: so many numbers behind its start."""
    axes = (0, 2, 3, 1) if channels_last else (0, 1, 2, 3)
    flat = cupy().zeros(x.size + 8, x.dtype)[offset : offset + x.size]
    flat[...] = cupy().asarray(x.transpose(axes).ravel())
    y = flat.reshape([x.shape[axis] for axis in axes])
    return y.transpose(0, 3, 1, 2) if channels_last else y


@pytest.mark.parametrize("channels", [(8, 4), (1, 4), (3, 5)])
def test_convolutions_of_views_that_begin_anywhere(channels: tuple[int, int], device: str) -> None:
    c, k = channels
    window = conv_window((3, c, 7, 7), (k, c, 3, 3), 1, 1)
    rng = np.random.default_rng(0)
    shapes = (3, c, 7, 7), (k, c, 3, 3), (3, k, 7, 7)
    x, w, grad_y = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    calls = {
        "conv2d.forward": lambda x, w, g: (x, w, None, window, 1),
        "conv2d.grad_input": lambda x, w, g: (g, w, window, 1),
        "conv2d.grad_weight": lambda x, w, g: (g, x, window, 1),
    }
    for operation, arguments in calls.items():
        expected = registry.call(operation, *arguments(x, w, grad_y))
        for offsets in ((0, 0, 0), (1, 0, 0), (0, 3, 0), (0, 0, 1), (4, 4, 4), (2, 1, 3)):
            for channels_last in (True, False):
                given = [beginning(v, at, channels_last) for v, at in zip((x, w, grad_y), offsets, strict=True)]
                with full_precision():
                    found = registry.call(operation, *arguments(*given)).get()
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=f"{operation} {offsets}")


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if not name.endswith(".step")])
def test_operations_on_views_that_begin_anywhere(operation: str, device: str) -> None:
    arguments = draw_case(operation, np.float32, seed=1)
    expected = flattened(cases.outcome(operation, "numpy", arguments))

    def moved(x: Any) -> Any:
        if isinstance(x, np.ndarray) and x.ndim:
            flat = cupy().zeros(x.size + 1, x.dtype)[1:]
            flat[...] = cupy().asarray(np.ascontiguousarray(x).ravel())
            return flat.reshape(x.shape)
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return type(x)(*map(moved, x))
        return type(x)(map(moved, x)) if isinstance(x, (list, tuple)) else to_device(x)

    given = moved(draw_case(operation, np.float32, seed=1))
    with full_precision():
        result = registry.call(operation, *given)
    found = cases.changed(operation, given) if operation in cases.IN_PLACE else result
    for a, b in zip(flattened(found), expected, strict=True):
        np.testing.assert_allclose(to_host(a), b, **cases.tolerance(b))


@pytest.mark.parametrize("lonely", [np.inf, -np.inf, np.nan])
def test_infinity_stays_what_it_is_in_full_precision(lonely: float, device: str) -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.uniform(0.5, 1.5, shape).astype(np.float32) for shape in (X, W))
    grad_y = rng.uniform(0.5, 1.5, (2, 12, 4, 3)).astype(np.float32)
    window = conv_window(X, W)
    x[0, 3, 2, 2] = w[5, 1, 0, 0] = grad_y[1, 4, 2, 1] = lonely
    for operation, arguments in (
        ("conv2d.forward", (x, w, None, window, 1)),
        ("conv2d.grad_weight", (grad_y, x, window, 1)),
    ):
        (found,) = launched(operation, arguments)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(found, registry.call(operation, *arguments), rtol=1e-5)


def test_what_is_too_large_for_a_grid_is_computed_in_another_way(device: str) -> None:
    x, grad_y = np.ones((1, 2, 256, 257), np.float32), np.full((1, 2, 1, 2), 2, np.float32)
    given = to_device((grad_y, x, conv_window(x.shape, (2, 1, 256, 256), groups=2), 2))
    assert "algorithm 'direct'" in registry.explain("conv2d.grad_weight", *given), "depthwise: taps along z"
    np.testing.assert_array_equal(registry.call("conv2d.grad_weight", *given).get(), np.full((2, 1, 256, 256), 4))
    x, w = np.ones((1, 2 << 16, 1, 1), np.float32), np.ones((2 << 16, 2, 1, 1), np.float32)
    given = to_device((x, w, None, conv_window(x.shape, w.shape, groups=1 << 16), 1 << 16))
    assert "algorithm 'im2col'" in registry.explain("conv2d.forward", *given), "direct: groups along z"


# --------------------------------------------------------------------- what a captured graph reads anew at each replay


def test_a_schedule_in_memory_is_the_same_step(device: str) -> None:
    for operation in ("sgd.step", "adam.step", "rmsprop.step", "adagrad.step", "adadelta.step"):
        by_value, by_address = (to_device(draw_case(operation, np.float32, seed=4)) for _ in range(2))
        lr = schedules.LR[operation]
        numbers = cupy().asarray(schedules.schedule(operation, by_address), np.float32)
        by_address = (*by_address[:lr], numbers, *by_address[lr + 1 :])
        for arguments in (by_value, by_address):
            registry.call(operation, *arguments)
        for a, b in zip(*(flattened(cases.changed(operation, v)) for v in (by_value, by_address)), strict=True):
            np.testing.assert_array_equal(a.get(), b.get())


def test_dropout_reads_its_seed_from_memory(device: str) -> None:
    x, seed = vector(1000), cupy().full(1, 5, np.uint64)
    first = registry.call("dropout.forward", x, 0.5, seed)[1].get()
    with use_backend("numpy"):
        np.testing.assert_array_equal(first, registry.call("dropout.forward", np.ones(1000, np.float32), 0.5, 5)[1])
    seed += 1
    again = registry.call("dropout.forward", x, 0.5, seed)[1].get()
    assert 350 < (first != again).sum() < 650


# ---------------------------------------------------------------------------------------------------- the other ways


def test_columns_are_made_for_a_few_samples_at_a_time(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicnn_kernels.cuda.launchers.convolution.COLUMNS", 1)
    for operation in ("conv2d.forward", "conv2d.grad_input", "conv2d.grad_weight"):
        with set_conv_algorithm("im2col"):
            agree(operation, np.float32, 3, "channels_last", 1)


@pytest.mark.parametrize("operation", ["relu.forward", "add.forward"])
def test_results_in_place(operation: str, device: str) -> None:
    for layout in cases.LAYOUTS:
        x = draw_case("relu.forward", np.float32, 2, layout, 3)[0]
        others = (x.copy(),) if operation == "add.forward" else ()
        expected = x + x if others else np.maximum(x, 0)
        y, *rest = to_device((x, *others))
        other = cupy().zeros(x.shape, np.float32)
        assert registry.call(operation, y, *rest, other) is other
        np.testing.assert_array_equal(other.get(), expected)
        assert registry.call(operation, y, *rest, y) is y
        np.testing.assert_array_equal(y.get(), expected)


def test_more_arrays_are_joined_than_a_launch_takes(device: str) -> None:
    arrays = [np.random.default_rng(n).standard_normal((2, n % 3, 4)).astype(np.float32) for n in range(200)]
    found = registry.call("cat.forward", to_device(arrays), 1)
    np.testing.assert_array_equal(found.get(), np.concatenate(arrays, 1))


def test_tables_of_the_host_are_sent_once(device: str) -> None:
    x, rows, columns = draw_case("resize_bilinear.forward", np.float32)
    grad_y, *_, size = draw_case("resize_bilinear.grad_input", np.float32)
    x, grad_y = to_device((x, grad_y))
    for operation, arguments in (
        ("resize_bilinear.forward", (x, rows, columns)),
        ("resize_bilinear.grad_input", (grad_y, rows, columns, size)),
        ("resize_nearest.forward", (x, rows[0], columns[0])),
        ("resize_nearest.grad_input", (grad_y, rows[0], columns[0], size)),
    ):
        first = registry.call(operation, *arguments)
        with counted() as counts:
            again = registry.call(operation, *arguments)
        assert not counts["host to device"]
        np.testing.assert_array_equal(first.get(), again.get())
    backwards = (grad_y, rows[0][::-1].copy(), columns[0], size)
    assert "tables that rise" in registry.select("resize_nearest.grad_input", backwards)[1]


def test_parameters_and_averages_in_other_memory_orders(device: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((4, 3, 2, 2)).astype(np.float32) for _ in range(3)]
    settings_ = 0.1, 0.9, 0.0, 0.01, True, False, False
    p, g, v = ([x.copy()] for x in arrays)
    with use_backend("numpy"):
        registry.call("sgd.step", p, g, v, *settings_)
    host = [x.copy() for x in arrays]
    host[1] = np.asfortranarray(host[1])
    host[2] = host[2].transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    given = [[laid_out(x)] for x in host]
    given[0] = [laid_out(np.repeat(arrays[0], 2, axis=3))[..., ::2]]  # with gaps
    registry.call("sgd.step", *given, *settings_)
    np.testing.assert_allclose(given[0][0].get(), p[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(given[2][0].get(), v[0], rtol=1e-5, atol=1e-6)


def test_arrays_of_two_types_are_left_to_numpys_kernel(device: str) -> None:
    x, w, window = last(*X), last(*W), conv_window(X, W, 1, 1)
    residual = cupy().ones((2, 12, 6, 5), np.float64)
    why = registry.select("conv2d.forward", (x, w, None, window, 1, Epilogue(None, residual)))[1]
    assert "its arrays have two types, float32 and float64" in why
