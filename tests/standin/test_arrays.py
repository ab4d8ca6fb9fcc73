"""Arrays of the stand-in: what a GPU would refuse is refused, and rubbish is seen."""

from __future__ import annotations

import numpy as np
import pytest

from tests import standin
from tests.standin.package import Package

FLOATS = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_it_computes(cp):
    x = cp.asarray(FLOATS)
    for got, expected in (
        (np.exp(x), np.exp(FLOATS)),
        (x.T @ x, FLOATS.T @ FLOATS),
        (np.concatenate((x, x + 1), axis=1), np.concatenate((FLOATS, FLOATS + 1), axis=1)),
        (2 - x, 2 - FLOATS),
        (np.float32(2) * x, 2 * FLOATS),
        (x[1:, ::2], FLOATS[1:, ::2]),
        (x.sum(axis=0, keepdims=True), FLOATS.sum(axis=0, keepdims=True)),
        (np.where(x > 3, x, 0), np.where(FLOATS > 3, FLOATS, 0)),
        (x[cp.asarray([2, 0])], FLOATS[[2, 0]]),
        (x[x > 5], FLOATS[FLOATS > 5]),
    ):
        assert isinstance(got, cp.ndarray)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.get(), expected)


def test_in_place_operators_write_where_the_array_is(cp):
    x = cp.asarray(FLOATS)
    address, row = x.data.ptr, x[1]
    x += 1
    np.multiply(x, 2, out=x)
    assert x.data.ptr == address
    np.testing.assert_array_equal(row.get(), (FLOATS[1] + 1) * 2)


def test_views_share_memory_and_addresses(cp):
    x = cp.asarray(FLOATS)
    assert x[1].data.ptr == x.data.ptr + 16
    assert x.T.data.ptr == x.data.ptr
    x[1].fill(0)
    assert not x.get()[1].any()
    assert x[1].base is x


def test_numpy_arrays_do_not_mix(cp):
    x = cp.asarray(FLOATS)
    for mistake in (
        lambda: x + FLOATS,
        lambda: FLOATS * x,
        lambda: np.maximum(x, FLOATS),
        lambda: np.concatenate((x, FLOATS)),
        lambda: np.where(x > 0, x, FLOATS),
        lambda: cp.ElementwiseKernel("T x, T y", "T z", "z = x + y", "mixed")(x, FLOATS),
    ):
        with pytest.raises(TypeError, match="Unsupported type"):
            mistake()


@pytest.mark.parametrize("convert", [np.asarray, np.require, lambda x: np.linalg.norm(np.asarray(x))])
def test_nothing_is_converted_by_itself(cp, convert):
    with pytest.raises(TypeError, match="Implicit conversion"):
        convert(cp.asarray(FLOATS))


def test_numpy_arrays_cannot_be_assigned(cp):
    x = cp.asarray(FLOATS)
    for mistake in (lambda: x.__setitem__(0, FLOATS[0]), lambda: x.__setitem__(0, [1, 2, 3, 4])):
        with pytest.raises(ValueError, match="cannot be used for fill"):
            mistake()
    x[0] = np.float32(7)
    x[1] = cp.asarray(FLOATS[2])
    np.testing.assert_array_equal(x.get()[:2], [[7] * 4, FLOATS[2]])


def test_reductions_stay_on_the_device(cp):
    x = cp.asarray(FLOATS)
    for result in (x.sum(), np.mean(x), x.max(), np.argmax(x), (x == x).all(), np.array_equal(x, x), x[0, 0]):
        assert isinstance(result, cp.ndarray)
        assert result.shape == ()
    with pytest.raises(TypeError):
        range(x.astype(int).sum())


def test_flags_know_nothing_of_writeable(cp):
    x = cp.asarray(FLOATS)
    assert x.flags.c_contiguous
    assert x.T.flags["F_CONTIGUOUS"]
    with pytest.raises(AttributeError):
        _ = x.flags.writeable


def test_empty_holds_rubbish(cp):
    assert np.isnan(cp.empty(3, "f").get()).all()
    assert np.isnan(cp.empty_like(cp.zeros(3)).get()).all()
    assert (cp.empty(3, "i4").get() == -1).all()
    x = cp.ones(128, "f")  # memory that was used before, too
    del x
    assert np.isnan(cp.empty(128, "f").get()).all()


@pytest.mark.parametrize(
    "mistake",
    [
        lambda x: np.exp(x, where=True),
        lambda x: np.sum(x, where=x > 0),
        lambda x: np.sum(x, initial=0),
        lambda x: x.sum(where=True),
        lambda x: np.clip(x, min=0, max=1),
        lambda x: np.reshape(x, shape=(4, 3)),
        lambda x: np.exp(x, order="C"),
        lambda x: np.insert(x, 0, 0),
    ],
)
def test_arguments_and_functions_that_cupy_lacks(cp, mistake):
    with pytest.raises(TypeError):
        mistake(cp.asarray(FLOATS))


