"""examples/pictures.py, run as a user runs it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_all_pictures_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main: Any = runpy.run_path(str(ROOT / "examples" / "pictures.py"))["main"]
    rng = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    folder = tmp_path / "out"
    main(["resnet20", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--output", str(folder)])
    assert sorted(path.name for path in folder.iterdir()) == [
        *("activations.png", "architecture.svg", "deconvnet.png", "feature_maps.png", "filters.png", "grad_cam.png"),
        *("guided_backprop.png", "most_activating.png", "occlusion.png", "report.txt", "saliency.png"),
    ]
    report = (folder / "report.txt").read_text(encoding="utf-8")
    assert "Grad-CAM of 2 images (3, 32, 32), layer 'layer3': 64 channels of 8 x 8" in report
    assert report in capsys.readouterr().out
    for path in folder.glob("*.png"):
        with Image.open(path) as written:
            assert written.width > 200
