"""One element taken apart: its products are those of the arrays, and add up to what PyTorch and the kernels compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import nn
from minicnn.explain import Pixel, pixel
from minicnn.nn import functional as F

GOLDEN = Path(__file__).parent / "golden"
GRADIENTS = ("grad_input", "grad_weight", "grad_bias")


def curve() -> tuple[minicnn.Tensor, minicnn.Tensor]:
    """A patch of a picture with a line in it, and a filter that looks for such a line."""
    w, x = minicnn.zeros(1, 1, 7, 7), minicnn.zeros(1, 1, 7, 7)
    for i, j in ((0, 5), (1, 4), (2, 3), (3, 3), (4, 3), (5, 3)):
        w[0, 0, i, j] = 30
    x[0, 0, 0, 6] = 30
    x[0, 0, 1, 4:7] = 50
    x[0, 0, 2:, 3:5] = 50
    x[0, 0, 2, 3] = 20
    return x, w


def pairs(layer: Any, theirs: Any, *shape: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Both libraries' layers with the same numbers in float64, and an input."""
    rng = np.random.default_rng(seed)
    theirs = theirs.double()
    ours = layer.double()
    for name, p in ours.named_parameters():
        numbers = rng.normal(size=tuple(p.shape))
        p.data = minicnn.from_numpy(numbers)
        dict(theirs.named_parameters())[name].data = torch.from_numpy(numbers.copy())
    for name, b in ours.named_buffers():
        if b.ndim:
            numbers = rng.uniform(0.5, 2, size=tuple(b.shape))
            b.copy_(minicnn.from_numpy(numbers))
            dict(theirs.named_buffers())[name].copy_(torch.from_numpy(numbers.copy()))
    return ours, theirs, rng.normal(size=shape)


def check(found: Pixel, expected: float, arrays: dict[str, np.ndarray]) -> None:
    """The sum is PyTorch's number and the kernel's; every factor is the element it is said to be."""
    np.testing.assert_allclose(found.total, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.value, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.products.sum() + found.bias, found.total)
    for name, values, at in (
        (found.terms.names[0], found.first, found.first_at),
        (found.terms.names[1], found.second, found.second_at),
    ):
        if name in arrays:
            for p in zip(*np.nonzero(found.real), strict=True):
                assert values[p] == arrays[name][tuple(at[p])]


def compare(ours: Any, theirs: Any, x: np.ndarray, of: str, pick: Any) -> Pixel:
    """Explain a random element of the output or a gradient and check it."""
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    y = theirs(leaf)
    grad_y = np.random.default_rng(1).normal(size=tuple(y.shape))
    wanted = {"output": y, "grad_input": leaf}
    wanted |= {f"grad_{name}": p for name, p in theirs.named_parameters()}
    target = wanted[of]
    at = tuple(pick(st.integers(0, n - 1)) for n in target.shape)
    if of == "output":
        expected = float(y.detach()[at])
    else:
        (gradient,) = torch.autograd.grad(y, target, torch.from_numpy(grad_y))
        expected = float(gradient[at])
    given_grad = None if of == "output" else minicnn.from_numpy(grad_y)
    found = pixel(ours, minicnn.from_numpy(x), at=at, of=of, grad_output=given_grad)
    arrays = {"x": x, "grad_y": grad_y} | {name: p.detach().numpy() for name, p in theirs.named_parameters()}
    check(found, expected, arrays)
    assert (found.of, found.at, found.shape) == (of, at, tuple(target.shape))
    assert str(found).endswith(f"gave {float(f'{found.value:.6g}') + 0.0:.6g}")
    return found


