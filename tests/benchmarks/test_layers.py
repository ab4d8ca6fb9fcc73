"""What is timed inside a training step, the machine's peak, and the images of the start-up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from minicnn_kernels import call, registry
from minicnn_kernels.watching import describe, watch

import minicnn
from benchmarks import startup
from benchmarks.layers import Profiled, gather
from benchmarks.networks import Network, write_weights


def test_every_kernel_of_a_step_is_seen(tmp_path: Path) -> None:
    network = Network("chain", "chain3", batch=2, side=8, classes=10)
    with minicnn.use_backend("numpy"):
        write_weights(network, tmp_path)
        profile = Profiled(network, tmp_path, 1).profile(2)
        inference = Profiled(network, tmp_path, 1, inference=3).profile(1)
    rows = {(row.operation, row.what): row for row in profile.rows}
    flops = 3 * 2.0 * (2 * 64 * 8 * 8) * (64 * 9)  # three layers, two operations per multiply-add
    for part in ("forward", "grad_input", "grad_weight"):
        row = rows[f"conv2d.{part}", "3x3 64->64 at 8x8"]
        assert (row.calls, row.flops) == (3, flops)
        assert row.moved >= 3 * 4 * (2 * 2 * 64 * 8 * 8 + 64 * 64 * 9)
    assert profile.name == "chain, training step, batch 2"
    assert 0 < sum(row.seconds for row in profile.rows) < 10 * profile.step
    (row,) = (row for row in inference.rows if row.what == "3x3 64->64 at 8x8")
    assert (row.operation, row.flops) == ("conv2d.forward", flops * 3 / 2)
    assert inference.name == "chain, inference, batch 3"


def test_a_call_inside_a_call_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = {
        "outer": registry.Kernel("outer", "numpy", lambda x: call("inner", x) + 1, None),
        "inner": registry.Kernel("inner", "numpy", lambda x: 2 * x, None),
    }
    monkeypatch.setattr(registry, "select", lambda operation, _: (kernels[operation], ""))
    seen: list[tuple[str, int]] = []
    with watch(lambda call: seen.append((call.operation, call.result))):
        assert call("outer", 3) == 7
        assert call("inner", 5) == 10
    assert seen == [("outer", 7), ("inner", 10)]
    call("outer", 3)
    assert len(seen) == 2


def test_products_and_the_rest() -> None:
    a, b = np.zeros((4, 5)), np.zeros((5, 6))
    assert describe("matmul", (a, b), a @ b) == ("4x5 @ 5x6", 2.0 * 4 * 5 * 6)
    assert describe("relu.forward", (np.zeros(5), np.zeros((2, 3))), None) == ("2x3", 0.0)
    assert describe("sgd.step", ([np.zeros(3)] * 4, [np.zeros(3)] * 4), None) == ("3", 0.0)
    assert describe("sgd.step", ([np.zeros(3)] * 5, [np.zeros(3)] * 5), None) == ("10 arrays", 0.0)


def test_rows_hold_the_median_over_the_steps() -> None:
    steps = [[("relu", "3", s, 0.0, 24.0), ("relu", "3", s, 0.0, 24.0)] for s in (1.0, 9.0, 2.0)]
    (row,) = gather(steps)
    assert (row.calls, row.seconds, row.moved) == (2, 4.0, 48.0)


def test_images_in_the_format_of_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "IMAGES", {"train": 7, "t10k": 3})
    startup.write_images(tmp_path)
    train, test = (minicnn.datasets.MNIST(tmp_path, train=train) for train in (True, False))
    assert (len(train), len(test)) == (7, 3)
    assert train.data.shape == (7, 28, 28)
    assert int(train.targets.max().item()) < 10
