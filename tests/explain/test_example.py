"""The example: every chapter runs on a small picture, offline, and writes what it says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from tests.real_data import real_data

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "explain_a_convolution.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script as a module; no data folder, an empty cache."""
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("explain_a_convolution", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SIDE", 40)
    return module


def test_chapters_are_written(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    Image.fromarray(numbers).save(tmp_path / "noise.png")
    example.main(["--quick", "--image", str(tmp_path / "noise.png"), "--output", str(tmp_path / "out")])
    text = (tmp_path / "out" / "explanation.txt").read_text()
    figures = sorted(path.stem for path in (tmp_path / "out").glob("*.png"))
    costs = ("cost_bottleneck", "cost_separable", "cost_windows")
    edges = ("edge", "edge_grad_input", "edge_grad_weight")
    fields, flows = ("field_squeezenet", "field_three_3x3"), ("flow_relu", "flow_sigmoid")
    assert figures == ["activations_dead", *costs, "curve", *edges, *fields, *flows, "im2col"]
    numbers_said = ("= 6600 (44", "442,368", "126,976", "7 x 7 pixels have a gradient", "col2im adds")
    for said in (*numbers_said, "it vanishes"):
        assert said in text
    assert re.search(r"^1 +ReLU .* [4-8] of 8$", text, re.MULTILINE)  # four were made so
    assert "3. The same" not in text
    out = capsys.readouterr().out
    assert out.startswith("The picture is noise.png")
    assert "5. What one output sees" in out
    assert "6. How signals flow" in out


def test_the_timed_chapter(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(example.explain, "compare", lambda layer, x, **options: asked.append({"x": x, **options}))
    assert [name for name, _ in example.implementations(minicnn.zeros(1, 3, 40, 40), None)] == [
        "compare_small",
        "compare",
    ]
    assert asked[0]["backward"]


def test_a_real_photo_and_the_one_of_scikit_learn(example: Any) -> None:
    args = example.parse_arguments(["--data-dir", str(real_data("imagenet_samples").parent), "--output", "."])
    assert example.find_picture(args)[1] == "n01440764_tench.JPEG"
    args = example.parse_arguments(["--output", "."])
    picture, name = example.find_picture(args)
    assert name == "china.jpg of scikit-learn"
    assert tuple(example.as_tensor(picture).shape) == (1, 3, 40, 40)


def test_what_is_wrong_is_said(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SystemExit, match=r"--image: cannot read .*text.png"):
        example.main(["--image", str(tmp_path / "text.png"), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        example.main(["--output", str(tmp_path / "text.png" / "out")])
    assert "--output: cannot write into" in capsys.readouterr().err
