"""Resizing, cutting, padding and mirroring: against PIL, NumPy and PyTorch, on every kind of image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import minicnn
from minicnn.core import Tensor, from_numpy
from minicnn.core.errors import ShapeError
from minicnn.data import transforms as T
from minicnn.data.randomness import SAMPLE, randomness_of
from minicnn.data.transforms import InterpolationMode as Mode
from minicnn.data.transforms import functional as F

RNG = np.random.default_rng(0)
H, W = 37, 53
BANDS = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4, "LA": 2, "P": 1}
PIXELS = RNG.integers(0, 256, (H, W, 3), np.uint8)


def picture(mode: str) -> Image.Image:
    image = Image.frombytes(mode, (W, H), RNG.integers(0, 256, (H, W, BANDS[mode]), np.uint8).tobytes())
    if mode == "P":
        image.putpalette(RNG.integers(0, 256, 768).tolist())
    return image


def values(image: Any) -> np.ndarray:
    """(H, W) or (H, W, C) of a PIL image or an array, (..., H, W) of a tensor."""
    return image.numpy() if isinstance(image, Tensor) else np.asarray(image)


def same(ours: Any, theirs: Image.Image) -> None:
    assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
    np.testing.assert_array_equal(values(ours), values(theirs))
    assert ours.getpalette() == theirs.getpalette()


def on_all_kinds(transform: Callable[[Any], Any], expected: Callable[[np.ndarray], np.ndarray]) -> None:
    """A transform of PIL images, arrays and tensors is the same function of the pixels (H, W, C)."""
    want = expected(PIXELS)
    tensor = from_numpy(PIXELS.transpose(2, 0, 1).copy())
    np.testing.assert_array_equal(values(transform(Image.fromarray(PIXELS))), want)
    np.testing.assert_array_equal(transform(PIXELS), want)
    np.testing.assert_array_equal(transform(PIXELS[:, :, 0]), want[:, :, 0])
    np.testing.assert_array_equal(transform(tensor).numpy(), want.transpose(2, 0, 1))
    batch = transform(from_numpy(np.stack([tensor.numpy(), 255 - tensor.numpy()])))
    np.testing.assert_array_equal(batch.numpy()[0], want.transpose(2, 0, 1))
    np.testing.assert_array_equal(transform(tensor[0]).numpy(), want[:, :, 0])


# ------------------------------------------------------------------------ resizing


@pytest.mark.parametrize("mode", BANDS)
@pytest.mark.parametrize("interpolation", list(Mode))
def test_pil_images_are_resized_by_pil(mode: str, interpolation: Mode) -> None:
    image = picture(mode)
    number = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
    for size, (height, width) in ((20, (20, 28)), ((20, 31), (20, 31)), ([80], (80, 114)), (100, (100, 143))):
        same(T.Resize(size, interpolation)(image), image.resize((width, height), number[interpolation.value]))
    same(T.Resize(20, number[interpolation.value])(image), image.resize((28, 20), number[interpolation.value]))


@pytest.mark.parametrize(
    ("size", "max_size", "shape", "expected"),
    [
        (256, None, (375, 500), (256, 341)),
        (256, None, (500, 375), (341, 256)),
        (256, None, (300, 300), (256, 256)),
        ([256], 300, (375, 500), (225, 300)),
        (256, 341, (375, 500), (256, 341)),
        (256, 300, (500, 375), (300, 225)),
        ((10, 20), None, (7, 3), (10, 20)),
        (1, None, (3, 1000), (1, 333)),
    ],
)
def test_the_size_that_comes_out(size: Any, max_size: Any, shape: tuple[int, int], expected: tuple[int, int]) -> None:
    resize = T.Resize(size, max_size=max_size)
    assert resize(Image.new("L", shape[::-1])).size == expected[::-1]
    assert resize(np.zeros(shape, np.uint8)).shape == expected
    assert resize(from_numpy(np.zeros((2, 3, *shape), np.float32))).shape == (2, 3, *expected)


def test_an_image_of_that_size_is_left_alone() -> None:
    image = picture("RGB")
    assert T.Resize(H)(image) is image
    tensor = from_numpy(np.zeros((1, H, W), np.float32))
    assert T.Resize((H, W))(tensor) is tensor


@pytest.mark.parametrize("size", [(20, 31), (80, 90), (20, 90), (37, 60), (1, 1)])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False, None])
def test_tensors_are_resized_as_by_pytorch(size: tuple[int, int], mode: str, antialias: bool | None) -> None:
    smooth = mode.startswith("bi")
    options: dict[str, Any] = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
    resize = T.Resize(size, Mode(mode), antialias=antialias)
    for kind, rtol in ((np.float64, 1e-10), (np.float32, 2e-5)):
        x = RNG.standard_normal((2, 3, H, W)).astype(kind)
        expected = torch.nn.functional.interpolate(torch.from_numpy(x), size, mode=mode, **options).numpy()
        out = resize(from_numpy(x)).numpy()
        assert out.dtype == kind
        np.testing.assert_allclose(out, expected, rtol=rtol, atol=rtol * smooth)
        np.testing.assert_array_equal(resize(from_numpy(x[0, 0])).numpy(), out[0, 0])
        np.testing.assert_allclose(resize(x[0].transpose(1, 2, 0)), out[0].transpose(1, 2, 0), rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("mode", [Mode.BILINEAR, Mode.BICUBIC])
def test_bytes_are_resized_as_by_pil(mode: Mode) -> None:
    """PIL rounds after each direction, so a level of difference is allowed."""
    soft = PIXELS // 2 + 64  # nothing to cut off in between
    image = Image.fromarray(soft)
    for size in ((20, 31), (80, 90), (9, 100)):
        expected = values(T.Resize(size, mode)(image)).astype(int)
        for out in (T.Resize(size, mode)(soft), T.Resize(size, mode)(from_numpy(soft.transpose(2, 0, 1).copy()))):
            levels = values(out) if out.shape[-1] == 3 else values(out).transpose(1, 2, 0)
            assert levels.dtype == np.uint8
            assert np.abs(levels.astype(int) - expected).max() <= 1
    step = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1)
    assert set(T.Resize((1, 64), Mode.BICUBIC)(step)[0, [0, -1]]) == {0, 255}  # no overflow where the curve overshoots


def test_a_constant_image_stays_constant() -> None:
    for mode in (Mode.NEAREST, Mode.BILINEAR, Mode.BICUBIC):
        for antialias in (True, False):
            out = T.Resize((7, 90), mode, antialias=antialias)(np.full((20, 30), 3.0))
            np.testing.assert_allclose(out, 3.0, rtol=1e-12)


def test_resize_explains_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="'lanczos' is for PIL images; tensors and arrays"):
        T.Resize(4, Mode.LANCZOS)(np.zeros((8, 8)))
    with pytest.raises(TypeError, match=r"an InterpolationMode, such as InterpolationMode.BICUBIC.*got 'bilinear'"):
        T.Resize(4, "bilinear")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_size=4 must be greater than size=4"):
        T.Resize(4, max_size=4)
    with pytest.raises(ValueError, match="max_size=9 is for a size of one number"):
        T.Resize((4, 5), max_size=9)
    for wrong in ((1, 2, 3), (), 0, -3, (4, 0)):
        with pytest.raises(ValueError, match=r"Resize: .*got"):
            T.Resize(wrong)
    for kind in ("4", 4.0, None, True, (4, 5.0)):
        with pytest.raises(TypeError, match="one whole number or two"):
            T.Resize(kind)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a PIL image, an array or a tensor; got list"):
        T.Resize(4)([[1]])
    with pytest.raises(ValueError, match=r"an image is a tensor \(\.\.\., H, W\); got shape \(3,\)"):
        T.Resize(4)(from_numpy(np.zeros(3)))
    with pytest.raises(ValueError, match=r"an array \(H, W\) or \(H, W, C\); got shape \(1, 3, 4, 4\)"):
        T.Resize(4)(np.zeros((1, 3, 4, 4)))


# ------------------------------------------------------------------------ cutting and padding


@pytest.mark.parametrize("box", [(0, 0, 5, 6), (30, 40, 7, 13), (-3, -4, 10, 12), (30, 45, 20, 20), (-5, 3, 60, 4)])
def test_crop_is_pils(box: tuple[int, int, int, int]) -> None:
    top, left, height, width = box
    want = np.asarray(Image.fromarray(PIXELS).crop((left, top, left + width, top + height)))
    on_all_kinds(lambda image: F.crop(image, *box), lambda pixels: want)


def test_crop_outside_is_black() -> None:
    for box in ((100, 100, 5, 4), (-20, -20, 5, 4), (0, -9, 5, 4), (50, 0, 5, 4)):
        on_all_kinds(lambda image, box=box: F.crop(image, *box), lambda pixels: np.zeros((5, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("size", "top", "left"), [(10, 14, 22), ((10, 21), 14, 16), ([37], 0, 8), ((37, 53), 0, 0), ((36, 50), 0, 2)]
)
def test_center_crop(size: Any, top: int, left: int) -> None:
    crop = T.CenterCrop(size)
    height, width = crop.size
    on_all_kinds(crop, lambda pixels: pixels[top : top + height, left : left + width])


def test_center_crop_of_a_smaller_image() -> None:
    on_all_kinds(T.CenterCrop((40, 60)), lambda x: np.pad(x, ((1, 2), (3, 4), (0, 0))))
    on_all_kinds(T.CenterCrop((40, 11)), lambda x: np.pad(x, ((1, 2), (0, 0), (0, 0)))[:, 21:32])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_pad_is_numpys(mode: Any) -> None:
    for padding, (left, top, right, bottom) in (
        (3, (3, 3, 3, 3)),
        ([2], (2, 2, 2, 2)),
        ((2, 5), (2, 5, 2, 5)),
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        (0, (0, 0, 0, 0)),
    ):
        widths = ((top, bottom), (left, right), (0, 0))
        on_all_kinds(T.Pad(padding, padding_mode=mode), lambda x, widths=widths: np.pad(x, widths, mode))
    on_all_kinds(T.Pad((-1, 2, 3, -4), padding_mode=mode), lambda x: np.pad(x[:-4, 1:], ((2, 0), (0, 3), (0, 0)), mode))


def test_pad_with_a_colour() -> None:
    image = Image.fromarray(PIXELS)
    same(T.Pad((1, 2, 3, 4), fill=(9, 8, 7))(image), ImageOps.expand(image, (1, 2, 3, 4), (9, 8, 7)))
    same(T.Pad(2, fill=5)(image), ImageOps.expand(image, 2, (5, 5, 5)))
    want = np.asarray(ImageOps.expand(image, 1, (9, 8, 7)))
    for kind in (PIXELS, from_numpy(PIXELS.transpose(2, 0, 1).copy())):
        out = values(T.Pad(1, fill=(9, 8, 7))(kind))
        np.testing.assert_array_equal(out if out.shape[-1] == 3 else out.transpose(1, 2, 0), want)
    floats = T.Pad(1, fill=0.5)(np.zeros((2, 2), np.float32))
    assert (floats.dtype, floats.sum()) == (np.float32, 6.0)
    with pytest.raises(ValueError, match=r"fill is one number or one per channel, here 3; got \(1, 2\)"):
        T.Pad(1, fill=(1, 2))(image)


@pytest.mark.parametrize("mode", BANDS)
def test_pad_keeps_mode_and_palette(mode: str) -> None:
    image = picture(mode)
    same(T.Pad(2)(image), ImageOps.expand(image, 2, 0 if BANDS[mode] == 1 else (0,) * BANDS[mode]))
    edge = T.Pad((1, 0), padding_mode="edge")(image)
    assert (edge.mode, edge.getpalette()) == (mode, image.getpalette())
    np.testing.assert_array_equal(values(edge)[:, 0], values(image)[:, 0])
    np.testing.assert_array_equal(values(edge)[:, 1:-1], values(image))
    bits = Image.fromarray(PIXELS[:, :, 0] > 127)
    np.testing.assert_array_equal(values(T.Pad(1, padding_mode="edge")(bits)), np.pad(PIXELS[:, :, 0] > 127, 1, "edge"))
    levels = Image.fromarray(RNG.random((3, 4)).astype(np.float32))
    assert T.Pad(1, fill=0.5)(levels).getpixel((0, 0)) == 0.5


def test_pad_explains_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"padding_mode must be one of 'constant', 'edge', .*; got 'mirror'"):
        T.Pad(1, padding_mode="mirror")
    with pytest.raises(ValueError, match=r"or four \(left, top, right, bottom\); got \(1, 2, 3\)"):
        T.Pad((1, 2, 3))
    with pytest.raises(TypeError, match=r"padding is one whole number.*; got '2'"):
        T.Pad("2")  # type: ignore[arg-type]


def test_flips() -> None:
    on_all_kinds(T.RandomHorizontalFlip(1.0), lambda x: x[:, ::-1])
    on_all_kinds(T.RandomVerticalFlip(1.0), lambda x: x[::-1])
    image = picture("P")
    assert F.hflip(image).getpalette() == image.getpalette()
    assert T.RandomHorizontalFlip(0.0)(image) is image
    assert T.RandomVerticalFlip(0.0)(PIXELS) is PIXELS
    with pytest.raises(ValueError, match="p is a probability, from 0 to 1; got 50"):
        T.RandomHorizontalFlip(50)


def test_results_have_memory_of_their_own() -> None:
    source = np.ones((3, 8, 8), np.float32)
    for transform in (T.CenterCrop(4), T.CenterCrop(8), T.RandomHorizontalFlip(1.0), T.Pad(0), T.Resize(4)):
        out = transform(from_numpy(source))
        assert out.is_contiguous()
        out.zero_()
    assert source.min() == 1


def test_get_dimensions() -> None:
    for image in (Image.new("RGB", (5, 4)), np.zeros((4, 5, 3)), from_numpy(np.zeros((2, 3, 4, 5)))):
        assert F.get_dimensions(image) == [3, 4, 5]
    for image in (Image.new("L", (5, 4)), np.zeros((4, 5)), from_numpy(np.zeros((4, 5)))):
        assert F.get_dimensions(image) == [1, 4, 5]


# ------------------------------------------------------------------------ random ones


def test_random_crop_takes_every_place() -> None:
    x = np.arange(20).reshape(4, 5)
    crop = T.RandomCrop((3, 4))
    corners = {int(crop(x)[0, 0]) for _ in range(200)}
    assert corners == {0, 1, 5, 6}
    for _ in range(20):
        part = crop(x)
        np.testing.assert_array_equal(part, x[part[0, 0] // 5 :, part[0, 0] % 5 :][:3, :4])
    np.testing.assert_array_equal(T.RandomCrop((4, 5))(x), x)


def test_random_crop_pads() -> None:
    x = np.ones((4, 4), np.uint8)
    sums = {int(T.RandomCrop(4, padding=2)(x).sum()) for _ in range(300)}
    assert sums == {4, 6, 8, 9, 12, 16}  # (2, 3 or 4 rows) times (2, 3 or 4 columns)
    assert T.RandomCrop(6, pad_if_needed=True, fill=3)(x).shape == (6, 6)
    assert T.RandomCrop((2, 9), pad_if_needed=True, padding_mode="edge")(x).tolist() == [[1] * 9] * 2
    wide = T.RandomCrop((2, 9), pad_if_needed=True, padding=(1, 0), fill=7)
    assert {7} < set(wide(x).ravel().tolist()) <= {1, 7}
    with pytest.raises(ValueError, match=r"a part of 5 x 3 does not fit into an image of 4 x 4.*pad_if_needed=True"):
        T.RandomCrop((5, 3))(x)


def test_random_resized_crop_draws_what_its_paper_says() -> None:
    image = np.zeros((300, 400), np.uint8)
    crop = T.RandomResizedCrop(7, scale=(0.2, 0.5), ratio=(0.5, 2.0))
    minicnn.manual_seed(0)
    parts = np.array([crop.get_params(image, crop.scale, crop.ratio) for _ in range(2000)])
    top, left, height, width = parts.T
    area, ratio = height * width / image.size, width / height
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 300).all()
    assert (left + width <= 400).all()
    assert 0.195 < area.min() < 0.21
    assert 0.49 < area.max() < 0.505
    assert abs(area.mean() - 0.35) < 0.01
    assert 0.49 < ratio.min() < 0.52
    assert 1.9 < ratio.max() < 2.02
    assert abs(np.log(ratio).mean()) < 0.05
    assert top.min() == 0
    assert len(set(zip(top.tolist(), left.tolist(), strict=True))) > 1500
    wide = np.array([crop.get_params(image, (0.2, 0.3), (2, 3)) for _ in range(50)])
    assert (wide[:, 3] / wide[:, 2] > 1.9).all()  # width / height, not the other way round


def test_random_resized_crop_that_never_fits_is_the_middle() -> None:
    wide, tall = np.zeros((100, 400)), np.zeros((400, 100))
    assert T.RandomResizedCrop.get_params(wide, (1, 1), (0.5, 2)) == (0, 100, 100, 200)
    assert T.RandomResizedCrop.get_params(tall, (1, 1), (0.5, 2)) == (100, 0, 200, 100)
    assert T.RandomResizedCrop.get_params(wide, (9, 9), (1, 5)) == (0, 0, 100, 400)


def test_resized_crop_is_crop_then_resize() -> None:
    want = Image.fromarray(PIXELS).crop((3, 2, 13, 22)).resize((9, 8), Image.Resampling.BILINEAR)
    same(F.resized_crop(Image.fromarray(PIXELS), 2, 3, 20, 10, (8, 9)), want)


def test_random_resized_crop_is_crop_then_resize() -> None:
    image = Image.fromarray(PIXELS)
    crop = T.RandomResizedCrop((8, 9), interpolation=Mode.BICUBIC)
    minicnn.manual_seed(5)
    top, left, height, width = crop.get_params(image, crop.scale, crop.ratio)
    minicnn.manual_seed(5)
    same(crop(image), image.crop((left, top, left + width, top + height)).resize((9, 8), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    "transform",
    [T.RandomCrop(20, padding=4), T.RandomResizedCrop(20), T.RandomHorizontalFlip(), T.RandomVerticalFlip()],
    ids=lambda t: type(t).__name__,
)
def test_they_draw_from_the_sample(transform: Any) -> None:
    def draw(seed: int, sample: int) -> bytes:
        with randomness_of(seed, SAMPLE, sample, 0):
            return np.asarray(transform(PIXELS)).tobytes()

    drawn = [draw(seed, sample) for seed in range(4) for sample in range(4)]
    assert drawn == [draw(seed, sample) for seed in range(4) for sample in range(4)]
    assert len(set(drawn)) > 1
    flips = sum(draw(7, i) != PIXELS.tobytes() for i in range(400)) if "Flip" in repr(transform) else 200
    assert 160 <= flips <= 240


def test_random_arguments_that_do_not_fit() -> None:
    for name, limits in (
        ("scale", (1.0, 0.5)),
        ("ratio", (0, 1)),
        ("ratio", (2, 1)),
        ("scale", 0.5),
        ("scale", (-1, 1)),
    ):
        with pytest.raises(ValueError, match=rf"{name} is \(smallest, largest\), both above 0; got"):
            T.RandomResizedCrop(8, **{name: limits})
    with pytest.raises(ValueError, match="RandomCrop: height and width must be at least 1"):
        T.RandomCrop(0)
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        T.RandomCrop(3, padding_mode="mirror")
    with pytest.raises(TypeError, match="padding is one whole number"):
        T.RandomCrop(3, padding=1.5)  # type: ignore[arg-type]


def test_texts_are_torchvisions() -> None:
    for transform, text in (
        (T.Resize(256), "Resize(size=256, interpolation=bilinear, max_size=None, antialias=True)"),
        (T.Resize((3, 4), 3), "Resize(size=(3, 4), interpolation=bicubic, max_size=None, antialias=True)"),
        (T.CenterCrop([3]), "CenterCrop(size=(3, 3))"),
        (T.RandomCrop(3, 4), "RandomCrop(size=(3, 3), padding=4)"),
        (T.Pad((1, 2)), "Pad(padding=(1, 2), fill=0, padding_mode=constant)"),
        (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
        (T.RandomVerticalFlip(0.25), "RandomVerticalFlip(p=0.25)"),
        (
            T.RandomResizedCrop(224),
            "RandomResizedCrop(size=(224, 224), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, "
            "antialias=True)",
        ),
    ):
        assert repr(transform) == text


def test_very_long_and_empty_images() -> None:
    assert T.Resize(10, max_size=20)(minicnn.zeros(3, 1, 1000)).shape == (3, 1, 20)
    assert T.Resize(10, max_size=20)(Image.new("L", (1000, 1))).size == (20, 1)
    with pytest.raises(ShapeError, match="an image of 0 x 4 has no shorter edge"):
        T.Resize(2)(minicnn.zeros(3, 0, 4))
