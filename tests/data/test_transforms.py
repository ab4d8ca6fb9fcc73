"""Transforms by torchvision's documented behaviour: values, types, texts and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from minicnn.core import Tensor, from_numpy
from minicnn.core.errors import DTypeError, ShapeError
from minicnn.data.transforms import Compose, Lambda, Normalize, PILToTensor, ToPILImage, ToTensor

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (5, 7, 3), np.uint8)  # (H, W, C)


def name(tensor: Tensor) -> str:
    return tensor.numpy().dtype.name


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("P", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("CMYK", 4)])
def test_bytes_become_floats_from_0_to_1(mode: str, channels: int) -> None:
    data = RNG.integers(0, 256, (5, 7, channels), np.uint8)
    image = Image.frombytes(mode, (7, 5), data.tobytes())
    tensor = ToTensor()(image)
    expected = torch.from_numpy(data).permute(2, 0, 1).to(torch.float32).div(255)
    assert (name(tensor), tuple(tensor.shape)) == ("float32", (channels, 5, 7))
    np.testing.assert_array_equal(tensor.numpy(), expected.numpy())  # to the last bit
    assert tensor.is_contiguous()


def test_other_modes_keep_their_values() -> None:
    levels = RNG.integers(0, 30000, (5, 7))
    for mode, kind in (("I", np.int32), ("I;16", np.uint16), ("F", np.float32)):
        values = levels.astype(kind)
        tensor = ToTensor()(Image.frombytes(mode, (7, 5), values.tobytes()))
        assert name(tensor) == {"I": "int32", "I;16": "int16", "F": "float32"}[mode]
        np.testing.assert_array_equal(tensor.numpy()[0], levels.astype(tensor.numpy().dtype))
    black_and_white = Image.fromarray(levels > 15000)
    assert black_and_white.mode == "1"
    np.testing.assert_array_equal(ToTensor()(black_and_white).numpy()[0], (levels > 15000).astype(np.float32))


def test_arrays_are_images_too() -> None:
    np.testing.assert_array_equal(ToTensor()(BYTES).numpy(), ToTensor()(Image.fromarray(BYTES)).numpy())
    assert ToTensor()(BYTES[:, :, 0]).shape == (1, 5, 7)
    floats = RNG.random((5, 7, 2))
    tensor = ToTensor()(floats)
    assert name(tensor) == "float64"
    np.testing.assert_array_equal(tensor.numpy(), floats.transpose(2, 0, 1))
    tensor.numpy()[:] = 0
    assert floats.min() > 0  # the image itself is left alone
    assert ToTensor()(BYTES[::2, ::-1]).shape == (3, 3, 7)


def test_to_tensor_refuses_the_rest() -> None:
    with pytest.raises(ShapeError, match=r"1 dimensions, shape \(3,\)"):
        ToTensor()(np.zeros(3))
    with pytest.raises(TypeError, match="got a tensor"):
        ToTensor()(from_numpy(np.zeros(3)))
    with pytest.raises(TypeError, match="got list"):
        ToTensor()([1])


def test_pil_to_tensor_leaves_the_values() -> None:
    tensor = PILToTensor()(Image.fromarray(BYTES))
    assert name(tensor) == "uint8"
    np.testing.assert_array_equal(tensor.numpy(), BYTES.transpose(2, 0, 1))
    assert name(PILToTensor()(Image.new("1", (2, 2)))) == "bool"
    with pytest.raises(TypeError, match="expected a PIL image; got ndarray"):
        PILToTensor()(BYTES)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_normalize_is_torchs_arithmetic(kind: Any) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    image = RNG.random((3, 5, 7)).astype(kind)
    theirs = torch.from_numpy(image.copy())
    as_theirs = [torch.as_tensor(values, dtype=theirs.dtype).view(-1, 1, 1) for values in (mean, std)]
    expected = theirs.sub(as_theirs[0]).div(as_theirs[1]).numpy()
    before = image.copy()
    out = Normalize(mean, std)(from_numpy(image))
    np.testing.assert_array_equal(out.numpy(), expected)
    assert out.numpy().dtype == kind
    np.testing.assert_array_equal(image, before)
    batch = Normalize(mean, std)(from_numpy(np.stack([image, image])))  # (N, C, H, W)
    np.testing.assert_array_equal(batch.numpy()[1], expected)


def test_normalize_in_place() -> None:
    tensor = from_numpy(np.ones((1, 2, 2), np.float32))
    assert Normalize([0.5], [0.5], inplace=True)(tensor) is tensor
    assert tensor.numpy().max() == 1
    assert Normalize([3.0], [0.5], inplace=True)(tensor).numpy().max() == -4
    assert Normalize(0.5, 2.0)(from_numpy(np.ones((3, 2, 2)))).numpy().max() == 0.25


def test_normalize_explains_what_does_not_fit() -> None:
    gray = from_numpy(np.zeros((1, 28, 28), np.float32))
    with pytest.raises(ShapeError, match=r"mean has 3 numbers.*image has 1 channels.*mean=\(0\.5,\)"):
        Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))(gray)
    with pytest.raises(ShapeError, match="std has 2 numbers"):
        Normalize((0.5,), (0.5, 0.5))(gray)
    with pytest.raises(ValueError, match="std is zero as float32"):
        Normalize((0.5,), (1e-60,))(gray)
    with pytest.raises(TypeError, match=r"got Image. Put ToTensor\(\) before"):
        Normalize((0.5,), (0.5,))(Image.new("L", (2, 2)))
    with pytest.raises(DTypeError, match=r"floating type; got .*uint8"):
        Normalize((0.5,), (0.5,))(from_numpy(np.zeros((1, 2, 2), np.uint8)))
    with pytest.raises(ShapeError, match=r"got shape \(2, 2\)"):
        Normalize((0.5,), (0.5,))(from_numpy(np.zeros((2, 2))))


def test_to_pil_image_and_back() -> None:
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        array = RNG.integers(0, 256, (5, 7, channels), np.uint8)
        tensor = from_numpy(array.transpose(2, 0, 1).copy())
        for pic in (array, tensor, ToTensor()(array)):
            image = ToPILImage()(pic)
            assert (image.mode, image.size) == (mode, (7, 5))
            np.testing.assert_array_equal(np.asarray(image).reshape(array.shape), array)
    flat = RNG.integers(0, 256, (5, 7), np.uint8)
    np.testing.assert_array_equal(np.asarray(ToPILImage()(from_numpy(flat))), flat)
    assert ToPILImage("HSV")(BYTES).mode == "HSV"
    assert ToPILImage("F")(RNG.random((5, 7)).astype(np.float32)).mode == "F"
    assert ToPILImage()(np.zeros((2, 2), np.int32)).mode == "I"
    assert ToPILImage()(np.zeros((2, 2), np.int16)).mode == "I;16"


def test_to_pil_image_refuses_the_rest() -> None:
    with pytest.raises(ShapeError, match="1 to 4 channels; got 5"):
        ToPILImage()(from_numpy(np.zeros((5, 2, 2))))
    with pytest.raises(ShapeError, match="two or three dimensions; got 4"):
        ToPILImage()(np.zeros((1, 1, 2, 2)))
    with pytest.raises(TypeError, match="got list"):
        ToPILImage()([])
    with pytest.raises(DTypeError, match="no mode for 3 channels of int64"):
        ToPILImage()(np.zeros((2, 2, 3), np.int64))
    with pytest.raises(ValueError, match="mode 'L' does not fit 3 channels of uint8; use RGB, YCbCr, HSV"):
        ToPILImage("L")(BYTES)


def test_texts_are_torchvisions() -> None:
    assert repr(Compose([ToTensor(), Normalize((0.5, 0.5), (0.25, 0.25)), PILToTensor(), Lambda(len)])) == (
        "Compose(\n    ToTensor()\n    Normalize(mean=(0.5, 0.5), std=(0.25, 0.25))\n    PILToTensor()\n    Lambda()\n)"
    )
    assert repr(ToPILImage()) == "ToPILImage()"
    assert repr(ToPILImage("RGB")) == "ToPILImage(mode=RGB)"


def test_compose_applies_in_order() -> None:
    assert Compose([Lambda(lambda x: x + 1), Lambda(lambda x: x * 10)])(2) == 30
    with pytest.raises(TypeError, match="expected a function; got int: 3"):
        Lambda(3)
