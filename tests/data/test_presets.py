"""Ready-made transforms: one for every network, and what they compute."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from minicnn import models
from minicnn.data.transforms import presets

RNG = np.random.default_rng(0)
PHOTO = Image.fromarray(RNG.integers(0, 256, (40, 50, 3), np.uint8))


@pytest.mark.parametrize("train", [False, True])
def test_every_network_of_the_zoo_has_one_of_its_size(train: bool) -> None:
    for name in models.list_models():
        transform = presets.for_model(name, train=train)
        assert tuple(transform(PHOTO).shape) == models.get_model_builder(name).image, name


def test_numbers_are_those_of_the_weights() -> None:
    assert str(presets.for_model("GoogLeNet")) == str(presets.imagenet_eval())
    assert "size=342" in str(presets.for_model("inception_v3"))
    assert "mean=(0.5, 0.5, 0.5)" in str(presets.for_model("xception"))
    assert "PCAColorNoise" in str(presets.for_model("alexnet_2012", train=True))
    assert (presets.IMAGENET_MEAN, presets.IMAGENET_STD) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    grey = Image.new("RGB", (32, 32), (125, 123, 114))  # CIFAR-10's mean colour
    for transform in (presets.cifar_eval(), presets.cifar_train()):
        middle = transform(grey)[:, 8:24, 8:24].numpy()  # not the black border
        expected = (np.array([125, 123, 114]) / 255 - presets.CIFAR_MEAN) / presets.CIFAR_STD
        np.testing.assert_allclose(middle, np.broadcast_to(expected[:, None, None], middle.shape), atol=1e-6)
    white = Image.new("RGB", (300, 300), (255, 255, 255))
    for name, value in (("resnet18", (1 - 0.485) / 0.229), ("nasnet_a_large", 1.0), ("darknet53", 1.0)):
        np.testing.assert_allclose(presets.for_model(name)(white).numpy()[0], value, rtol=1e-5)


def test_training_presets() -> None:
    assert "RandomErasing(p=0.25" in str(presets.imagenet_train(32, random_erase_prob=0.25))
    assert "Flip" not in str(presets.imagenet_train(32, hflip_prob=0))
    views = {presets.imagenet_train(8)(PHOTO).numpy().tobytes() for _ in range(5)}
    assert len(views) == 5


def test_an_unknown_network_is_explained() -> None:
    with pytest.raises(ValueError, match=r"no preset for a network named 'resnest'\. Did you mean .*'resnet'"):
        presets.for_model("resnest")
    with pytest.raises(TypeError, match="expected a network's name, such as 'resnet18'; got Compose"):
        presets.for_model(presets.lenet())  # type: ignore[arg-type]
