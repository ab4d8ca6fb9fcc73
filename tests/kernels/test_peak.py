"""The machine's limits: what is measured is what is said, and nothing is left changed."""

from __future__ import annotations

import numpy as np
import pytest
from minicnn_kernels import threads
from minicnn_kernels.numba_cpu import peak


def test_the_loop_of_multiply_adds() -> None:
    operations, sums = peak.compute(100, 2)
    assert sums.shape[0] == 2
    # v = 0.5*v + 0.5 tends to 1 in each accumulator, so a sum counts them
    np.testing.assert_allclose(sums.sum() * 2 * 100, operations, rtol=1e-6)


def test_the_limit_is_the_longer_of_two() -> None:
    limits = peak.Peak(flops=100.0, read=20.0, triad=10.0)
    assert limits.seconds(flops=200.0, moved=10.0) == 2.0
    assert limits.seconds(flops=200.0, moved=50.0) == 5.0


def test_every_number_is_read_and_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = np.zeros(1001, np.float32), np.ones(1001, np.float32), np.full(1001, 2, np.float32)
    peak._triad(a, b, c, 3)
    assert (a == 4).all()
    sums = np.zeros(3 * peak.APART, np.float32)
    peak._read(sums, a, 3)
    assert sums.sum() == 4 * 1001
    monkeypatch.setattr(peak, "NUMBERS", 2**12)
    monkeypatch.setattr(peak, "TURNS", 1000)
    before = threads.get_num_threads()
    found = peak.measure_peak(1)
    assert min(found.flops, found.read, found.triad) > 0
    assert threads.get_num_threads() == before


def test_uncompiled_loops_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "JIT", False)
    with pytest.raises(RuntimeError, match="NUMBA_DISABLE_JIT"):
        peak.measure_peak()
