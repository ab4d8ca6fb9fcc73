"""``python -m benchmarks gpu``: what it says where there is no GPU, what it reads, what it writes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import checks, command, report
from benchmarks.gpu.checks import Outcome
from benchmarks.gpu.steps import EAGER, GRAPH, GpuRow
from benchmarks.harness import Timing


def time(median: float) -> Timing:
    return Timing(median, 0.9 * median, 1.1 * median, 10, 0.0)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicnn_kernels.cuda.runtime.why_unavailable", lambda: "this machine has no NVIDIA driver")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_it_says_so_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main([])
    assert str(end.value) == (
        "There is no GPU to measure: this machine has no NVIDIA driver.\n"
        "Without one, `pytest tests/cuda tests/device` runs the CUDA kernels and what launches them on the CPU, "
        "and `python -m benchmarks` measures the CPU."
    )
    assert capsys.readouterr().out == ""


def test_a_pytorch_for_cpus_is_no_yardstick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicnn_kernels.cuda.runtime.why_unavailable", lambda: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert re.search("does not see this GPU.*gpu tests sanitizer", command.missing(["training"]) or "")
    assert command.missing(["tests", "sanitizer"]) is None


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.arguments([]).parts == ["tests", "sanitizer", "training", "inference", "layers"]
    assert command.arguments(["cifar", "tests"]).parts == ["tests", "cifar"]
    with pytest.raises(SystemExit):
        command.arguments(["vgg"])
    assert "there is no part vgg; choose from tests" in capsys.readouterr().err


def test_the_tests_run_with_the_gpu_wanted(tmp_path: Path) -> None:
    good, bad = tmp_path / "test_good.py", tmp_path / "test_bad.py"
    good.write_text("import os\ndef test_it():\n    assert os.environ['MINICNN_TEST_GPU'] == '1'\n")
    bad.write_text("def test_it():\n    assert 1 == 2\n")
    clean = checks.pytest(str(good))
    assert clean.clean
    assert clean.summary.startswith("1 passed in")
    both = checks.pytest(
        str(good),
        str(bad),
        before=(sys.executable, "-X", "utf8", "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"),
    )
    assert not both.clean
    assert both.summary.startswith("1 failed, 1 passed in")
    assert "assert 1 == 2" in both.output


def test_the_sanitizer_is_looked_for_on_the_path_and_in_its_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    assert checks.sanitizer() is None
    program = tmp_path / "nvidia" / "cu13" / "bin" / "compute-sanitizer"
    program.parent.mkdir(parents=True)
    program.touch()
    assert checks.sanitizer() == program


def test_what_the_file_says(tmp_path: Path) -> None:
    times = {
        EAGER: time(0.004),
        GRAPH: time(0.001),
        "PyTorch, NCHW": time(0.003),
        "PyTorch, channels_last": time(0.002),
    }
    fast = GpuRow("Net", 100, "tf32", times)
    slow = GpuRow("Net", 100, "strict", {k: v for k, v in times.items() if k != GRAPH}, {GRAPH: "item() in the step"})
    assert (fast.ratio, slow.ratio) == (2.0, 0.5)
    text = report.steps([fast, slow])
    assert "| Net | 100 | tf32 | 4 (3.6-4.4) | 1 (0.9-1.1) | 2 (1.8-2.2) | **2.00** | channels_last |" in text
    assert "| Net | 100 | strict | 4 (3.6-4.4) | failed | 2 (1.8-2.2) | **0.50** | channels_last |" in text
    assert "- Net, minicnn, graph: item() in the step" in text
    assert report.tests(Outcome("3 passed in 1 s", True)).endswith("3 passed in 1 s.")
    assert "assert 1 == 2" in report.tests(Outcome("1 failed in 1 s", False, "assert 1 == 2"))
    found = report.sanitizer({"memcheck": Outcome("3 passed in 1 s", True), "racecheck": Outcome("x", False, "a race")})
    assert "- memcheck: nothing found; 3 passed in 1 s\n- racecheck: FAULTS; x" in found
    assert "racecheck:\n\n```\na race\n```" in found
