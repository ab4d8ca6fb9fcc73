"""The example that the README starts with: real digits, checkpoints, pictures, and no network."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from tests.real_data import real_data

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "mnist_convnet.py"


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("mnist_convnet", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data folder, an empty cache, and mirrors that do not answer."""
    from minicnn.data import datasets

    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])


def _weights(path: Path) -> list[np.ndarray]:
    return [t.numpy() for t in minicnn.load(path)["model"].values()]


@pytest.mark.slow
def test_resuming_continues_bit_for_bit(
    example: Any, offline: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = example.main(["--epochs", "3", "--output", str(tmp_path / "whole")])
    example.main(["--epochs", "1", "--output", str(tmp_path / "parts")])
    minicnn.manual_seed(12345)  # whatever happened in between
    parts = example.main(["--epochs", "3", "--resume", "--output", str(tmp_path / "parts")])
    assert parts == whole
    pairs = zip(
        _weights(tmp_path / "parts" / "checkpoint.mcnn"), _weights(tmp_path / "whole" / "checkpoint.mcnn"), strict=True
    )
    assert all(np.array_equal(a, b) for a, b in pairs)
    said = capsys.readouterr().out
    assert "MNIST is not on this machine and no mirror could be reached" in said
    assert "Continuing after epoch 1." in said
    assert "scikit-learn digits test images" in said
    assert (tmp_path / "parts" / "training.png").stat().st_size > 10_000

    with pytest.raises(SystemExit, match=r"made with lr 0\.001, this run has 0\.01"):
        example.main(["--epochs", "4", "--resume", "--lr", "0.01", "--output", str(tmp_path / "parts")])


@pytest.mark.slow
def test_real_mnist_in_two_hundred_steps(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = real_data("mnist")
    history = example.main(["--quick", "--data-dir", str(folder), "--output", str(tmp_path)])
    said = capsys.readouterr().out
    assert "Epoch [1/1], Step [100/300], Loss: " in said
    assert history["test_accuracy"][-1] > 0.95


def test_resume_without_a_checkpoint_says_so(example: Any, offline: None, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no checkpoint"):
        example.main(["--resume", "--output", str(tmp_path)])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--lr", "0"], "--lr must be above 0"),
        (["--device", "cuda"], "Fix: use 'cpu'"),
        (["--device", "gpu"], "expected 'cpu'"),
        (["--threads", "100000"], "set_num_threads: expected 1 to"),
        (["--output", __file__], "--output: cannot write into"),
        (["--data-dir", __file__], "--data-dir must be a folder"),
    ],
)
def test_wrong_flags_are_told_in_one_line(
    example: Any, flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        example.main(["--output", str(tmp_path), *flags])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_help_names_every_flag() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    flags = "epochs batch-size lr seed backend device data-dir threads output resume quick"
    for flag in flags.split():
        assert f"--{flag}" in done.stdout
