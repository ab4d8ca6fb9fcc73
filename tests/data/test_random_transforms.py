"""What the random transforms draw: colours, tones, noise, erased parts, choices; the same for any number of workers."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn.core import Tensor, from_numpy
from minicnn.data import DataLoader, Dataset
from minicnn.data import transforms as T
from minicnn.data.randomness import SAMPLE, randomness_of
from minicnn.data.transforms import functional as F

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 20, 3), np.uint8)
PHOTO = Image.fromarray(PIXELS)
OF_MODE = {mode: Image.new(mode, (3, 3)) for mode in ("P", "LA", "LAB", "RGBA", "I")}
AUGMENTATIONS: list[Callable[[Any], Any]] = [
    T.RandomCrop(16, padding=2),
    T.RandomResizedCrop(16),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomRotation(30),
    T.RandomAffine(10, (0.2, 0.2), (0.8, 1.2), 10, fill_mode="reflect"),
    T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    T.RandomGrayscale(0.5),
    T.PCAColorNoise(),
    T.GaussianBlur(3),
    T.GaussianNoise(),
    T.SaltAndPepper(),
    T.RandomErasing(),
    T.RandomErasing(value="random"),
    T.Cutout(5, n_holes=2),
    T.RandomAutocontrast(),
    T.RandomEqualize(),
    T.RandomInvert(),
    T.RandomPosterize(2),
    T.RandomSolarize(100),
    T.RandomAdjustSharpness(3.0),
    T.RandomApply([T.RandomInvert(1.0), T.Pad(1)]),
    T.RandomChoice([T.Pad(1), T.Pad(2), T.Pad(3)]),
    T.RandomOrder([T.Pad(1), T.RandomInvert(1.0), T.RandomRotation(20)]),
]


def values(image: Any) -> np.ndarray:
    return image.numpy() if isinstance(image, Tensor) else np.asarray(image)


@pytest.mark.parametrize("transform", AUGMENTATIONS, ids=lambda t: type(t).__name__)
def test_each_follows_its_sample_and_takes_every_kind_of_image(transform: Callable[[Any], Any]) -> None:
    def draw(image: Any, seed: int, sample: int) -> np.ndarray:
        with randomness_of(seed, SAMPLE, sample, 0):
            return values(transform(image))

    planes = from_numpy(PIXELS.transpose(2, 0, 1).copy())
    drawn = [draw(PHOTO, 1, i) for i in range(12)]
    assert len({d.tobytes() for d in drawn}) > 1
    for i, one in enumerate(drawn):
        np.testing.assert_array_equal(one, draw(PHOTO, 1, i))
        array, tensor = draw(PIXELS, 1, i), draw(planes, 1, i)
        np.testing.assert_array_equal(array, tensor.transpose(1, 2, 0))
        assert array.shape == one.shape
        assert array.dtype == tensor.dtype == one.dtype == np.uint8
        if not isinstance(transform, T.RandomEqualize | T.RandomResizedCrop):
            assert abs(array.astype(int) - one).mean() < 8  # Pillow rounds elsewhere
    np.testing.assert_array_equal(values(planes), PIXELS.transpose(2, 0, 1))  # what came in is as it was
    np.testing.assert_array_equal(values(PHOTO), PIXELS)
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)  # for workers that are processes


BYTES_ONLY = (T.RandomEqualize, T.RandomPosterize, T.RandomSolarize)  # the last: its threshold here


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (2, 30), (17, 5)])
@pytest.mark.parametrize("transform", AUGMENTATIONS[1:], ids=lambda t: type(t).__name__)
def test_small_and_odd_images_of_every_kind(transform: Callable[[Any], Any], size: tuple[int, int]) -> None:
    pixels = RNG.integers(0, 256, (*size, 3), np.uint8)
    kinds: list[Any] = [pixels, from_numpy(pixels.transpose(2, 0, 1).copy()), Image.fromarray(pixels)]
    if not isinstance(transform, BYTES_ONLY):
        floats = pixels.astype(np.float32) / 255
        kinds += [floats, floats.astype(np.float64), from_numpy(np.stack([floats.transpose(2, 0, 1)] * 2))]
    if not isinstance(transform, T.PCAColorNoise):
        kinds += [pixels[:, :, 0], Image.fromarray(pixels[:, :, 0])]
    for image in kinds:
        with randomness_of(3, SAMPLE, 0, 0):
            out = transform(image)
        assert type(out) is type(image) or isinstance(out, Image.Image)
        assert values(out).dtype == values(image).dtype
        assert values(out).ndim == values(image).ndim


class Photos(Dataset):
    """One photo, augmented; in a module, so that processes can import it."""

    def __init__(self, transform: Any, n: int = 10) -> None:
        self.transform, self.n = transform, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        return self.transform(PHOTO), index % 3


EVERYTHING = T.Compose(
    [*AUGMENTATIONS, T.Resize((12, 12)), T.ToTensor(), T.Normalize((0.5,) * 3, (0.2,) * 3), T.RandomErasing()]
)


def passes(workers: int, mode: str = "thread", batch_size: int = 5) -> list[Any]:
    """Two epochs, mixed by MixUp: images and labels."""
    minicnn.manual_seed(4)
    loader = DataLoader(
        Photos(EVERYTHING), batch_size, shuffle=True, num_workers=workers, worker_mode=mode,
        persistent_workers=workers > 0,
        collate_fn=T.RandomChoice([T.MixUp(num_classes=3), T.CutMix(num_classes=3)]),
    )  # fmt: skip
    return [[[part.numpy() for part in batch] for batch in loader] for _ in range(2)]


@pytest.mark.parametrize(("workers", "mode"), [(1, "thread"), (2, "thread"), (2, "process")])
def test_the_number_of_workers_changes_nothing(workers: int, mode: str) -> None:
    alone, helped = passes(0), passes(workers, mode)
    for epoch, same in zip(alone, helped, strict=True):
        for batch, other in zip(epoch, same, strict=True):
            for part, its in zip(batch, other, strict=True):
                np.testing.assert_array_equal(part, its)
    assert not np.array_equal(alone[0][0][0], alone[1][0][0])  # another epoch, another augmentation


# ------------------------------------------------------------------------ colours


def test_color_jitter_draws_factors_and_an_order() -> None:
    jitter = T.ColorJitter(brightness=0.3, contrast=(0.5, 3.0), saturation=2.0, hue=0.25)
    minicnn.manual_seed(0)
    drawn = [jitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) for _ in range(400)]
    assert {tuple(d[0]) for d in drawn} == set(itertools.permutations(range(4)))
    for i, (low, high) in enumerate(((0.7, 1.3), (0.5, 3.0), (0.0, 3.0), (-0.25, 0.25)), start=1):
        factors = [d[i] for d in drawn]
        assert low <= min(factors) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(factors) <= high
    _, *factors = T.ColorJitter(brightness=0.5).get_params((0.5, 1.5), None, None, None)
    assert factors[1:] == [None, None, None]
    assert T.ColorJitter()(PHOTO) is PHOTO


def test_color_jitter_does_what_it_has_drawn() -> None:
    jitter = T.ColorJitter(0.4, 0.4, 0.4, 0.1)
    with randomness_of(0, SAMPLE, 0):
        order, *factors = jitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    expected: Any = PHOTO
    functions = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
    for which in order:
        expected = functions[which](expected, factors[which])
    with randomness_of(0, SAMPLE, 0):
        np.testing.assert_array_equal(values(jitter(PHOTO)), values(expected))


def test_grey_images() -> None:
    grey = T.RandomGrayscale(1.0)(PHOTO)
    assert grey.mode == "RGB"
    assert (values(grey) == values(grey)[:, :, :1]).all()
    one = Image.fromarray(PIXELS[:, :, 0])
    assert T.RandomGrayscale(1.0)(one).mode == "L"
    flat = PIXELS[:, :, 0]
    np.testing.assert_array_equal(T.Grayscale()(flat), flat)
    assert T.Grayscale(3)(flat).shape == (24, 20, 3)
    assert T.Grayscale(3)(from_numpy(flat.copy())).shape == (3, 24, 20)
    for function in (F.adjust_saturation, F.adjust_hue):
        assert function(flat, 0.2) is flat  # no colour, nothing to do


def test_transparency_stays() -> None:
    alpha = Image.fromarray(RNG.integers(0, 256, (24, 20), np.uint8))
    photo = PHOTO.copy()
    photo.putalpha(alpha)
    for change in (
        lambda image: F.adjust_hue(image, 0.3),
        lambda image: F.adjust_gamma(image, 2.0),
        lambda image: F.adjust_saturation(image, 2.0),
    ):
        changed = change(photo)
        np.testing.assert_array_equal(values(changed.getchannel("A")), values(alpha))
        np.testing.assert_array_equal(values(changed.convert("RGB")), values(change(PHOTO)))


def test_hue_turns_all_the_way_round() -> None:
    x = RNG.random((2, 3, 5, 6))
    turned = from_numpy(x)
    for _ in range(4):
        turned = F.adjust_hue(turned, 0.25)
    np.testing.assert_allclose(turned.numpy(), x, atol=1e-12)


def test_pca_noise_has_alexnets_covariance() -> None:
    noise, image = T.PCAColorNoise(std=0.1), np.full((1, 1, 3), 0.5)
    minicnn.manual_seed(0)
    shifts = np.array([noise(image)[0, 0] - 0.5 for _ in range(4000)])
    p = noise.eigenvectors
    expected = p @ np.diag((0.1 * noise.eigenvalues) ** 2) @ p.T
    np.testing.assert_allclose(shifts.T @ shifts / len(shifts), expected, atol=0.05 * expected.max())
    np.testing.assert_allclose(p.T @ p, np.eye(3), atol=2e-3)  # the published columns are orthogonal
    np.testing.assert_array_equal(values(T.PCAColorNoise(std=0)(PHOTO)), PIXELS)
    with pytest.raises(ValueError, match="an image of 3 channels; got 1"):
        noise(PIXELS[:, :, 0])


def test_pca_noise_finds_the_directions_of_other_data() -> None:
    basis = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    colours = 0.5 + RNG.normal(size=(50000, 3)) * [0.08, 0.03, 0.01] @ basis.T
    images = colours.reshape(5, 100, 100, 3)
    fitted = T.PCAColorNoise.fit(images)
    np.testing.assert_allclose(fitted.eigenvalues, [0.0064, 0.0009, 0.0001], rtol=0.03)
    np.testing.assert_allclose(abs(fitted.eigenvectors.T @ basis), np.eye(3), atol=0.03)
    same = T.PCAColorNoise.fit(from_numpy(image.transpose(2, 0, 1).copy()) for image in images)
    np.testing.assert_allclose(same.eigenvalues, fitted.eigenvalues)
    with pytest.raises(ValueError, match="expected images with at least two pixels"):
        T.PCAColorNoise.fit([])


# ------------------------------------------------------------------------ noise and holes


def test_gaussian_noise_has_its_mean_and_width() -> None:
    minicnn.manual_seed(0)
    grey = np.full((200, 200), 0.5, np.float32)
    noise = T.GaussianNoise(0.05, 0.1)(grey) - grey
    assert noise.dtype == np.float32
    assert abs(noise.mean() - 0.05) < 0.002
    assert abs(noise.std() - 0.1) < 0.002
    of_bytes = T.GaussianNoise(0.0, 0.1)(np.full((200, 200), 128, np.uint8)).astype(float) - 128
    assert abs(of_bytes.std() - 25.5) < 0.5
    assert T.GaussianNoise(sigma=2.0)(grey).min() == 0
    assert T.GaussianNoise(sigma=2.0, clip=False)(grey).min() < -1


def test_salt_and_pepper_hits_whole_pixels() -> None:
    minicnn.manual_seed(0)
    grey = np.full((200, 200, 3), 100, np.uint8)
    hit = T.SaltAndPepper(0.2, salt=0.25)(grey)
    assert set(np.unique(hit)) == {0, 100, 255}
    assert (hit == hit[:, :, :1]).all()
    assert abs((hit == 255).mean() - 0.05) < 0.005
    assert abs((hit == 0).mean() - 0.15) < 0.008


def test_random_erasing_draws_what_its_paper_says() -> None:
    image = np.ones((60, 40))
    minicnn.manual_seed(0)
    parts = np.array([T.RandomErasing.get_params(image, (0.1, 0.3), (0.5, 2.0), [0])[:4] for _ in range(1000)])
    top, left, height, width = parts.T
    assert (top.min(), left.min()) == (0, 0)
    assert (top + height).max() == 60
    assert (left + width).max() == 40
    area = height * width / image.size
    assert 0.09 < area.min() < 0.11
    assert 0.28 < area.max() < 0.31
    assert 1.7 < (height / width).max() < 2.3
    assert T.RandomErasing.get_params(image, (1, 1), (1, 1))[:4] == (0, 0, 0, 0)  # none fits
    np.testing.assert_array_equal(T.RandomErasing(1.0, (1, 1), (1, 1))(image), image)
    erased = T.RandomErasing(1.0, value=(1, 2, 3))(np.zeros((20, 20, 3)))
    assert {tuple(c) for c in erased.reshape(-1, 3).tolist()} == {(0, 0, 0), (1, 2, 3)}
    noise = T.RandomErasing(1.0, (0.3, 0.3), value="random")(from_numpy(np.full((3, 30, 30), 9.0))).numpy()
    assert abs(noise[noise != 9].mean()) < 0.2


def test_erasing_in_place() -> None:
    x = minicnn.ones(3, 8, 8)
    out = T.RandomErasing(1.0, inplace=True)(x)
    assert out is x
    assert (x.numpy() == 0).any()
    kept = minicnn.ones(3, 8, 8)
    assert F.erase(kept, 0, 0, 2, 2, minicnn.zeros(3, 2, 2)) is not kept
    assert (kept.numpy() == 1).all()


def test_cutout_may_reach_over_the_border() -> None:
    minicnn.manual_seed(0)
    sizes = {int((T.Cutout(4)(np.ones((10, 10))) == 0).sum()) for _ in range(300)}
    assert sizes == {h * w for h in (2, 3, 4) for w in (2, 3, 4)}
    assert (T.Cutout(50, fill=7)(np.ones((4, 5))) == 7).any()
    assert len(np.unique(T.Cutout(3, n_holes=3, fill=(1, 2, 3))(np.zeros((9, 9, 3))).reshape(-1, 3), axis=0)) == 2


# ------------------------------------------------------------------------ choices


def test_probabilities() -> None:
    minicnn.manual_seed(0)
    image = np.array([[0, 200]], np.uint8)
    for transform in (T.RandomInvert(0.3), T.RandomApply([T.RandomInvert(1.0)], p=0.3)):
        changed = sum(int(transform(image)[0, 0] == 255) for _ in range(1000))
        assert 260 < changed < 340
    pads = [T.RandomChoice([T.Pad(1), T.Pad(2)], p=[3, 1])(image).shape[0] for _ in range(1000)]
    assert 700 < pads.count(3) < 800
    orders = {T.RandomOrder([lambda x: x + "a", lambda x: x + "b"])("") for _ in range(50)}
    assert orders == {"ab", "ba"}


def test_inverting_bits() -> None:
    assert F.invert(np.array([[True, False]])).tolist() == [[False, True]]


def test_texts() -> None:
    for transform, text in (
        (
            T.RandomApply([T.Pad(1)], 0.3),
            "RandomApply(\n    p=0.3\n    Pad(padding=1, fill=0, padding_mode=constant)\n)",
        ),
        (T.RandomChoice([T.ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
        (T.RandomOrder([T.ToTensor()]), "RandomOrder(\n    ToTensor()\n)"),
        (T.PCAColorNoise(), "PCAColorNoise(std=0.1, eigenvalues=[0.2175, 0.0188, 0.0045])"),
        (T.GaussianNoise(), "GaussianNoise(mean=0.0, sigma=0.1, clip=True)"),
        (T.SaltAndPepper(), "SaltAndPepper(amount=0.05, salt=0.5)"),
        (T.Cutout(16), "Cutout(length=16, n_holes=1, fill=0)"),
        (T.MixUp(num_classes=3), "MixUp(alpha=1.0, num_classes=3)"),
        (T.AutoContrast(), "AutoContrast()"),
        (T.Denormalize((0.5,), (0.25,)), "Denormalize(mean=(0.5,), std=(0.25,))"),
        (T.RandomAffine(0, fill_mode="wrap"), "RandomAffine(degrees=[0.0, 0.0], fill_mode=wrap)"),
    ):
        assert repr(transform) == text


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: F.adjust_brightness(OF_MODE["P"], 2.0), ValueError, r"of mode P .*Fix: image\.convert\('RGB'\)"),
        (lambda: F.adjust_hue(OF_MODE["LAB"], 0.2), ValueError, "adjust_hue: Pillow does not do this .* mode LAB"),
        (lambda: F.adjust_gamma(OF_MODE["LA"], -2), ValueError, "adjust_gamma: the factor must not be negative"),
        (lambda: F.adjust_sharpness(OF_MODE["I"], 2), ValueError, "adjust_sharpness: Pillow .* mode I"),
        (lambda: F.autocontrast(OF_MODE["RGBA"]), ValueError, "autocontrast: Pillow .* mode RGBA"),
        (lambda: F.equalize(OF_MODE["I"]), ValueError, "equalize: Pillow .* mode I"),
        (lambda: F.invert(OF_MODE["I"]), ValueError, "invert: Pillow .* mode I"),
        (lambda: F.posterize(OF_MODE["RGBA"], 2), ValueError, "posterize: Pillow .* mode RGBA"),
        (lambda: F.solarize(OF_MODE["RGBA"], 2), ValueError, "solarize: Pillow .* mode RGBA"),
        (lambda: T.RandomGrayscale(1.0)(OF_MODE["RGBA"]), ValueError, "RandomGrayscale: expected an image of 1 or 3"),
        (lambda: T.ColorJitter(brightness=-1), ValueError, "brightness is a number from 0 on.*got -1"),
        (lambda: T.ColorJitter(hue=0.7), ValueError, r"hue .* within -0\.5 and 0\.5; got \(-0\.7, 0\.7\)"),
        (lambda: T.ColorJitter(contrast=(2, 1)), ValueError, r"contrast .*got \(2, 1\)"),
        (lambda: T.ColorJitter(contrast="much"), TypeError, "contrast .*got 'much'"),
        (lambda: T.Grayscale(2), ValueError, "num_output_channels is 1 or 3; got 2"),
        (lambda: F.adjust_brightness(PHOTO, -1), ValueError, "the factor must not be negative.*got -1"),
        (lambda: F.adjust_hue(PHOTO, 0.6), ValueError, r"from -0\.5 to 0\.5; got 0\.6"),
        (lambda: F.adjust_contrast(np.zeros((4, 4, 2)), 1.0), ValueError, r"1 or 3 channels; got 2\. Fix: image"),
        (lambda: T.GaussianBlur(4), ValueError, "kernel_size is an odd number.*got 4"),
        (lambda: T.GaussianBlur(3, sigma=0), ValueError, r"sigma is a number above 0.*got \(0, 0\)"),
        (lambda: F.gaussian_blur(PIXELS, 3, -1.0), ValueError, r"sigma is a number above 0.*got -1\.0"),
        (lambda: T.GaussianNoise(sigma=-1), ValueError, "sigma is a number from 0 on.*got -1"),
        (lambda: T.SaltAndPepper(2), ValueError, "amount is a probability, from 0 to 1; got 2"),
        (lambda: T.RandomErasing(scale=(0.1, 2)), ValueError, r"scale .*from 0 to 1; got \(0\.1, 2\)"),
        (lambda: T.RandomErasing(value="noise"), ValueError, "a number, one per channel, or 'random'; got 'noise'"),
        (lambda: T.RandomErasing(1.0, value=(1, 2))(PIXELS), ValueError, r"one per channel, here 3; got \(1, 2\)"),
        (lambda: T.Cutout(0), ValueError, "length is a whole number of at least 1; got 0"),
        (lambda: T.RandomPosterize(9), ValueError, "bits is a whole number from 0 to 8; got 9"),
        (lambda: T.RandomPosterize(3, 1.0)(np.zeros((3, 3))), TypeError, r"expected bytes \(uint8\); got float64"),
        (lambda: T.RandomEqualize(1.0)(minicnn.zeros(3, 3)), TypeError, "before ToTensor"),
        (lambda: T.RandomSolarize(200, 1.0)(np.zeros((3, 3))), ValueError, "threshold=200 is above white, which is 1"),
        (lambda: T.FiveCrop(30)(PHOTO), ValueError, "parts of 30 x 30 do not fit into an image of 24 x 20"),
        (lambda: T.RandomChoice([]), ValueError, "at least one transform"),
        (lambda: T.RandomChoice([T.Pad(1)], p=[0]), ValueError, "one weight per transform, here 1"),
        (lambda: T.Compose([T.ToTensor]), TypeError, r"transform 0 is the class ToTensor\. Fix: ToTensor\(\.\.\.\)"),
        (lambda: T.Compose(T.ToTensor()), TypeError, r"expected a list of transforms; got ToTensor"),
        (lambda: T.Compose([T.ToTensor(), None]), TypeError, "transform 1 is no function: None"),
        (lambda: T.ConvertImageDtype(minicnn.int32)(minicnn.zeros(3, 3)), ValueError, "float32 cannot hold all values"),
        (lambda: T.ConvertImageDtype(minicnn.uint8)(PHOTO), TypeError, r"Put PILToTensor\(\) before it"),
        (lambda: T.Denormalize((0.5,), (0.0,))(minicnn.zeros(1, 2, 2)), ValueError, "Denormalize: std is zero"),
        (lambda: T.PCAColorNoise(eigenvalues=(1, 2)), ValueError, r"eigenvalues are 3 numbers; got \[1, 2\]"),
        (lambda: T.PCAColorNoise(eigenvectors=np.eye(2)), ValueError, r"eigenvectors are 3 x 3 numbers; got \(2, 2\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_explained(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()
