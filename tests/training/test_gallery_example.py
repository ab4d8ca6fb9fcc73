"""The page of all augmentations: nothing is forgotten, it is drawn, and it needs no data."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn import transforms

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "augmentation_gallery.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    spec = importlib.util.spec_from_file_location("augmentation_gallery", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_transform_has_a_tile(example: Any) -> None:
    shown = SCRIPT.read_text()
    missing = [
        name
        for name in transforms.__all__
        if isinstance(getattr(transforms, name), type) and name != "InterpolationMode" and f"T.{name}(" not in shown
    ]
    assert not missing


def test_the_page_is_drawn_without_data(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "pages" / "gallery.png"
    tiles = example.main(["--output", str(page)])
    titles = [title for _, title, _ in tiles]
    assert len(set(titles)) == len(titles)
    assert f"{len(tiles)} tiles of flower.jpg and china.jpg of scikit-learn" in capsys.readouterr().out
    with Image.open(page) as image:
        assert image.width > 1500
        assert np.asarray(image.convert("L")).std() > 30
    photo, unchanged = tiles[0][2], {"ToTensor, ToPILImage", "PILToTensor", "ConvertImageDtype", "Denormalize"}
    for _, title, picture in tiles[1:]:
        same = picture.shape == photo.shape and np.allclose(
            picture * (255 if picture.dtype.kind == "f" else 1), photo, atol=1
        )
        assert same == (title in unchanged), title


def test_ones_own_photos(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, colour in (("cat", (200, 90, 40)), ("dog", (20, 160, 220))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (300, 200), colour).save(tmp_path / "photos" / name / "1.png")
    photos, source = example.find_photos(tmp_path / "photos")
    assert [photo.getpixel((9, 9)) for photo in photos] == [(200, 90, 40), (20, 160, 220)]
    assert source.endswith("1.png")
    one, _ = example.find_photos(tmp_path / "photos" / "cat" / "1.png")
    assert one[0].size == one[1].size == (180, 180)
    (tmp_path / "empty").mkdir()
    _, source = example.find_photos(tmp_path / "empty")
    assert "no images below" in capsys.readouterr().out
    assert "scikit-learn" in source
    with pytest.raises(SystemExit, match="there is no folder and no file"):
        example.find_photos(tmp_path / "nowhere")


def test_without_scikit_learn_a_picture_is_generated(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    photos, source = example.find_photos(None)
    assert source == "a generated picture"
    assert {title for _, title, _ in example.make_tiles(*photos)} > {"Cutout(60)"}


def test_arguments_are_checked(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        example.main(["--output", str(tmp_path / "page.jpeg2")])
    assert "--output ends in .png, .pdf or .svg" in capsys.readouterr().err
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        example.main(["--output", str(tmp_path / "file" / "page.png")])
    assert "cannot write into" in capsys.readouterr().err
