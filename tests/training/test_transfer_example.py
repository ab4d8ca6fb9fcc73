"""The example of transfer learning: real photos, real weights, and what it says when they are missing."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import models
from tests.real_data import real_data

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "transfer_learning.py"
WEIGHTS = "squeezenet1_1_torchvision_names_fp16.npz"


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("transfer_learning", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def one_thread() -> Iterator[None]:
    """``--threads`` is undone; one thread, for images this small."""
    before = minicnn.get_num_threads()
    minicnn.set_num_threads(1)
    yield
    minicnn.set_num_threads(before)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data folder and an empty cache."""
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Sixteen tiny pictures: dark cats, bright dogs."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos" / "dogs_vs_cats_small"
    for part in ("train", "validation"):
        for name, low in (("cat", 0), ("dog", 160)):
            (folder / part / name).mkdir(parents=True)
            for i in range(4):
                Image.fromarray(rng.integers(low, low + 90, (36, 40, 3), np.uint8)).save(
                    folder / part / name / f"{i}.png"
                )
    return folder


def test_all_three_ways_run_and_are_kept(
    example: Any,
    nowhere: None,
    one_thread: None,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(example, "HEAD_EPOCHS", 3)
    weights = tmp_path / "weights.safetensors"
    minicnn.manual_seed(1)
    minicnn.save(models.squeezenet1_1().state_dict(), weights)
    flags = ["--data-dir", str(photos.parent), "--weights", str(weights), "--output", str(tmp_path / "out")]
    flags += ["--size", "48", "--epochs", "2", "--batch-size", "4", "--threads", "1"]
    results = example.main(flags)
    assert list(results) == ["features", "fine-tuned", "from scratch"]
    assert [len(way["accuracy"]) for way in results.values()] == [3, 2, 2]
    said = capsys.readouterr().out
    assert "8 training and 8 validation images at 48 x 48; weights weights.safetensors" in said
    assert "fine-tuning, epoch 2/2: loss" in said
    assert said.count(" min\n") == 3
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["results"] == results
    assert written["settings"]["epochs"] == 2

    start, first, second = (
        minicnn.load(path)
        for path in (weights, tmp_path / "out" / "features.safetensors", tmp_path / "out" / "fine-tuned.safetensors")
    )
    frozen = [name for name in start if name.startswith("features")]
    assert all(minicnn.equal(first[name], start[name]) for name in frozen)
    assert not any(minicnn.equal(second[name], start[name]) for name in frozen if name.endswith("weight"))
    assert first["classifier.1.weight"].shape == (2, 512, 1, 1)
    models.squeezenet1_1(num_classes=2, weights=tmp_path / "out" / "from_scratch.safetensors")


@pytest.mark.slow
def test_a_few_real_photos_are_enough_with_imagenet_weights(
    example: Any, one_thread: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, weights = real_data("dogs_vs_cats_small"), real_data("weights") / WEIGHTS
    flags = ["--quick", "--threads", "1", "--data-dir", str(photos), "--weights", str(weights)]
    results = example.main([*flags, "--output", str(tmp_path)])
    assert results["features"]["accuracy"][-1] >= 0.85
    assert results["fine-tuned"]["accuracy"][-1] >= 0.85
    assert results["from scratch"]["accuracy"][-1] < results["features"]["accuracy"][-1]
    assert "ImageNet features" in capsys.readouterr().out


@pytest.mark.slow
def test_finding_the_files(example: Any, nowhere: None, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = real_data("weights") / WEIGHTS
    beside = photos.parent / "weights" / WEIGHTS
    beside.parent.mkdir()
    shutil.copy(weights, beside)
    for place in (photos.parent, photos):
        folder = example.find_folder(place)
        assert folder == photos
        assert example.find_weights(None, folder) == beside
    monkeypatch.setenv("MINICNN_DATA", str(photos.parent))
    assert example.find_folder(None) == photos


def test_missing_files_are_told(example: Any, nowhere: None, photos: Path, tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=r"There are no photos of dogs and cats: (.|\n)*kaggle.*--data-dir"):
        example.main(output)
    with pytest.raises(
        SystemExit, match=r"ImageNet weights are not there\. Fix: download https://.*squeezenet1_1-b8a52dc0\.pth"
    ):
        example.main([*output, "--data-dir", str(photos)])
    with pytest.raises(SystemExit, match=r"--weights: there is no file .*absent\.pth"):
        example.main([*output, "--data-dir", str(photos), "--weights", str(tmp_path / "absent.pth")])
    shutil.rmtree(photos / "validation")
    with pytest.raises(SystemExit, match="has no folder 'validation'; expected train/cat"):
        example.main([*output, "--data-dir", str(photos)])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "0"], "--epochs must be at least 1; got 0"),
        (["--size", "16"], "--size must be at least 32"),
        (["--lr", "0"], "--lr must be above 0"),
        (["--lr-features", "-1"], "--lr-features must be above 0"),
        (["--threads", "100000"], "set_num_threads: expected 1 to"),
        (["--output", __file__], "--output: cannot write into"),
    ],
)
def test_wrong_flags_are_told_in_one_line(
    example: Any, flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        example.main(["--output", str(tmp_path), *flags])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_exit_code_and_help(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    flags = "data-dir weights epochs batch-size size lr lr-features seed threads output quick"
    for flag in flags.split():
        assert f"--{flag}" in done.stdout
    environment |= {"MINICNN_DATA": "", "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, str(SCRIPT), "--data-dir", str(tmp_path), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "There are no photos of dogs and cats" in done.stderr
    assert "Traceback" not in done.stderr
