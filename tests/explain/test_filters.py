"""Filters, feature maps, exciting patches: the arrays, and what the figures draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn
from minicnn.data import DataLoader, TensorDataset
from minicnn.explain import FeatureMaps, Filters, MostActivating, feature_maps, filters, most_activating

from .twins import twins


def pixels(ax: Any) -> Any:
    return np.asarray(ax.images[0].get_array())


def test_colour_filters_are_drawn_around_grey() -> None:
    ours, _, _ = twins()
    found = filters(ours)
    w = ours.conv1.weight.detach().numpy()
    assert isinstance(found, Filters)
    assert found.layer == "conv1"
    np.testing.assert_array_equal(found.weights, w)
    np.testing.assert_allclose(found.norms, np.sqrt((w**2).sum((1, 2, 3))))
    drawn = pixels(found.figure().axes[0])
    expected = 0.5 + 0.5 * w[1].transpose(1, 2, 0) / np.abs(w[1]).max()
    np.testing.assert_allclose(drawn[:3, 4:7, :3], expected)  # the second tile, after a gap of one pixel
    assert found.figure().axes[0].get_title() == "conv1: 6 filters of 3 x 3 x 3"
    assert str(found).startswith("Filters of layer 'conv1': 6 filters of 3 x 3 x 3\nnorms from ")


def test_other_filters_are_drawn_slice_by_slice() -> None:
    ours, _, _ = twins()
    w = ours.conv3.weight.detach().numpy()
    drawn = pixels(filters(ours, ours.conv3).figure().axes[0])
    assert drawn.shape[:2] == (8 * 4 - 1, 6 * 4 - 1)
    np.testing.assert_allclose(drawn[4:7, 8:11], w[1, 2] / np.abs(w[1]).max())
    gaps = np.ma.getmaskarray(filters(ours, ours.conv3).figure().axes[0].images[0].get_array())
    assert gaps[3].all()
    assert not gaps[0, :3].any()
    grey = filters(nn.Conv2d(1, 5, 3))
    assert pixels(grey.figure().axes[0]).shape[0] == 2 * 4 - 1


def test_feature_maps_are_those_of_pytorch() -> None:
    ours, theirs, x = twins()
    kept = {}
    for name in ("norm", "pool", "conv3"):
        getattr(theirs, name).register_forward_hook(lambda m, a, y, name=name: kept.update({name: y.detach().clone()}))
    theirs(torch.from_numpy(x))
    found = feature_maps(ours, minicnn.tensor(x), ["conv3", ours.norm, "pool"])
    assert isinstance(found, FeatureMaps)
    assert list(found.maps) == ["conv3", "norm", "pool"]
    for name, maps in found.maps.items():
        np.testing.assert_allclose(maps, kept[name], rtol=1e-9, atol=1e-12)
    assert list(feature_maps(ours, minicnn.tensor(x)).maps) == ["relu", "conv2", "conv3"]
    assert list(feature_maps(nn.Conv2d(3, 2, 1), minicnn.tensor(x).float()).maps) == [""]


def test_the_figure_shows_the_strongest_maps() -> None:
    ours, _, x = twins()
    found = feature_maps(ours, minicnn.tensor(x), "pool")
    maps = found.maps["pool"]
    channels = found.strongest("pool", 4, 1)
    assert channels == np.argsort(-maps[1].mean((1, 2)))[:4].tolist()
    image, ax = found.figure(index=1, count=4).axes
    assert ax.get_title() == "pool: 4 of 6 maps of 9 x 8"
    assert [text.get_text().strip() for text in ax.texts] == [str(c) for c in channels]
    first = maps[1, channels[0]]
    np.testing.assert_allclose(pixels(ax)[:9, :8], (first - first.min()) / (first.max() - first.min()))
    assert pixels(image).shape == (17, 15, 3)
    assert "pool      6  9 x 8" in str(found)


def by_hand(maps: Any, channel: int, k: int) -> list[tuple[int, tuple[int, int]]]:
    """Images with the largest activation, and where it is."""
    order = sorted(range(len(maps)), key=lambda i: -maps[i, channel].max())[:k]
    return [(i, tuple(np.argwhere(maps[i, channel] == maps[i, channel].max())[0].tolist())) for i in order]


@pytest.mark.parametrize("kind", ["tensor", "dataset", "loader", "pair"])
def test_most_activating(kind: str) -> None:
    ours, theirs, _ = twins()
    x = np.random.default_rng(5).normal(size=(11, 3, 17, 15))
    images, labels = minicnn.tensor(x), minicnn.zeros(11, dtype=minicnn.int64)
    dataset = TensorDataset(images, labels)
    data = {"tensor": images, "dataset": dataset, "loader": DataLoader(dataset, batch_size=4), "pair": (images, labels)}
    found = most_activating(ours, data[kind], "conv2", [4, 1], k=3)
    maps = theirs.conv2(theirs.pool(torch.relu(theirs.norm(theirs.conv1(torch.from_numpy(x)))))).detach().numpy()
    assert isinstance(found, MostActivating)
    assert found.channels == [4, 1]
    for c, channel in enumerate(found.channels):
        for rank, (image, (row, column)) in enumerate(by_hand(maps, channel, 3)):
            assert found.indices[c, rank] == image
            assert found.positions[c, rank].tolist() == [row, column]
            assert found.activations[c, rank] == pytest.approx(maps[image, channel, row, column])
            # conv1 3/1/1, pool 3/2/1, conv2 3/1/1: rows 2*row - 4 to 2*row + 4
            (top, bottom), (left, right) = found.boxes[c][rank]
            assert (top, bottom) == (max(2 * row - 4, 0), min(2 * row + 4, 16))
            assert (left, right) == (max(2 * column - 4, 0), min(2 * column + 4, 14))
            np.testing.assert_array_equal(found.patches[c][rank], x[image, :, top : bottom + 1, left : right + 1])


def test_the_figure_and_text_of_exciting_patches() -> None:
    ours, _, _ = twins()
    found = most_activating(ours, minicnn.randn(5, 3, 17, 15).double(), "pool", k=2)
    assert found.channels == list(range(6))
    axes = np.array(found.figure().axes).reshape(6, 2)
    patch = found.patches[3][1]
    expected = (patch - patch.min()) / (patch.max() - patch.min())
    np.testing.assert_allclose(pixels(axes[3, 1]), expected.transpose(1, 2, 0))
    assert axes[3, 0].get_ylabel() == "channel 3"
    narrow = most_activating(ours, minicnn.randn(1, 3, 17, 15).double(), "pool", k=1).figure()
    assert max(map(len, narrow.get_suptitle().splitlines())) < 20
    assert axes[3, 1].get_title() == f"{found.activations[3, 1]:.3g}"
    assert str(found).splitlines()[0] == "Layer 'pool': the 2 images that excite a channel most"
