"""The receptive field of a layer: what gradients measure is what the windows say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import nn
from minicnn.core.errors import ShapeError
from minicnn.explain import ReceptiveField, receptive_field

from .test_receptive_field import chains

GOLDEN = Path(__file__).parent / "golden"


def stack(count: int, channels: int = 4, **options: Any) -> nn.Sequential:
    sizes = [1, *[channels] * count]
    return nn.Sequential(*(nn.Conv2d(a, b, 3, **options) for a, b in pairwise(sizes)))


@settings(max_examples=30, deadline=None)
@given(chains(), st.data())
def test_gradients_measure_what_the_windows_say(model: nn.Sequential, data: st.DataObject) -> None:
    model.double()
    try:
        found = receptive_field(model, None, (1, 40, 41), samples=2)
    except ShapeError:
        assume(False)
    at = tuple(data.draw(st.integers(0, n - 1)) for n in found.output_size)
    found = receptive_field(model, None, (1, 40, 41), at=at, samples=2)
    inside = []
    for (first, last), size in zip(found.box, (40, 41), strict=True):
        inside.append((max(first, 0), min(last, size - 1)))
    if all(first <= last for first, last in inside) and found.measured_box is not None:
        for (first, last), (low, high) in zip(found.measured_box, inside, strict=True):
            assert low <= first <= last <= high
        for (first, _), (low, _) in zip(found.measured_box, found.box, strict=True):
            assert first == low or low < 0
        assert found.inside == pytest.approx(1)


@pytest.mark.parametrize(("count", "size"), [(1, 3), (2, 5), (3, 7), (4, 9)])
def test_three_windows_of_3x3_see_7x7(count: int, size: int) -> None:
    minicnn.manual_seed(0)
    found = receptive_field(stack(count), str(count - 1), (1, 21, 21))
    assert found.size == (size, size)
    (top, bottom), (left, right) = found.measured_box
    assert (bottom - top + 1, right - left + 1) == (size, size)
    assert found.measured_box == found.box
    assert found.energy.sum() == pytest.approx(1)
    assert (found.energy > 0).sum() == size**2  # dilation 1: no holes


def test_dilation_leaves_holes() -> None:
    minicnn.manual_seed(0)
    found = receptive_field(nn.Conv2d(1, 2, 3, dilation=2), None, (1, 9, 9))
    assert found.measured_box == found.box
    assert (found.energy > 0).sum() == 9


def test_rectifiers_and_maxima_let_some_paths_through_and_draws_add_up() -> None:
    minicnn.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(1, 2, 3), nn.ReLU())
    one = receptive_field(net, "4", (1, 20, 20), samples=1)
    many = receptive_field(net, net[4], (1, 20, 20), samples=20)
    assert (one.energy > 0).sum() < (many.energy > 0).sum() <= 8 * 8
    assert many.measured_box == many.box
    before = receptive_field(net, "0", (1, 20, 20))  # the ReLU after it writes into its output
    assert before.measured_box == before.box
    assert before.size == (3, 3)


def test_the_middle_counts_more_than_the_edges() -> None:
    minicnn.manual_seed(0)
    found = receptive_field(stack(8, 8), None, (1, 41, 41))
    (top, bottom), (left, right) = found.effective_box
    assert found.size == (17, 17)
    assert bottom - top + 1 == right - left + 1 < 17
    assert found.energy[top : bottom + 1, left : right + 1].sum() >= 0.95


def test_statistics_reach_further_and_the_text_says_so() -> None:
    minicnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4))
    found = receptive_field(net, "1", (1, 12, 12))
    assert found.size == (3, 3)
    assert found.measured_box == ((0, 11), (0, 11))
    assert found.inside < 1
    assert "normalises by statistics of the image" in str(found)
    assert "statistics" not in str(receptive_field(net, "0", (1, 12, 12)))


def test_dead_networks_say_so() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    net[0].bias.data = minicnn.tensor([-1e6, -1e6])
    found = receptive_field(net, None, (1, 8, 8))
    assert found.measured_box is None
    assert found.effective_box is None
    assert "no gradient arrives at the image. Dead ReLUs" in str(found)
    assert found.figure().get_axes()


def test_images_and_whole_outputs() -> None:
    minicnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 9, 2))
    image = minicnn.rand(3, 7, 7)
    found = receptive_field(net, None, image)
    assert found.at is None
    assert "computed: the whole image" in str(found)
    assert found.measured_box == ((0, 6), (0, 6))
    np.testing.assert_array_equal(found.image, image.numpy())
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    assert int(net[1].num_batches_tracked) == 0
    assert image.grad is None


def examples() -> dict[str, ReceptiveField]:
    minicnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=(1, 0)))
    long = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(14)))
    return {
        "seeing": receptive_field(net, "3", (3, 20, 24), at=(0, 2)),
        "seeing_long": receptive_field(long, None, (1, 40, 40)),
    }


def test_the_texts_are_those_in_the_files() -> None:
    for name, found in examples().items():
        assert f"{found}\n" == (GOLDEN / f"{name}.txt").read_text(), name


def test_the_figure_shows_image_field_and_energy() -> None:
    found = examples()["seeing"]
    assert repr(found) == "<ReceptiveField of 3: 10 x 10>"
    axes = found.figure().get_axes()
    assert axes[0].images[0].get_array().shape == (20, 24, 3)
    np.testing.assert_allclose(axes[1].images[0].get_array(), np.sqrt(found.energy))
    for ax in axes:
        computed, measured = ax.patches
        assert computed.get_xy() == (found.box[1][0] - 0.5, found.box[0][0] - 0.5)
        assert (computed.get_width(), computed.get_height()) == (10, 10)
        assert measured.get_xy() == (found.measured_box[1][0] - 0.5, found.measured_box[0][0] - 0.5)
        assert ax.get_ylim()[1] < found.box[0][0] - 0.5  # the padding is in view
    assert [text.get_text() for text in axes[1].get_legend().get_texts()] == ["computed", "measured"]
    assert "data:image/png" in found._repr_html_()


@pytest.mark.parametrize(
    ("layer", "options", "says"),
    [
        ("5", {}, "'5' is no layer of Sequential"),
        ("0", {"at": (30, 0)}, r"at=\(30, 0\) is no row and column of the output of 0, which are 0 to 9 and 0 to 9"),
        ("0", {"at": 3}, "is no row and column"),
        ("3", {"at": (0, 0)}, r"the output of 3, \(1, 2\), has no rows and columns. Fix: at=None"),
        ("0", {"samples": 0}, "samples must be a whole number of at least 1"),
        ("1", {}, "'1' of Sequential sees nothing of the image: it did not run"),
    ],
)
def test_mistakes(layer: str, options: dict[str, Any], says: str) -> None:
    class Skips(nn.Sequential):
        def forward(self, x: minicnn.Tensor) -> minicnn.Tensor:
            return self[3](self[2](self[0](x)))

    net = Skips(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2))
    net.__class__.__name__ = "Sequential"
    with pytest.raises(ValueError, match=says):
        receptive_field(net, layer, (1, 12, 12), **options)


def test_one_image_and_a_layer_that_gives_a_tensor() -> None:
    class Two(nn.Module):
        def forward(self, x: minicnn.Tensor) -> tuple[minicnn.Tensor, minicnn.Tensor]:
            return x * 1, x * 2

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.two = Two()

        def forward(self, x: minicnn.Tensor) -> minicnn.Tensor:
            return self.two(x)[0]

    with pytest.raises(TypeError, match="gives no tensor"):
        receptive_field(Net(), "two", (1, 4, 4))
    with pytest.raises(ValueError, match="expected one image; got the sizes of 2"):
        receptive_field(Net(), None, [(1, 4, 4), (1, 4, 4)])


if __name__ == "__main__":  # after a change that is meant: python -m tests.explain.test_seeing
    with minicnn.use_backend("numpy"):
        for name, found in examples().items():
            (GOLDEN / f"{name}.txt").write_text(f"{found}\n")