def test_ufunc_methods_that_cupy_lacks(cp):
    x = cp.asarray(FLOATS)
    assert np.add.reduce(x).get().tolist() == FLOATS.sum(0).tolist()
    np.add.at(x, (cp.asarray([0, 0]), cp.asarray([1, 1])), 1.0)
    assert float(x[0, 1]) == 3
    with pytest.raises(NotImplementedError, match="not supported yet"):
        np.maximum.reduce(x)


def test_names_that_cupy_lacks(cp):
    for name in ("ma", "nope", "asmatrix"):
        with pytest.raises(AttributeError, match="has no attribute"):
            getattr(cp, name)
    with pytest.raises(AttributeError, match="has no attribute 'ctypes'"):
        _ = cp.zeros(1).ctypes
    assert isinstance(cp.linalg, Package)


def test_what_is_not_modelled_says_so(cp):
    with pytest.raises(standin.NotModelled, match=r"tests/standin"):
        _ = cp.random
    with pytest.raises(standin.NotModelled, match=r"methods\.py"):
        _ = cp.zeros(3).choose


def test_whole_numbers_out_of_range_wrap_round(cp):
    x = cp.asarray(FLOATS)
    np.testing.assert_array_equal(x[cp.asarray([3, -1])].get(), FLOATS[[0, 2]])
    np.testing.assert_array_equal(np.take(x, cp.asarray([4]), axis=1).get(), FLOATS[:, [0]])
    with pytest.raises(IndexError):
        x[5]


def test_dtypes_that_cupy_lacks(cp):
    for kind in (object, "U3", "M8[s]"):
        with pytest.raises(ValueError, match="Unsupported dtype"):
            cp.empty(3, kind)


def test_ufuncs_return_c_order_and_copies_may_keep_it(cp):
    x = cp.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2)  # channels-last
    assert np.exp(x).flags.c_contiguous
    assert x.copy().flags.c_contiguous
    assert x.copy("K").strides == x.strides
    assert x.astype("f").strides == tuple(s // 2 for s in x.strides)
    assert np.zeros_like(x).strides == x.strides
    assert np.empty_like(x, shape=(5, 3, 2, 2)).transpose(0, 2, 3, 1).flags.c_contiguous


def test_what_waits_is_counted(cp):
    x = cp.asarray(FLOATS)
    with standin.counted() as counts:
        np.exp(x)
        x.sum()
        x[1] = 0
    assert counts["synchronisations"] == 0
    for waits in (
        lambda: x.sum().item(),
        lambda: float(x[0, 0]),
        lambda: bool((x == x).all()),
        lambda: x[x > 0],
        lambda: np.nonzero(x),
        lambda: np.unique(x),
        lambda: x.get(),
        lambda: repr(x),
    ):
        with standin.counted() as counts:
            waits()
        assert counts["synchronisations"] >= 1


def test_device_arrays_of_two_devices_do_not_mix(cp):
    x = cp.zeros(3)
    with cp.cuda.Device(1):
        y = cp.ones(3)
        assert (y + 1).device.id == 1
        with pytest.raises(ValueError, match="Array device must be same as the current device"):
            x + y
    with pytest.raises(ValueError, match="array device = 1 while current = 0"):
        x + y
    assert y.get().tolist() == [1, 1, 1]
    assert (x + y.copy()).get().tolist() == (x + cp.asarray(y)).get().tolist() == [1, 1, 1]
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorInvalidDevice"):
        cp.cuda.Device(2).use()


def test_views_can_be_taken_of_arrays_on_any_device(cp):
    with cp.cuda.Device(1):
        y = cp.asarray(FLOATS)
    for view in (y.T, y.transpose(1, 0), y.reshape(4, 3), y[1:, ::2], y.swapaxes(0, 1), np.broadcast_to(y, (2, 3, 4))):
        assert view.data.device_id == 1
        assert view.data.ptr >= y.data.ptr
    for computes in (
        lambda: y.T.reshape(2, 6),
        lambda: y[cp.asarray([0, 1])],
        lambda: y[y > 0],
        lambda: cp.ascontiguousarray(y.T),
        lambda: np.nonzero(y),
        lambda: np.exp(y),
        lambda: y.sum(),
    ):
        with pytest.raises(ValueError, match="array device = 1 while current = 0"):
            computes()


def test_nothing_is_left_behind(cp):
    import sys

    standin.uninstall()
    try:
        import cupy

        assert cupy is not cp
        assert "stand-in" not in cupy.__version__
        assert sys.modules["cupy.cuda"].__file__
    finally:
        standin.install()