# -------------------------------------------------------------------- by chance


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_convolutions(data: st.DataObject) -> None:
    pick = data.draw
    groups, kernel = pick(st.integers(1, 3)), (pick(st.integers(1, 3)), pick(st.integers(1, 3)))
    options = {
        "stride": (pick(st.integers(1, 3)), pick(st.integers(1, 2))),
        "padding": (pick(st.integers(0, 2)), pick(st.integers(0, 2))),
        "dilation": pick(st.integers(1, 2)),
        "groups": groups,
        "bias": pick(st.booleans()),
    }
    channels = groups * pick(st.integers(1, 2)), groups * pick(st.integers(1, 2))
    made = pairs(
        nn.Conv2d(*channels, kernel, **options), torch.nn.Conv2d(*channels, kernel, **options), 2, channels[0], 6, 7
    )
    compare(*made, of=pick(st.sampled_from(("output", *GRADIENTS[: 2 + options["bias"]]))), pick=pick)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_transposed_convolutions(data: st.DataObject) -> None:
    pick = data.draw
    groups, kernel = pick(st.integers(1, 2)), (pick(st.integers(2, 4)), pick(st.integers(1, 3)))
    options = {
        "stride": (pick(st.integers(1, 3)), 2),
        "padding": (1, 0),
        "output_padding": (0, pick(st.integers(0, 1))),
        "dilation": pick(st.integers(1, 2)),
        "groups": groups,
        "bias": pick(st.booleans()),
    }
    channels = groups * pick(st.integers(1, 2)), groups * pick(st.integers(1, 2))
    ours, theirs = (
        nn.ConvTranspose2d(*channels, kernel, **options),
        torch.nn.ConvTranspose2d(*channels, kernel, **options),
    )
    of = pick(st.sampled_from(("output", *GRADIENTS[: 2 + options["bias"]])))
    compare(*pairs(ours, theirs, 2, channels[0], 3, 4), of=of, pick=pick)


