"""Rotation, shift, zoom and shear: fill modes against SciPy, what is drawn, and mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import minicnn
from minicnn.core import from_numpy
from minicnn.data import transforms as T
from minicnn.data.transforms import InterpolationMode as Mode
from minicnn.data.transforms import functional as F

RNG = np.random.default_rng(0)
PICTURE = RNG.random((11, 14))
SCIPYS = {"constant": "grid-constant", "nearest": "nearest", "reflect": "reflect", "wrap": "grid-wrap"}
SHIFTED = {"constant": [9, 9, 1], "nearest": [1, 1, 1], "reflect": [2, 1, 1], "wrap": [2, 3, 1]}


@pytest.mark.parametrize("fill_mode", SCIPYS)
@pytest.mark.parametrize(("order", "mode"), [(0, Mode.NEAREST), (1, Mode.BILINEAR)])
def test_fill_modes_are_scipys(fill_mode: str, order: int, mode: Mode) -> None:
    for angle, shift, zoom in ((25.0, (3, -2), 0.6), (-130.0, (-9, 6), 0.3), (0.0, (20, 40), 1.0)):
        ours = F.affine(PICTURE, angle, shift, zoom, 0, mode, fill=0.7, fill_mode=fill_mode)
        a = math.radians(angle)
        back = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]) / zoom  # rows (y, x)
        middle = (np.array(PICTURE.shape) - 1) / 2
        offset = middle - back @ (middle + np.array(shift[::-1]))
        theirs = ndimage.affine_transform(PICTURE, back, offset, order=order, mode=SCIPYS[fill_mode], cval=0.7)
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("fill_mode", SHIFTED)
def test_the_table_of_fill_modes(fill_mode: str) -> None:
    row = np.array([[1, 2, 3]], np.uint8)
    for kind in (row, from_numpy(row), Image.fromarray(row)):
        out = F.affine(kind, 0, (2, 0), 1.0, 0, fill=9, fill_mode=fill_mode)
        assert np.asarray(out).tolist() == [SHIFTED[fill_mode]]


def test_affine_of_random_amounts_stays_within_its_limits() -> None:
    transform = T.RandomAffine((5, 9), translate=(0.1, 0.5), scale=(0.5, 2.0), shear=(1, 2, -4, -3))
    minicnn.manual_seed(0)
    drawn = [
        transform.get_params(transform.degrees, transform.translate, transform.scale, transform.shear, (100, 20))
        for _ in range(500)
    ]
    columns = {
        "angle": ([d[0] for d in drawn], 5, 9),
        "x": ([d[1][0] for d in drawn], -10, 10),
        "y": ([d[1][1] for d in drawn], -10, 10),
        "zoom": ([d[2] for d in drawn], 0.5, 2.0),
        "shear x": ([d[3][0] for d in drawn], 1, 2),
        "shear y": ([d[3][1] for d in drawn], -4, -3),
    }
    for name, (values, low, high) in columns.items():
        assert low <= min(values) < low + 0.1 * (high - low), name
        assert high - 0.1 * (high - low) < max(values) <= high, name
        assert abs(np.mean(values) - (low + high) / 2) < 0.1 * (high - low), name
    assert all(isinstance(shift, int) for d in drawn for shift in d[1])
    assert T.RandomAffine(0).get_params([0, 0], None, None, None, (9, 9)) == (0.0, (0, 0), 1.0, (0.0, 0.0))


def test_nothing_to_do_leaves_the_pixels() -> None:
    for image in (PICTURE, Image.fromarray((255 * PICTURE).astype(np.uint8))):
        for mode in SCIPYS:
            np.testing.assert_allclose(np.asarray(T.RandomAffine(0, fill_mode=mode)(image)), np.asarray(image))
            np.testing.assert_allclose(np.asarray(T.RandomRotation(0, fill_mode=mode)(image)), np.asarray(image))


def test_rotation_with_room_for_everything() -> None:
    image = np.ones((20, 30))
    turned = T.RandomRotation((90, 90), expand=True)(image)
    assert turned.shape == (30, 20)
    assert (turned == 1).all()
    turned = T.RandomRotation((45, 45), Mode.BILINEAR, expand=True)(image)
    assert turned.shape == Image.new("L", (30, 20)).rotate(45, expand=True).size[::-1]
    assert abs(turned.sum() - image.sum()) < 5


def test_a_palette_image_keeps_its_colours() -> None:
    image = Image.fromarray(RNG.integers(0, 4, (9, 9), np.uint8))
    image.putpalette(RNG.integers(0, 256, 12).tolist())
    out = T.RandomRotation((30, 30), Mode.BILINEAR, fill_mode="reflect")(image)
    assert out.mode == "P"
    assert out.getpalette() == image.getpalette()
    assert set(np.unique(np.asarray(out))) <= {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: T.RandomRotation(-5),
            r"degrees is a number of degrees, for angles from -degrees to degrees, .*got -5",
        ),
        (lambda: T.RandomRotation((5, -5)), r"\(smallest, largest\); got \[5\.0, -5\.0\]"),
        (lambda: T.RandomRotation((1, 2, 3)), r"got \(1, 2, 3\)"),
        (lambda: T.RandomRotation(float("nan")), "got nan"),
        (lambda: T.RandomAffine(0, translate=(2, 0)), r"translate is two parts of the image's size.*got \(2, 0\)"),
        (lambda: T.RandomAffine(0, scale=(0, 1)), r"scale is \(smallest, largest\), both above 0; got \(0, 1\)"),
        (lambda: T.RandomAffine(0, shear=(1, 2, 3)), "or four numbers"),
        (lambda: T.RandomAffine(0, fill_mode="edge"), "fill_mode must be one of 'constant', .*; got 'edge'"),
        (lambda: T.RandomAffine(0, fill=(1, 2))(np.zeros((4, 4, 3))), r"one per channel, here 3; got \(1, 2\)"),
        (lambda: F.affine(PICTURE, 0, (0, 0), 0, 0), "scale is a number above 0; got 0"),
        (lambda: F.rotate(PICTURE, 3, Mode.BICUBIC), "'bicubic' is not for tensors and arrays; use 'nearest'"),
        (
            lambda: F.rotate(Image.new("L", (3, 3)), 3, Mode.BICUBIC, fill_mode="wrap"),
            "'bicubic' is not for fill_mode='wrap'",
        ),
        (lambda: F.rotate(PICTURE, 3, center=(1, 2, 3)), r"center is two numbers, \(x, y\).*got \(1, 2, 3\)"),
    ],
)
def test_what_does_not_fit_is_explained(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_what_is_of_another_kind_is_explained() -> None:
    with pytest.raises(TypeError, match=r"degrees is a number of degrees.*got '5'"):
        T.RandomRotation("5")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"translate is two parts.*got 0\.1"):
        T.RandomAffine(0, translate=0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an InterpolationMode"):
        T.RandomAffine(0, interpolation="bilinear")  # type: ignore[arg-type]
