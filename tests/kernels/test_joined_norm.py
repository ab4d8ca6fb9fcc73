"""Batch norm of arrays that are joined along their channels: widths, sums in place, threads, guarded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minicnn_kernels import call, threads, use_backend
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.numba_cpu import joined_norm

from .guards import Guards


@pytest.fixture(autouse=True)
def numba_backend():
    with use_backend("numba"):
        yield


def maps(*channels: int, side: int = 14) -> tuple[np.ndarray, ...]:
    """Images in channels-last memory with NaN around it."""
    rng, guards = np.random.default_rng(0), Guards()
    return tuple(guards.around(rng.standard_normal((5, c, side, side)).astype(np.float32)) for c in channels)


def given(channels: int, seed: int = 1) -> tuple[np.ndarray, ...]:
    """weight and bias."""
    return tuple(np.random.default_rng(seed).standard_normal((2, channels)).astype(np.float32))


WIDTHS = [(64, 32, 32, 32), (6, 4, 4), (1,), (300, 17, 1, 33)]


@pytest.mark.parametrize("widths", WIDTHS)
def test_is_the_batch_norm_of_the_joined_array(widths: tuple[int, ...]) -> None:
    parts, (weight, bias) = maps(*widths), given(sum(widths))
    x = np.concatenate(parts, 1)
    statistics = call("batch_norm.statistics", x)
    relu = Epilogue(None, None, 0.0, np.inf)
    y = call("batch_norm.normalize_joined", parts, *statistics, weight, bias, 1e-5, relu)
    np.testing.assert_array_equal(y, call("batch_norm.normalize", x, *statistics, weight, bias, 1e-5, relu))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous

    (grad_y,) = maps(sum(widths))
    arguments = grad_y, parts, *statistics, weight, bias, 1e-5, 0.0, np.inf
    direct, slope, offset, grad_weight, grad_bias = call("batch_norm.grad_joined", *arguments)
    expected = call("batch_norm.grad", grad_y, x, *statistics, weight, 1e-5, False, y, 0.0, np.inf, False, True, bias)
    call("batch_norm.add_line", direct, x, statistics[0], slope, offset)
    for value, truth in zip((direct, grad_weight, grad_bias), expected[:3], strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-4, atol=1e-5 * np.abs(truth).max())


@pytest.mark.parametrize("layout", ["some channels", "dense", "channels first"])
def test_is_added_to_what_is_there(layout: str) -> None:
    parts = maps(8, 5)
    x, (grad_y,), (weight, bias) = np.concatenate(parts, 1), maps(13), given(13)
    arguments = grad_y, parts, *call("batch_norm.statistics", x), weight, bias, 1e-5
    direct = call("batch_norm.grad_joined", *arguments)[0]
    (larger,) = maps(20)
    out = {"some channels": larger[:, 3:16], "dense": larger[:, :13].copy("K"), "channels first": larger[:, :13].copy()}
    total, around = out[layout], larger.copy()
    expected = total + direct
    result = call("batch_norm.grad_joined", *arguments, -np.inf, np.inf, total)[0]
    assert result is total
    np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(larger[:, :3], around[:, :3])
    np.testing.assert_array_equal(larger[:, 16:], around[:, 16:])


def test_the_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_chosen", None)
    parts, (grad_y,), (weight, bias) = maps(64, 32, 7), maps(103), given(103)
    results: list[list[Any]] = []
    for count in (threads.get_num_threads(), 1):
        threads.set_num_threads(count)
        statistics = call("batch_norm.statistics", np.concatenate(parts, 1))
        y = call("batch_norm.normalize_joined", parts, *statistics, weight, bias, 1e-5)
        results.append([y, *call("batch_norm.grad_joined", grad_y, parts, *statistics, weight, bias, 1e-5, 0.0)])
    for several, one in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)


def test_nothing_else_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    guards = Guards()
    monkeypatch.setattr(joined_norm, "empty", guards.empty)
    parts, (grad_y,), (weight, bias) = maps(16, 5, 33), maps(54), given(54)
    statistics = call("batch_norm.statistics", np.concatenate(parts, 1))
    call("batch_norm.normalize_joined", parts, *statistics, weight, bias, 1e-5)
    for result in call("batch_norm.grad_joined", grad_y, parts, *statistics, weight, bias, 1e-5):
        assert not np.isnan(result).any()
    guards.check()
