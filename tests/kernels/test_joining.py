"""Concatenation on the compiled backend: layouts, threads, and nothing outside of the result."""

from __future__ import annotations

import numpy as np
import pytest
from minicnn_kernels import call, explain, threads, use_backend
from minicnn_kernels.numba_cpu import joining

from .guards import Guards


@pytest.fixture(autouse=True)
def numba_backend():
    with use_backend("numba"):
        yield


def maps(*channels: int) -> list[np.ndarray]:
    rng, guards = np.random.default_rng(0), Guards()
    return [guards.around(rng.standard_normal((3, c, 7, 5)).astype(np.float32)) for c in channels]


def test_channels_last_stays_channels_last():
    y = call("cat.forward", maps(3, 40, 1), 1)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(y, np.concatenate(maps(3, 40, 1), 1))


def test_mixed_layouts_take_that_of_the_largest():
    small, large = maps(3, 40)
    y = call("cat.forward", (np.ascontiguousarray(small), large), 1)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(y, np.concatenate((small, large), 1))


@pytest.mark.parametrize("task", [1, 100, 10**9])
def test_writes_the_result_and_nothing_else(monkeypatch, task):
    guards = Guards()
    monkeypatch.setattr(joining, "empty", guards.empty)
    monkeypatch.setattr(joining, "TASK", task)
    np.testing.assert_array_equal(call("cat.forward", maps(16, 5, 33), 1), np.concatenate(maps(16, 5, 33), 1))
    guards.check()


def test_the_number_of_threads_changes_nothing(monkeypatch):
    monkeypatch.setattr(threads, "_chosen", None)
    most = call("cat.forward", maps(64, 32, 7), 1)
    threads.set_num_threads(1)
    np.testing.assert_array_equal(call("cat.forward", maps(64, 32, 7), 1), most)


def test_other_types_are_left_to_numpy():
    integers = np.arange(3), np.arange(2)
    assert "the 'numba' kernel declines: it is compiled for arrays" in explain("cat.forward", integers, 0)
    np.testing.assert_array_equal(call("cat.forward", integers, 0), [0, 1, 2, 0, 1])
