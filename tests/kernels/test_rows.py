"""Arrays as rows of neighbouring elements, and the kernels that take them so: sums and masks of joined gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels import registry
from minicnn_kernels.errors import ShapeError
from minicnn_kernels.numba_cpu import addition
from minicnn_kernels.numba_cpu.activations import relu_grad
from minicnn_kernels.numba_cpu.layout import contiguous, in_rows

import minicnn

KINDS = st.sampled_from([np.float32, np.float64])


@st.composite
def part_of_joined(draw, shape):
    """An array of this shape that is dense, or a part along some axis of one whose axes have any order."""
    order = draw(st.permutations(range(len(shape))))
    axis, before, after = draw(st.sampled_from(range(len(shape)))), draw(st.integers(0, 2)), draw(st.integers(0, 2))
    whole = [size + before + after if i == axis else size for i, size in enumerate(shape)]
    x = np.random.default_rng(draw(st.integers(0, 9))).standard_normal([whole[i] for i in order])
    x = x.transpose(np.argsort(order))
    return x[tuple(slice(before, before + shape[i]) if i == axis else slice(None) for i in range(len(shape)))]


@st.composite
def pairs(draw):
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    kind = draw(KINDS)
    return [draw(part_of_joined(shape)).astype(kind, order="K", copy=False) for _ in range(2)]


@settings(deadline=None)  # the first example compiles
@given(pairs())
def test_rows_are_the_elements_in_order(arrays) -> None:
    rows = in_rows(*arrays)
    if rows is None:
        return
    found = [
        np.concatenate([memory[i * step : i * step + rows.run] for i in range(rows.height)])
        for memory, step in zip(rows.memories, rows.steps, strict=True)
    ]
    expected = [x.ravel() for x in arrays]
    for of_rows, of_arrays in zip(found, expected, strict=True):  # pairs of elements stay together
        assert (of_rows[np.lexsort(found)] == of_arrays[np.lexsort(expected)]).all()


def test_channels_of_a_joined_image_are_a_row_per_pixel() -> None:
    joined = np.zeros((2, 3, 4, 7), np.float32).transpose(0, 3, 1, 2)  # (N, C, H, W), channels last
    part = joined[:, 2:5]
    dense = np.zeros((2, 3, 4, 3), np.float32).transpose(0, 3, 1, 2)
    rows = in_rows(dense, part)
    assert rows is not None
    assert (rows.height, rows.run, rows.steps) == (2 * 3 * 4, 3, (3, 7))
    assert in_rows(dense, dense).height == 1
    assert in_rows(dense, np.zeros((2, 3, 3, 4), np.float32)) is None  # another order of memory
    assert in_rows(np.broadcast_to(np.float32(1), (3, 4))) is None  # the same memory twice
    assert in_rows(np.zeros((4, 3), np.float32)[::-1]) is None


@settings(deadline=None)  # the first example compiles
@given(pairs())
def test_copies_are_dense_and_equal(arrays) -> None:
    x = arrays[0]
    while x.ndim < 4:
        x = x[None]
    y = contiguous(x)
    assert y.flags.c_contiguous
    assert (y == x).all()


@settings(deadline=None)  # the first example compiles
@given(pairs())
def test_sums(arrays) -> None:
    a, b = arrays
    expected = a + b
    assert (addition.add_forward(a, b) == expected).all()
    total = a.copy(order="K")
    assert addition.add_forward(total, b, total) is total
    assert (total == expected).all()


def test_a_sum_of_one_memory() -> None:
    a = np.arange(40_000, dtype=np.float32)
    assert (addition.add_forward(a, a) == 2 * a).all()
    assert (addition.add_forward(a, a, a) == 2 * np.arange(40_000)).all()
    frozen = np.ones(40_000, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        addition.add_forward(frozen, a, frozen)


def test_other_shapes_are_refused_before_memory_is_read() -> None:
    long, short = np.ones(40_000, np.float32), np.ones(90_000, np.float32)[:20_000]
    with pytest.raises(ShapeError, match=r"must have one shape; they have \(40000,\), \(20000,\), \(40000,\)"):
        relu_grad(short, long)
    with pytest.raises(ShapeError, match="does not fit into one of shape"):
        addition.add_forward(long, long, np.ones((2, 40_000), np.float32))


def test_the_order_of_a_sum_is_numpys_where_no_row_is_found() -> None:
    channels = np.broadcast_to(np.arange(64, dtype=np.float32)[:, None, None], (2, 64, 40, 40))
    x = np.ones((2, 64, 40, 40), np.float32)
    assert addition.add_forward(channels, x).strides == x.strides
    last = np.ones((2, 40, 40, 64), np.float32).transpose(0, 3, 1, 2)
    assert addition.add_forward(channels, last).strides == last.strides


def test_infinite_gradients_add_up_in_silence() -> None:
    for size in (3, 200):  # by NumPy, and compiled
        x = minicnn.ones(size, size, requires_grad=True)
        ((x * float("inf")).sum() + (x * -float("inf")).sum()).backward()
        assert x.grad.isnan().all()


@pytest.mark.parametrize("name", ["reference", "numpy", "numba"])
def test_all_backends_add(name) -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, 30, 24, 24)).astype(np.float32)
    with registry.use_backend(name):
        assert (registry.call("add.forward", a, b) == a + b).all()
        assert (registry.call("add.forward", a, b[0]) == a + b[0]).all()
        assert registry.call("add.forward", np.array([True]), np.array([True])).dtype == bool
        total = a.copy()
        assert registry.call("add.forward", total, b, total) is total
        assert (total == a + b).all()


@settings(deadline=None)  # the first example compiles
@given(pairs())
def test_the_mask_of_a_relu_on_any_memory(arrays) -> None:
    grad_y, y = arrays
    function = registry.select("relu.grad", (grad_y, y))[0].function
    assert (function(grad_y, y) == np.where(y <= 0, 0, grad_y)).all()
