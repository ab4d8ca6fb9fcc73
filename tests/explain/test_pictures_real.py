"""SqueezeNet with ImageNet's weights on real photos: what decides is where the object is."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

import minicnn
from minicnn import models, transforms
from minicnn.explain import grad_cam, occlusion

from ..real_data import real_data

REGIONS = {  # rows and columns of the object in the central 224 x 224 pixels, as one sees them
    "n01440764_tench": ((65, 185), (0, 224)),
    "n01828970_bee_eater": ((0, 130), (70, 145)),
    "n02123597_Siamese_cat": ((60, 170), (0, 120)),
    "n02134084_ice_bear": ((60, 160), (25, 170)),
    "n02981792_catamaran": ((15, 224), (50, 165)),
}


@pytest.fixture(scope="module")
def photos() -> tuple[Any, Any, list[int]]:
    """The network, the photos and their classes."""
    net = models.squeezenet1_1(weights=real_data("weights") / "squeezenet1_1_torchvision_names_fp16.npz")
    folder = real_data("imagenet_samples")
    synsets = [line.split()[0] for line in (folder / "synset_words.txt").read_text().splitlines()]
    normal = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    preprocess = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normal])
    batch = minicnn.stack([preprocess(Image.open(folder / f"{name}.JPEG").convert("RGB")) for name in REGIONS])
    return net, batch, [synsets.index(name.split("_")[0]) for name in REGIONS]


def area(rows: tuple[int, int], columns: tuple[int, int]) -> float:
    return (rows[1] - rows[0]) * (columns[1] - columns[0]) / 224**2


@pytest.mark.parametrize("layer", [None, "features.12", "features.12.expand3x3"])
def test_grad_cam_lights_up_the_object(photos: Any, layer: str | None) -> None:
    net, batch, classes = photos
    cam = grad_cam(net, batch, classes, layer=layer)
    shares = [cam.inside(*region, index=i) for i, region in enumerate(REGIONS.values())]
    areas = [area(*region) for region in REGIONS.values()]
    for i, (region, share, a) in enumerate(zip(REGIONS.values(), shares, areas, strict=True)):
        assert share > a + (1 - a) / 3  # far more than an even map would have
        row, column = cam.peak(i)
        assert region[0][0] <= row < region[0][1]
        assert region[1][0] <= column < region[1][1]


def test_hiding_the_object_hides_the_class(photos: Any) -> None:
    net, batch, classes = photos
    found = occlusion(net, batch[2:3], classes[2], size=56, stride=56)
    assert found.scores[0] > 0.9
    assert found.inside(*REGIONS["n02123597_Siamese_cat"]) > 2 * area(*REGIONS["n02123597_Siamese_cat"])
