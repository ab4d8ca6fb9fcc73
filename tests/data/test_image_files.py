"""One image file: every kind of image as RGB, upright."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from minicnn.data.datasets import CorruptDataError
from minicnn.data.datasets.image_files import default_loader

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 5, 3), np.uint8)


def save(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    (image or Image.fromarray(PIXELS)).save(path, **options)
    return path


def test_gray_and_black_and_white_become_rgb(tmp_path: Path) -> None:
    gray = PIXELS[:, :, 0]
    image = default_loader(save(tmp_path / "gray.png", Image.fromarray(gray)))
    np.testing.assert_array_equal(np.asarray(image), np.stack([gray] * 3, 2))
    bits = gray > 127
    image = default_loader(save(tmp_path / "bits.png", Image.fromarray(bits)))
    np.testing.assert_array_equal(np.asarray(image), np.stack([bits * np.uint8(255)] * 3, 2))


def test_transparency_is_left_out(tmp_path: Path) -> None:
    alpha = np.dstack([PIXELS, RNG.integers(0, 256, (6, 5), np.uint8)])
    np.testing.assert_array_equal(np.asarray(default_loader(save(tmp_path / "a.png", Image.fromarray(alpha)))), PIXELS)
    two = np.dstack([PIXELS[:, :, 0], alpha[:, :, 3]])
    image = default_loader(save(tmp_path / "la.png", Image.fromarray(two)))
    np.testing.assert_array_equal(np.asarray(image), np.stack([two[:, :, 0]] * 3, 2))


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    colours = RNG.integers(0, 256, (4, 3), np.uint8)
    indices = RNG.integers(0, 4, (6, 5), np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(colours.tobytes())
    assert image.mode == "P"
    for name, options in (
        ("p.png", {}),
        ("t.png", {"transparency": bytes([0, 255, 128, 7])}),
        ("o.png", {"transparency": 2}),
    ):
        loaded = default_loader(save(tmp_path / name, image, **options))
        assert loaded.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(loaded), colours[indices])


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, :, 1] = 255  # magenta
    image = default_loader(save(tmp_path / "cmyk.jpg", Image.frombytes("CMYK", (16, 16), inks.tobytes()), quality=100))
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image).reshape(-1, 3), [[255, 0, 255]] * 256, atol=4)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_of_sixteen_bits_the_higher_eight_are_kept(tmp_path: Path, ending: str) -> None:
    deep = RNG.integers(0, 65536, (6, 5), np.uint16)
    deep[0, :2] = 0, 65535
    image = default_loader(save(tmp_path / f"deep.{ending}", Image.fromarray(deep)))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), np.stack([deep >> 8] * 3, 2))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_that_are_no_brightness_are_refused(tmp_path: Path, kind: Any) -> None:
    path = save(tmp_path / "height.tif", Image.fromarray(PIXELS[:, :, 0].astype(kind)))
    with pytest.raises(
        CorruptDataError, match=r"height\.tif: .*numbers of 32 bits \(mode [IF]\).*a loader of your own"
    ):
        default_loader(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_images_are_turned_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation  # how the camera was held
    options: dict[str, Any] = {"lossless": True} if ending == "webp" else {}
    path = save(tmp_path / f"side.{ending}", exif=exif, **options)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    upright = default_loader(path)
    np.testing.assert_array_equal(np.asarray(upright), expected)
    assert upright.size == ((6, 5) if orientation > 4 else (5, 6))


def test_a_jpeg_of_a_camera_held_on_its_side(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    scene = np.zeros((16, 32, 3), np.uint8)
    scene[:, :16] = 255  # what was on the left of the sensor is the top
    upright = np.asarray(default_loader(save(tmp_path / "1.jpg", Image.fromarray(scene), exif=exif, quality=100)))
    assert upright.shape == (32, 16, 3)
    assert upright[:16].min() > 240
    assert upright[16:].max() < 15
    grey = Image.fromarray(scene[:, :, 0])
    assert default_loader(save(tmp_path / "2.jpg", grey, exif=exif)).size == (16, 32)
