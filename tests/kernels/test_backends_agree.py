"""Every backend computes every operation as the reference does: values, element types, and arguments left alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import available_backends, call, operations, use_backend
from minicnn_kernels.cases import IN_PLACE, LAYOUTS, TABLE, Draw, arrays, draw_case, outcome, tolerance
from minicnn_kernels.geometry import conv_window, pool_window

CASES = [(operation, name) for name in available_backends() if name != "reference" for operation in operations(name)]


POOLED = ("max_pool2d.indices",)  # its arguments come from the reference, which is slow; see the many channels


def check(
    operation: str, backend: str, dtype: Any, batch: int, layout: str, seed: int, oracle: str = "reference"
) -> None:
    """Compare one random case; the same seed draws the same arguments again."""
    draw = partial(draw_case, operation, dtype, batch, layout, seed)
    arguments, before = draw(), draw()
    got = outcome(operation, backend, arguments)
    expected = outcome(operation, oracle, draw())
    assert len(got) == len(expected)
    for value, truth in zip(got, expected, strict=True):
        assert (value.dtype, value.shape) == (truth.dtype, truth.shape)
        np.testing.assert_allclose(value, truth, **tolerance(truth))
    steps = IN_PLACE.get(operation, ())
    for i, (argument, original) in enumerate(zip(arguments, before, strict=True)):
        if i not in steps:
            for now, then in zip(arrays(argument), arrays(original), strict=True):
                np.testing.assert_array_equal(now, then)
    if operation not in IN_PLACE:
        assert not any(np.shares_memory(value, argument) for value in got for argument in arrays(arguments))


def test_reference_and_numpy_compute_every_operation() -> None:
    assert set(operations("reference")) == set(operations("numpy")) == set(TABLE)


@pytest.mark.parametrize("backend", available_backends())
def test_no_backend_has_an_operation_of_its_own(backend: str) -> None:
    assert set(operations(backend)) <= set(TABLE)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("operation", "backend"), CASES)
def test_agrees_in_every_layout(operation: str, backend: str, dtype: Any) -> None:
    for seed in range(4):
        for layout in LAYOUTS:
            check(operation, backend, dtype, 2, layout, seed)


@pytest.mark.parametrize(("operation", "backend"), CASES)
def test_an_empty_batch(operation: str, backend: str) -> None:
    for seed in range(3):
        check(operation, backend, np.float32, 0, "contiguous", seed)


@pytest.mark.parametrize(
    ("operation", "backend"), [(name, backend) for name, backend in CASES if backend != "numpy" and name not in POOLED]
)
def test_a_large_batch_is_shared_out_whole(operation: str, backend: str) -> None:
    """So many elements that every kernel cuts its work into several tasks; NumPy is the quicker oracle."""
    for seed, layout in enumerate(("contiguous", "channels_last")):
        check(operation, backend, np.float64, 5000, layout, seed, oracle="numpy")


@pytest.mark.parametrize("batch", [1, 9])
@pytest.mark.parametrize("backend", [name for name in available_backends() if name not in ("reference", "numpy")])
def test_many_channels_are_shared_out_whole(backend: str, batch: int) -> None:
    """The scatters of pooling cut the channels of an image into several tasks."""
    rng = np.random.default_rng(0)
    x, small = rng.standard_normal((batch, 150, 6, 7)), rng.standard_normal((batch, 150, 3, 4))
    window = pool_window("max_pool2d", x.shape, 3, stride=2, padding=1)  # 3 x 4 outputs, which overlap
    places = rng.integers(0, 42, small.shape)

    def results() -> list[np.ndarray]:
        y, taps = call("max_pool2d.forward", x, window)
        return [
            y,
            taps,
            call("max_pool2d.indices", taps, window),
            call("max_pool2d.grad_input", small, taps, window),
            call("max_unpool2d.scatter", small, places, (6, 7)),
            call("max_unpool2d.forward", small, places, (6, 7)),
            call("max_unpool2d.grad_input", x, places),
        ]

    with use_backend("numpy"):
        expected = results()
    with use_backend(backend):
        for got, truth in zip(results(), expected, strict=True):
            np.testing.assert_allclose(got, truth, rtol=1e-12)


@pytest.mark.parametrize("operation", operations("numpy"))
def test_half_precision_sums_in_single(operation: str) -> None:
    for seed in range(2):
        check(operation, "numpy", np.float16, 2, "contiguous", seed)


@pytest.mark.parametrize("backend", available_backends())
def test_relu_can_write_into_its_input(backend: str) -> None:
    x = np.array([[-1.0, 2.0, np.nan, 0.0]])
    with use_backend(backend):
        y = call("relu.forward", x, x)
    assert y is x
    np.testing.assert_array_equal(x, [[0.0, 2.0, np.nan, 0.0]])


@pytest.mark.parametrize("backend", available_backends())
@pytest.mark.parametrize("name", ["relu.grad", "relu6.grad"])
def test_the_gradient_of_a_rectifier_passes_at_nan(backend: str, name: str) -> None:
    with use_backend(backend):
        grad = call(name, np.ones((1, 4)), np.array([[np.nan, -np.inf, np.inf, 1.0]]))
    np.testing.assert_array_equal(grad, [[1.0, 0.0, float(name == "relu.grad"), 1.0]])


@pytest.mark.parametrize("backend", available_backends())
def test_what_is_masked_out_may_be_infinite(backend: str) -> None:
    """Dropped elements and ignored samples are chosen away, not multiplied by 0: 0 * inf would be NaN."""
    x, nan = np.full(8, np.inf), np.array([[np.nan, 0.0]])
    with use_backend(backend):
        y, keep = call("dropout.forward", x, 0.5, 3)
        all_dropped, _ = call("dropout.forward", x, 1.0, 3)
        grad = call("dropout.grad", x, keep, 0.5)
        ignored = call("cross_entropy.grad", np.ones(1), nan, np.array([-100]), None, -100, 0.1)
        _, grad_weight = call("prelu.grad", np.ones((1, 2)), np.array([[np.inf, -1.0]]), np.ones(1))
    assert 0 < keep.sum() < keep.size
    for result in (y, grad):
        np.testing.assert_array_equal(result, np.where(keep, np.inf, 0))
    np.testing.assert_array_equal(all_dropped, 0)
    np.testing.assert_array_equal(ignored, 0)
    assert grad_weight == -1


@pytest.mark.parametrize("backend", available_backends())
def test_a_number_keeps_its_shape(backend: str) -> None:
    with use_backend(backend):
        assert call("relu.forward", np.array(-1.0)).shape == ()
        assert [y.shape for y in call("dropout.forward", np.array(1.0), 0.5, 0)] == [(), ()]


@pytest.mark.parametrize("backend", available_backends())
def test_no_output_channels(backend: str) -> None:
    x, w = np.ones((2, 3, 5, 5)), np.ones((0, 3, 3, 3))
    window = conv_window(x.shape, w.shape)
    with use_backend(backend):
        y = call("conv2d.forward", x, w, None, window, 1)
        grad_x, grad_w = call("conv2d.grad_input", y, w, window, 1), call("conv2d.grad_weight", y, x, window, 1)
    assert (y.shape, grad_w.shape) == ((2, 0, 3, 3), w.shape)
    np.testing.assert_array_equal(grad_x, np.zeros(x.shape))


@pytest.mark.parametrize("backend", available_backends())
def test_read_only_memory_is_not_written(backend: str) -> None:
    locked, free = np.ones(4), np.ones(4)
    locked.flags.writeable = False
    writes = [
        ("relu.forward", -locked, locked),
        ("sgd.step", [locked], [free], None, 0.1, 0.0, 0.0, 0.0, False, False, False),
        ("sgd.step", [free], [free], [locked], 0.1, 0.9, 0.0, 0.0, False, False, False),
        ("adam.step", [locked], [free], [free], [free], None, 1, 0.1, 0.9, 0.99, 1e-8, 0.0, False, False),
    ]
    with use_backend(backend):
        for operation, *arguments in writes:
            with pytest.raises(ValueError, match="read-only"):
                call(operation, *arguments)
    np.testing.assert_array_equal(locked, 1)


@pytest.mark.parametrize(
    ("operation", "module"), [("dropout.forward", "dropout"), *((name, "optimizers") for name in IN_PLACE)]
)
def test_working_block_by_block_changes_no_result(monkeypatch: pytest.MonkeyPatch, operation: str, module: str) -> None:
    monkeypatch.setattr(f"minicnn_kernels.vectorized.{module}.BLOCK", 7)
    for seed in range(3):
        for layout in LAYOUTS:
            check(operation, "numpy", np.float64, 3, layout, seed)


def test_the_memory_budget_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget of one byte cuts a convolution into single rows; the sum of the pieces is the whole."""
    monkeypatch.setattr("minicnn_kernels.vectorized.windows.COLUMNS_BUDGET", 1)
    for operation in ("conv2d.forward", "conv2d.grad_input", "conv2d.grad_weight"):
        for seed in range(5):
            check(operation, "numpy", np.float64, 2, "contiguous", seed)


