"""What ``python -m benchmarks gpu`` times, run once: minicnn on the stand-in for CuPy, PyTorch on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from benchmarks.gpu import steps
from benchmarks.layers import profile
from benchmarks.machine import Peak
from benchmarks.networks import Network, write_weights
from benchmarks.sides import Inference, Training
from tests.device.conftest import device as device  # the fixture

CHAIN = Network("chain", "chain1", batch=2, side=8, classes=10, optimizer="Adam")


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("kind", [Training, Inference])
def test_all_sides_compute_the_same_and_none_fails(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "DEVICES", {"minicnn": "cuda", "torch": "cpu"})
    write_weights(CHAIN, tmp_path)
    found = steps.row(kind, CHAIN, "strict", tmp_path, rounds=1, seconds=0.0)
    assert set(found.times) == {"minicnn", "minicnn, graph", *(f"PyTorch, {way}" for way in steps.WAYS)}
    assert found.failures == {}
    assert found.theirs.startswith("PyTorch")
    assert found.ratio > 0


@pytest.mark.usefixtures("device")
def test_layers_are_those_of_the_gpu_and_are_waited_for(tmp_path: Path) -> None:
    import minicnn

    waits = []

    def now() -> float:
        minicnn.cuda.synchronize()
        waits.append(1)
        return float(len(waits))

    write_weights(CHAIN, tmp_path)
    found = profile("chain", Training(CHAIN, tmp_path, 1, "minicnn", device="cuda"), 1, now)
    rows = {(row.operation, row.what): row for row in found.rows}
    first = rows["conv2d.forward", "3x3 3->64 at 8x8"]
    assert (first.calls, first.flops) == (1, 2.0 * 2 * 64 * 8 * 8 * 3 * 9)
    assert first.seconds == 1  # one look at the clock to the next
    assert first.moved == 4 * (2 * 3 * 64 + 64 * 27 + 64 + 2 * 64 * 64)
    assert "| 3x3 3->64 at 8x8 | 1 |" in results.layers(found, Peak(1e12, 1e11, 1e11))
