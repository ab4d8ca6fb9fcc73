"""Grids of images, with every pixel written out, and the files that they are saved to."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn.core.errors import DTypeError, ShapeError
from minicnn.utils import make_grid, save_image


def constant(*values: float, channels: int = 3, height: int = 1, width: int = 2) -> minicnn.Tensor:
    """(N, C, H, W): image n is filled with the n-th value, plus 0.5 in its second channel."""
    images = np.zeros((len(values), channels, height, width), np.float32)
    images += np.array(values, np.float32)[:, None, None, None]
    images[:, 1:2] += 0.5
    return minicnn.from_numpy(images)


def test_rows_are_filled_one_after_the_other() -> None:
    grid = make_grid(constant(1, 2, 3), nrow=2, padding=1, pad_value=9)
    expected = [
        [9, 9, 9, 9, 9, 9, 9],
        [9, 1, 1, 9, 2, 2, 9],
        [9, 9, 9, 9, 9, 9, 9],
        [9, 3, 3, 9, 9, 9, 9],  # a place without an image
        [9, 9, 9, 9, 9, 9, 9],
    ]
    assert grid[0].tolist() == expected
    assert grid[2].tolist() == expected
    assert grid[1].tolist() == [[v if v == 9 else v + 0.5 for v in row] for row in expected]


def test_the_defaults_are_eight_in_a_row_and_two_black_pixels_between() -> None:
    grid = make_grid(minicnn.ones(9, 3, 4, 5))
    assert grid.shape == (3, 2 * (4 + 2) + 2, 8 * (5 + 2) + 2)
    assert float(grid.sum()) == 9 * 3 * 4 * 5
    assert grid[0, :2].max() == grid[0, -2:].max() == grid[0, :, :2].max() == grid[0, 6:8].max() == 0
    assert make_grid(minicnn.ones(3, 3, 4, 5)).shape == (3, 8, 3 * 7 + 2)  # no more columns than images


def test_no_padding() -> None:
    grid = make_grid(constant(1, 2, 3, 4), nrow=2, padding=0)
    assert grid[0].tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]


def test_a_pixel_keeps_its_place_within_its_image() -> None:
    images = minicnn.arange(12.0).reshape(2, 1, 2, 3)
    assert make_grid(images, padding=1)[0].tolist() == [
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 2, 0, 6, 7, 8, 0],
        [0, 3, 4, 5, 0, 9, 10, 11, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (1, 1, 2, 3)])
def test_a_single_grey_image_gets_three_channels_and_no_border(shape: tuple[int, ...]) -> None:
    x = minicnn.arange(6.0).reshape(shape)
    for images in (x, [x]) if x.ndim < 4 else (x,):
        assert make_grid(images).tolist() == [[[0, 1, 2], [3, 4, 5]]] * 3


def test_a_single_colour_image_is_a_copy() -> None:
    x = constant(1.0)
    for images in (x, x[0], [x[0]]):
        grid = make_grid(images)
        assert grid.tolist() == x[0].tolist()
        grid.zero_()
    assert x[0].tolist() == constant(1.0)[0].tolist()


def test_a_list_is_a_batch() -> None:
    x = constant(1, 2, 3)
    for images in (list(x), tuple(x)):
        assert make_grid(images, nrow=2).tolist() == make_grid(x, nrow=2).tolist()
    grey = [minicnn.full((1, 1), value) for value in (1.0, 2.0)]
    assert make_grid(grey, padding=0).tolist() == [[[1, 2]]] * 3


def test_other_numbers_of_channels_stay() -> None:
    assert make_grid(minicnn.zeros(2, 4, 1, 1), padding=0).shape == (4, 1, 2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.0, 0.25, 0.5, 1.0]),  # from -2 to 6
        ({"scale_each": True}, [0.0, 1.0, 0.0, 1.0]),
        ({"value_range": (0, 4)}, [0.0, 0.0, 0.5, 1.0]),  # cut off at 0 and 4
        ({"value_range": (0, 4), "scale_each": True}, [0.0, 0.0, 0.5, 1.0]),
    ],
)
def test_normalize(options: dict[str, Any], expected: list[float]) -> None:
    x = minicnn.tensor([[-2.0, 0.0], [2.0, 6.0]]).reshape(2, 1, 1, 2)
    grid = make_grid(x, normalize=True, padding=0, **options)
    np.testing.assert_allclose(grid.numpy(), [[expected]] * 3, rtol=1e-6)
    assert x.flatten().tolist() == [-2, 0, 2, 6]


def test_one_value_everywhere_is_normalised_without_dividing_by_zero() -> None:
    assert make_grid(minicnn.full((1, 1, 2), 3.0), normalize=True).tolist() == [[[0, 0]]] * 3


def test_the_value_between_the_images_is_not_normalised() -> None:
    grid = make_grid(constant(2, 4), normalize=True, padding=1, pad_value=7)
    assert grid[0, 0].tolist() == [7] * 7


@pytest.mark.parametrize("dtype", [minicnn.uint8, minicnn.float64, minicnn.float16])
def test_the_element_type_stays_and_there_is_no_gradient(dtype: Any) -> None:
    assert make_grid(minicnn.ones(2, 3, 1, 1, dtype=dtype)).dtype == dtype
    x = minicnn.ones(2, 3, 1, 1, dtype=minicnn.float64, requires_grad=True)
    assert not make_grid(x).requires_grad
    assert make_grid(x, normalize=True).dtype == minicnn.float64


def test_an_image_is_saved_in_bytes(tmp_path: Path) -> None:
    x = minicnn.tensor([[-1.0, 0.0, 0.5], [0.1, 1.0, 3.0]])
    for path in (tmp_path / "grey.png", str(tmp_path / "grey.bmp")):
        save_image(x, path)
        image = np.asarray(Image.open(path))
        assert image[..., 1].tolist() == [[0, 0, 128], [26, 255, 255]]  # 127.5 and 25.5, rounded up
        assert image.shape == (2, 3, 3)


def test_a_batch_is_saved_as_a_grid() -> None:
    file = io.BytesIO()
    save_image(constant(0.0, 0.5), file, format="png", padding=1, pad_value=1.0)
    assert np.asarray(Image.open(file)).tolist() == [
        [[255] * 3] * 7,
        [[255] * 3, *[[0, 128, 0]] * 2, [255] * 3, *[[128, 255, 128]] * 2, [255] * 3],
        [[255] * 3] * 7,
    ]


def test_bytes_are_saved_as_they_are() -> None:
    file = io.BytesIO()
    save_image(minicnn.tensor([[7, 200]], dtype=minicnn.uint8), file, "bmp")
    assert np.asarray(Image.open(file)).tolist() == [[[7] * 3, [200] * 3]]


@pytest.mark.parametrize(
    ("images", "options", "error", "says"),
    [
        (np.zeros((2, 3, 4, 4)), {}, TypeError, "expected a tensor of images, or a list of such; got a ndarray"),
        ([minicnn.zeros(3, 4, 4), 1], {}, TypeError, "got a list with a int"),
        ([minicnn.zeros(3, 4, 4), minicnn.zeros(3, 4, 5)], {}, ShapeError, r"one size; got \(3, 4, 4\), \(3, 4, 5\)"),
        ([], {}, ShapeError, "at least one image"),
        (minicnn.zeros(0, 3, 4, 4), {}, ShapeError, r"at least one image.*got \(0, 3, 4, 4\)"),
        (minicnn.zeros(4), {}, ShapeError, r"\(N, C, H, W\), \(C, H, W\) or \(H, W\); got \(4,\)"),
        (minicnn.zeros(2, 3, 4, 4), {"nrow": 0}, ValueError, "nrow must be at least 1.*got 0 and 2"),
        (minicnn.zeros(2, 3, 4, 4), {"padding": -1}, ValueError, "padding at least 0; got 8 and -1"),
        (minicnn.zeros(3, 4, 4), {"normalize": True, "value_range": 1}, TypeError, r"pair of numbers \(low, high\)"),
        (minicnn.zeros(3, 4, 4), {"normalize": True, "value_range": (1, 0)}, TypeError, r"got \(1, 0\)"),
        (minicnn.zeros(3, 4, 4, dtype=minicnn.uint8), {"normalize": True}, DTypeError, r"uint8. Fix: x.float\(\)"),
    ],
)
def test_mistakes(images: Any, options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make_grid(images, **options)


def test_whole_numbers_that_are_no_bytes_are_not_saved() -> None:
    with pytest.raises(DTypeError, match=r"uint8; got .*int64.*Fix: x.float\(\) / 255"):
        save_image(minicnn.tensor([[1, 2]]), io.BytesIO(), "png")