@pytest.mark.parametrize("backend", available_backends())
def test_a_window_that_steps_over_the_plane_sees_only_padding(backend: str) -> None:
    """Two taps two rows apart, around a plane of one row: the place must still be one of the plane's."""
    x = np.ones((1, 1, 1, 1))
    window = pool_window("max_pool2d", x.shape, (2, 1), stride=1, padding=(1, 0), dilation=2)
    with use_backend(backend):
        y, taps = call("max_pool2d.forward", x, window)
        indices = call("max_pool2d.indices", taps, window)
        grad = call("max_pool2d.grad_input", x, taps, window)
    np.testing.assert_array_equal(y, [[[[-np.inf]]]])
    np.testing.assert_array_equal(indices, [[[[0]]]])
    np.testing.assert_array_equal(grad, [[[[0]]]])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", [name for name in available_backends() if name != "reference"])
def test_float32_statistics_of_many_values_far_from_zero(backend: str, layout: str) -> None:
    """The mean square less the squared mean would lose every digit of this variance."""
    draw = Draw(np.random.default_rng(0), np.float32, 8, layout)
    x = draw.place(1000 + draw.array(8, 4, 100, 100))
    precise = x.astype(np.float64)
    with use_backend(backend):
        mean, var = call("batch_norm.statistics", x)
        _, group_mean, rstd = call("group_norm.forward", x, 2, None, None, 1e-5)
        _, row_mean, row_rstd = call("layer_norm.forward", draw.place(x.reshape(8, 40_000)), None, None, 1e-5)
    groups, rows = precise.reshape(8, 2, 20_000), precise.reshape(8, 40_000)
    for got, expected in (
        (mean, precise.mean((0, 2, 3))),
        (var, precise.var((0, 2, 3))),
        (group_mean, groups.mean(2)),
        (rstd, 1 / np.sqrt(groups.var(2) + 1e-5)),
        (row_mean, rows.mean(1)),
        (row_rstd, 1 / np.sqrt(rows.var(1) + 1e-5)),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-5)