POOLS: list[tuple[str, dict[str, Any]]] = [
    ("MaxPool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("MaxPool2d", {"kernel_size": 2, "stride": 1, "dilation": 2}),
    ("MaxPool2d", {"kernel_size": (3, 2), "ceil_mode": True}),
    ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False, "ceil_mode": True}),
    ("AvgPool2d", {"kernel_size": 2, "divisor_override": 3}),
    ("AdaptiveAvgPool2d", {"output_size": (3, 1)}),
    ("AdaptiveAvgPool2d", {"output_size": 4}),
    ("AdaptiveMaxPool2d", {"output_size": (4, 3)}),
]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_poolings(data: st.DataObject) -> None:
    kind, options = data.draw(st.sampled_from(POOLS))
    shape = (2, 2, data.draw(st.integers(5, 8)), data.draw(st.integers(5, 7)))
    made = pairs(
        getattr(nn, kind)(**options), getattr(torch.nn, kind)(**options), *shape, seed=data.draw(st.integers(0, 9))
    )
    found = compare(*made, of=data.draw(st.sampled_from(("output", "grad_input"))), pick=data.draw)
    if "Max" in kind and found.of == "output":
        assert sorted(found.second[found.real])[-1] == 1
        assert found.second.sum() == 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_batch_normalisation(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(((3, 2, 4, 5), (6, 3), (3, 2, 5))))
    kind = "BatchNorm2d" if len(shape) == 4 else "BatchNorm1d"
    affine, training = data.draw(st.booleans()), data.draw(st.booleans())
    made = pairs(getattr(nn, kind)(shape[1], affine=affine), getattr(torch.nn, kind)(shape[1], affine=affine), *shape)
    for layer in made[:2]:
        layer.train(training)
    before = {name: b.tolist() for name, b in made[0].named_buffers()}
    of = data.draw(st.sampled_from(("output", "grad_input", *GRADIENTS[1:] * affine)))
    found = compare(*made, of=of, pick=data.draw)
    assert {name: b.tolist() for name, b in made[0].named_buffers()} == before
    if of == "grad_input":
        assert found.first.size == (np.prod(shape) // shape[1] if training else 1)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_linear_layers(data: st.DataObject) -> None:
    bias = data.draw(st.booleans())
    made = pairs(nn.Linear(4, 3, bias=bias), torch.nn.Linear(4, 3, bias=bias), 5, 4)
    compare(*made, of=data.draw(st.sampled_from(("output", *GRADIENTS[: 2 + bias]))), pick=data.draw)


# ------------------------------------------------------------------ known by hand


def test_the_curve_detector_of_the_slides() -> None:
    x, w = curve()
    found = pixel(F.conv2d, x, w, at=(0, 0, 0, 0))
    assert found.total == found.value == 6600
    assert found.sum_line() == "sum = 50*30 + 20*30 + 50*30 + 50*30 + 50*30 = 6600 (44 products are 0)"
    assert (found.operation, found.bias, found.computed_by) == (
        *("conv2d", 0.0),
        "minicnn_kernels.vectorized.conv.conv2d_forward",
    )


def test_axes_that_are_not_there_and_rows_of_a_linear_layer() -> None:
    x = minicnn.arange(16.0).reshape(1, 4, 4)
    found = pixel(F.max_pool2d, x, 2, at=(0, 1, 1))
    assert (found.at, found.total, found.value) == ((0, 0, 1, 1), 15, 15)
    grad = minicnn.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert pixel(F.max_pool2d, x, 2, at=(0, 1, 3), of="grad_input", grad_output=grad).total == 2
    layer = nn.Linear(3, 2)
    rows = minicnn.arange(12.0).reshape(2, 2, 3)
    found = pixel(layer, rows, at=(1, 0, -1))
    assert found.at == (2, 1)
    assert found.value == float(layer(rows)[1, 0, 1])


def test_inputs_may_be_named() -> None:
    x, w = minicnn.randn(1, 2, 5, 5), minicnn.randn(3, 2, 3, 3)
    a = pixel(F.conv2d, input=x, weight=w, at=(0, 1, 2, 2), of="grad_input")
    assert a.total == pixel(F.conv2d, x, w, at=(0, 1, 2, 2), of="grad_input").total
    with pytest.raises(TypeError, match="a function that gives a tensor; it gave"):
        pixel(lambda x: 3, x, at=(0,))


def test_the_layer_is_left_as_it_was() -> None:
    layer = nn.Conv2d(1, 2, 3)
    layer.weight.requires_grad_(False)
    x = minicnn.randn(1, 1, 5, 5, requires_grad=True)
    pixel(layer, x, at=(0, 0, 1, 1), of="grad_input")
    pixel(layer, x, at=(1, 0, 1, 1), of="grad_weight")  # frozen, and yet it has one
    assert layer.weight.grad is None
    assert x.grad is None
    assert not layer.weight.requires_grad


def test_other_paddings_are_done_before() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")
    x = minicnn.randn(1, 1, 5, 5)
    found = pixel(layer, x, at=(0, 0, 0, 0))
    np.testing.assert_allclose(found.total, float(layer(x)[0, 0, 0, 0]), rtol=1e-5)
    assert found.terms.notes[0].startswith("x is what conv2d got: the input after ")
    with pytest.raises(ValueError, match=r"got what .* had made of the input.*padding=0"):
        pixel(layer, x, at=(0, 0, 0, 0), of="grad_input")


def test_infinity_outside_a_maximum_stays_outside() -> None:
    x = minicnn.tensor([[[[1.0, -float("inf")], [0.0, 0.5]]]])
    assert pixel(F.max_pool2d, x, 2, at=(0, 0, 0, 0)).total == 1


def test_an_input_that_no_window_sees_gets_nothing() -> None:
    x, w = minicnn.zeros(1, 1, 4, 4), minicnn.ones(1, 1, 1, 1)
    found = pixel(F.conv2d, x, w, at=(0, 0, 1, 1), of="grad_input", stride=2)
    assert (found.total, found.value) == (0, 0)
    assert "no product: nothing reaches this element" in str(found)


# ------------------------------------------------------------------------ texts


def texts() -> dict[str, str]:
    x, w = curve()
    picture = minicnn.arange(32.0).reshape(1, 2, 4, 4)
    filters = minicnn.arange(-8.0, 8.0).reshape(2, 2, 2, 2)
    norm, arrives = nn.BatchNorm2d(2), minicnn.zeros(1, 2, 4, 4)
    arrives[0, 1, 0, 0] = 1
    many = minicnn.ones(1, 9, 3, 3)
    found = {
        "pixel_curve": pixel(F.conv2d, x, w, at=(0, 0, 0, 0)),
        "pixel_conv": pixel(
            F.conv2d, picture, filters, minicnn.tensor([1.0, 2.0]), at=(0, 1, 0, 1), stride=2, padding=1
        ),
        "pixel_channels": pixel(F.conv2d, many, minicnn.ones(1, 9, 3, 3), at=(0, 0, 0, 0)),
        "pixel_grad_weight": pixel(F.conv2d, picture, filters, at=(1, 0, 0, 1), of="grad_weight"),
        "pixel_grad_input": pixel(F.conv2d, picture, filters, at=(0, 1, 2, 3), of="grad_input", padding=1),
        "pixel_max": pixel(F.max_pool2d, picture, 3, 2, 1, at=(0, 1, 0, 0)),
        "pixel_mean": pixel(F.avg_pool2d, picture, 3, 1, 0, at=(0, 0, 2, 2), of="grad_input"),
        "pixel_norm": pixel(norm, picture, at=(0, 1, 2, 3), of="grad_input", grad_output=arrives),
        "pixel_linear": pixel(F.linear, picture[0, 0], filters[0, 0].reshape(1, 4), at=(3, 0)),
    }
    return {name: f"{pixel}\n" for name, pixel in found.items()}


def test_the_texts_are_those_in_the_files() -> None:
    for name, text in texts().items():
        assert text == (GOLDEN / f"{name}.txt").read_text(), name


def test_everything_is_listed_if_asked_for() -> None:
    many = pixel(F.conv2d, minicnn.ones(1, 9, 3, 3), minicnn.ones(1, 9, 3, 3), at=(0, 0, 0, 0))
    assert "... and 6 more planes, whose products add up to 54" in str(many)
    assert many.text(full=True).count("weight[0, 8, 0:3, 0:3]") == 1
    assert len(many.lines()) == 81
    assert many.lines(full=False)[-1] == "... and 58 more, which add up to 58"
    assert many.lines()[-1] == "x[0, 8, 2, 2] * weight[0, 8, 2, 2] : 1 * 1 = 1"
    assert repr(many) == "<Pixel y[0, 0, 0, 0] of conv2d: 81 products, 81>"


def test_wide_grids_stand_below_each_other() -> None:
    x = minicnn.full((1, 1, 2, 30), 0.123456)
    text = str(pixel(F.conv2d, x, minicnn.ones(1, 1, 2, 30), at=(0, 0, 0, 0)))
    assert "\nproduct\n" in text


def test_a_notebook_shows_grids_and_lists() -> None:
    x, w = curve()
    html = pixel(F.conv2d, x, w, at=(0, 0, 0, 0))._repr_html_()
    assert html.count("<table") == 3
    assert "weight[0, 0, 0:7, 0:7]" in html
    assert "6600" in html
    html = pixel(F.conv2d, x, w, at=(0, 0, 0, 4), of="grad_input")._repr_html_()
    assert "grad_y[0, 0, 0, 0] * weight[0, 0, 0, 4]" in html


# --------------------------------------------------------------------- figures


def test_the_figure_shows_the_plane_the_factors_and_the_products() -> None:
    minicnn.manual_seed(0)
    x, layer = minicnn.randn(1, 4, 6, 6), nn.Conv2d(4, 1, 3, padding=1)
    figure = pixel(layer, x, at=(0, 0, 0, 2)).figure(planes=2)
    axes = figure.get_axes()
    assert [ax.get_title() for ax in axes[:4]] == ["x[0, 0]", "x[0, 0, 0:2, 1:4]", "weight[0, 0, 0:3, 0:3]", "product"]
    assert len(axes) == 8
    np.testing.assert_array_equal(axes[4].images[0].get_array(), x.numpy()[0, 1])
    (box,) = axes[0].patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((0.5, -0.5), 3, 2)
    products = axes[3].images[0].get_array()
    assert products.mask[0].all()  # the padding
    np.testing.assert_allclose(
        products[1:], x.numpy()[0, 0, :2, 1:4] * layer.weight.detach().numpy()[0, 0, 1:], rtol=1e-6
    )
    assert [t.get_text() for t in axes[3].texts[:3]] == [".", ".", "."]
    assert figure.get_suptitle().endswith("(2 more planes)")


def test_the_figure_of_a_linear_layer_has_no_plane() -> None:
    figure = pixel(nn.Linear(20, 2), minicnn.ones(1, 20), at=(0, 1)).figure()
    axes = figure.get_axes()
    assert axes[1].images[0].get_array().shape == (1, 20)
    assert not axes[0].images
    assert not axes[1].texts  # too many numbers


if __name__ == "__main__":  # after a change that is meant: python -m tests.explain.test_pixel
    with minicnn.use_backend("numpy"):
        for name, text in texts().items():
            (GOLDEN / f"{name}.txt").write_text(text)


def test_a_place_may_be_an_array_or_a_tensor() -> None:
    x = minicnn.arange(9.0).reshape(1, 1, 3, 3)
    for at in (np.array([0, 0, 1, 0]), minicnn.tensor([0, 0, 1, 0])):
        assert pixel(nn.MaxPool2d(2, 1), x, at=at).value == 7
