"""The tables' text, and the sections of the file."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.__main__ import arguments
from benchmarks.harness import Timing
from benchmarks.inference import InferenceRow
from benchmarks.layers import Profile, Row
from benchmarks.loading import LoadingRow
from benchmarks.machine import Peak
from benchmarks.operations import OperationRow
from benchmarks.scaling import Point, Sweep
from benchmarks.startup import Startup
from benchmarks.training import TrainingRow


def time(median: float, others: float = 0.0) -> Timing:
    return Timing(median, 0.9 * median, 1.1 * median, 10, others)


def test_milliseconds_have_three_digits() -> None:
    assert [results.milliseconds(s) for s in (0.0000123, 0.012345, 0.12345, 7.6543)] == [
        "0.0123",
        "12.3",
        "123",
        "7654",
    ]


def test_loading() -> None:
    rows = [LoadingRow("no loading", None, 0.0, time(0.2)), LoadingRow("resized", 2, 1234.5, time(0.25, 0.07))]
    text = results.loading("photos", rows)
    assert "| no loading |  |  | 200 (180-220) | 1.00 |" in text
    assert "| resized | 2 | 1234 | 250 (225-275) | 1.25 |" in text
    assert "It needs 160 images/s" in text
    assert "at most 7%" in text


def test_training() -> None:
    row = TrainingRow(
        "Net", time(0.1), time(0.25, 0.031), "NCHW", 512_000_000, 1_024_000_000, {"NCHW": 2.41}, {"compile": "no g++"}
    )
    text = results.training([row])
    assert "| Net | 100 (90-110) | 250 (225-275) | **2.50** | 512 | 1024 |" in text
    assert "| network | NCHW | compile |\n| --- | --- | --- |\n| Net | 2.41 | failed |" in text
    assert "- compile: no g++" in text
    assert "other programs used at most 3% of the processors" in text


def test_inference() -> None:
    times = {
        "minicnn": time(0.015),
        "minicnn.compile": time(0.01),
        "PyTorch, NCHW": time(0.04),
        "PyTorch, channels_last": time(0.03),
        "ONNX Runtime": time(0.02),
    }
    text = results.inference([InferenceRow("Net", 16, times, {"OpenVINO": "the package openvino is not installed"})])
    assert "| Net | 16 | 15 (13.5-16.5) | 10 (9-11) | 20 (18-22) | **2.00** |  |  | 30 (27-33) | **3.00** |" in text
    assert "- OpenVINO: the package openvino is not installed" in text


def test_layers() -> None:
    peak = Peak(flops=100e9, read=30e9, triad=20e9)
    rows = [
        Row("conv2d.forward", "3x3 8->8 at 9x9", 1, 0.01, 5e8, 5e5),
        Row("conv2d.forward_normalized", "3x3 8->8 at 9x9", 1, 0.01, 5e8, 5e5),
        Row("relu.forward", "16x8x9x9", 4, 0.01, 0, 1e8),
        Row("conv2d.grad_weight", "3x3 8->8 at 9x9", 2, 0.04, 1e9, 1e6),
        Row("sgd.step", "9 arrays", 1, 1e-6, 0, 1e3),
    ]
    text = results.layers(Profile("Net, batch 16", rows, 0.1), peak)
    assert "| 3x3 8->8 at 9x9 | 2 | 20 ms, 50 GFLOP/s, 50% |  | 40 ms, 25 GFLOP/s, 25% |" in text
    assert "| relu.forward | 16x8x9x9 | 4 | 10 ms, 10 GB/s, 50% |" in text
    assert "| smaller ones |  |  | 0.001 ms |" in text
    assert "| outside kernels |  |  | 30 ms |" in text
    assert "limits add up to 25 ms (25% of the step)" in text


def test_growth() -> None:
    depth = Sweep("layers", "chain", [Point(2, time(0.03), time(0.06), 4), Point(4, time(0.05), time(0.08), 4)])
    side = Sweep("image side", "net", [Point(100, time(0.04), time(0.08), 4)])
    batch = Sweep("batch", "net", [Point(4, time(0.04), time(0.08), 4)])
    text = results.growth([batch, side, depth])
    assert "| 4 | 50 (45-55) | 80 (72-88) | 1.60 | 10 | 10 |" in text  # ms per further layer
    assert "| 100 | 40 (36-44) | 80 (72-88) | 2.00 | 1000 | 2000 |" in text  # ns per pixel
    assert "| 4 | 40 (36-44) | 80 (72-88) | 2.00 | 10 | 20 |" in text  # ms per image
    assert "minicnn 10 ms + 10 ms per layer, at most 0% off; PyTorch 40 ms + 10 ms per layer, at most 0% off." in text


def test_the_rest() -> None:
    assert "cache of compiled kernels: 12.3 s" in results.startup(Startup(12.34, 1.5))
    text = results.operations([OperationRow("relu", time(0.01), time(0.005), None)])
    assert "| relu | 10 (9-11) | 5 (4.5-5.5) | 0.50 |  |" in text


def test_a_section_replaces_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    document = dataclasses.replace(results.RESULTS, path=path)
    document.write("Operations", "one")
    document.write("Training", "two\n\n### part\n\nthree")
    document.write("Operations", "four")
    assert re.findall(r"^## .*", path.read_text(), re.MULTILINE) == ["## Training", "## Operations"]
    assert results.sections(path.read_text()) == {"Training": "two\n\n### part\n\nthree", "Operations": "four"}
    assert path.read_text().startswith(f"# {document.title}\n\n")


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert arguments([]).parts == ["training", "inference", "layers", "scaling", "startup", "loading", "operations"]
    assert arguments(["startup", "networks", "--only", "vgg"]).parts == ["training", "inference", "startup"]
    with pytest.raises(SystemExit):
        arguments(["vgg"])
    assert "there is no part vgg; choose from training" in capsys.readouterr().err
