"""nn.functional: what the table of layers does not reach."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from minicnn_kernels.resampling import bilinear_table, nearest_indices

import minicnn
from minicnn import nn
from minicnn.nn import functional as F

from .table import draw, to_ours

# PyTorch's built-in functions have no signature: theirs are in the first line of the docstring
BUILTIN = {
    "avg_pool2d": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "channel_shuffle": "input groups",
    "conv2d": "input weight bias stride padding dilation groups",
    "conv_transpose2d": "input weight bias stride padding output_padding groups dilation",
    "linear": "input weight bias",
    "logsigmoid": "input",
    "one_hot": "tensor num_classes",
    "pixel_shuffle": "input upscale_factor",
    "pixel_unshuffle": "input downscale_factor",
    "prelu": "input weight",
    "relu_": "input",
    "max_pool2d": "input kernel_size stride padding dilation ceil_mode return_indices",
    "adaptive_max_pool2d": "input output_size return_indices",
}
LEFT_OUT = {"_stacklevel", "out"}
OURS_ALONE = {"stochastic_depth"}


@pytest.mark.parametrize("name", sorted(set(F.__all__) - OURS_ALONE))
def test_signature(name: str) -> None:
    ours = inspect.signature(getattr(F, name)).parameters
    if name in BUILTIN:
        assert list(ours) == BUILTIN[name].split()
        if name not in ("max_pool2d", "adaptive_max_pool2d"):
            first_line = getattr(torch.nn.functional, name).__doc__.strip().splitlines()[0]
            arguments = first_line[first_line.index("(") + 1 : first_line.index(")")]
            assert BUILTIN[name].split() == [part.split("=")[0].strip() for part in arguments.split(",")]
        return
    theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters
    assert [(p.name, p.default) for p in ours.values()] == [
        (p.name, p.default) for p in theirs.values() if p.name not in LEFT_OUT
    ]


# ------------------------------------------------------------------- resizing


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_nearest_takes_the_same_pixel_as_torch_for_every_size(kind: str) -> None:
    for size in range(1, 34):
        x = np.arange(size, dtype=kind).reshape(1, 1, 1, size)
        for out in range(1, 70):
            expected = torch.nn.functional.interpolate(torch.from_numpy(x), size=(1, out)).numpy().ravel()
            np.testing.assert_array_equal(nearest_indices(size, out), expected, err_msg=f"{size} -> {out}")


def test_scale_factors_decide_the_coordinates_as_in_torch() -> None:
    x = draw((1, 1, 7, 11), "float64")
    for scale in (0.3, 0.5, 0.7, 1.0, 1.3, 2.0, 2.6, 3.1):
        for options in (
            {},
            {"recompute_scale_factor": True},
            {"mode": "bilinear"},
            {"mode": "bilinear", "align_corners": True},
        ):
            ours = F.interpolate(to_ours(x), scale_factor=scale, **options)
            theirs = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=scale, **options)
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9, err_msg=f"{scale} {options}")


@pytest.mark.parametrize("align_corners", [False, True])
def test_bilinear_weights_are_a_mixture_inside_the_image(align_corners: bool) -> None:
    for size in range(1, 12):
        for out in range(1, 20):
            low, high, fraction = bilinear_table(size, out, align_corners)
            assert low.min() >= 0
            assert high.max() <= size - 1
            assert ((high - low == 1) | (high == size - 1)).all()
            assert ((fraction >= 0) & (fraction <= 1)).all()


# ---------------------------------------------------------- gradients of gradients


def second_derivatives(library: Any, function: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Gradient of the squared norm of the gradients of a weighted sum of the outputs."""
    tensors = [library.from_numpy(a.copy()).requires_grad_() for a in arrays]
    y = function(library.nn.functional, *tensors)
    weights = library.from_numpy(draw(tuple(y.shape), "float64"))
    grads = library.autograd.grad((y * weights).sum(), tensors, create_graph=True)
    total = sum((g * g).sum() for g in grads)
    total.backward()
    return [np.zeros_like(a) if t.grad is None else t.grad.numpy() for t, a in zip(tensors, arrays, strict=True)]


X, W = (2, 2, 5, 5), (3, 2, 3, 3)
TWICE = {
    "conv2d": (lambda F, x, w, b: F.conv2d(x, w, b, stride=2, padding=1).tanh(), X, W, (3,)),
    "conv2d, groups": (lambda F, x, w: F.conv2d(x, w, groups=2), X, (4, 1, 3, 3)),
    "conv_transpose2d": (lambda F, x, w, b: F.conv_transpose2d(x, w, b, stride=2).tanh(), X, (2, 3, 3, 3), (3,)),
    "linear": (lambda F, x, w, b: F.linear(x, w, b).tanh(), (3, 4), (2, 4), (2,)),
    "max_pool2d": (lambda F, x: F.max_pool2d(x * x * x, 2), X),
    "adaptive_max_pool2d": (lambda F, x: F.adaptive_max_pool2d(x * x * x, 2), X),
    "avg_pool2d": (lambda F, x: F.avg_pool2d(x * x * x, 2, ceil_mode=True), X),
    "adaptive_avg_pool2d": (lambda F, x: F.adaptive_avg_pool2d(x * x * x, 3), X),
    "unfold": (lambda F, x: F.unfold(x * x * x, 2), X),
    "fold": (lambda F, x: F.fold(x * x * x, (3, 3), 2), (1, 8, 4)),
    "interpolate": (lambda F, x: F.interpolate(x * x * x, size=7, mode="bilinear"), X),
    "relu": (lambda F, x: F.relu(x * x * x), X),
    "leaky_relu": (lambda F, x: F.leaky_relu(x * x * x), X),
    "relu6": (lambda F, x: F.relu6(x * x * x), X),
    "elu": (lambda F, x: F.elu(x * x), X),
    "elu, alpha": (lambda F, x: F.elu(x, 0.5), X),
    "silu": (lambda F, x: F.silu(x), X),
    "hardswish": (lambda F, x: F.hardswish(x), X),
    "sigmoid": (lambda F, x: F.sigmoid(x), X),
    "logsigmoid": (lambda F, x: F.logsigmoid(x), X),
    "tanh": (lambda F, x: F.tanh(x), X),
    "softmax": (lambda F, x: F.softmax(x, 1), X),
    "log_softmax": (lambda F, x: F.log_softmax(x, 1), X),
}


@pytest.mark.parametrize("case", TWICE)
def test_gradients_of_gradients(case: str) -> None:
    function, *shapes = TWICE[case]
    arrays = [draw(shape, "float64") / 2 for shape in shapes]
    for ours, theirs in zip(
        second_derivatives(minicnn, function, arrays), second_derivatives(torch, function, arrays), strict=True
    ):
        tolerance = 1e-7 if case == "hardswish" else 1e-9  # PyTorch rounds 1/6 to float32
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


# -------------------------------------------------------------------- dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 1.0])
def test_dropout_keeps_the_expected_value(p: float) -> None:
    minicnn.manual_seed(0)
    x = minicnn.ones(100_000, requires_grad=True)
    y = F.dropout(x, p)
    y.sum().backward()
    values = y.detach().numpy()
    kept = values != 0
    assert kept.mean() == pytest.approx(1 - p, abs=0.01)
    if p < 1:
        np.testing.assert_allclose(values[kept], 1 / (1 - p), rtol=1e-6)
    np.testing.assert_array_equal(x.grad.numpy(), values)  # the same mask goes back


def test_dropout_draws_anew_and_follows_the_seed() -> None:
    x = minicnn.ones(1000)
    minicnn.manual_seed(3)
    a, b = F.dropout(x), F.dropout(x)
    minicnn.manual_seed(3)
    assert minicnn.equal(a, F.dropout(x))
    assert not minicnn.equal(a, b)
    assert F.dropout(x, training=False) is x


@pytest.mark.parametrize(("name", "shape"), [("dropout1d", (50, 40, 3)), ("dropout2d", (50, 40, 3, 2))])
def test_dropout_of_channels(name: str, shape: tuple[int, ...]) -> None:
    minicnn.manual_seed(0)
    y = getattr(F, name)(minicnn.ones(*shape), 0.25).numpy().reshape(*shape[:2], -1)
    assert (y == y[:, :, :1]).all()
    assert (y[:, :, 0] == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert np.unique(y).tolist() == [0, np.float32(4 / 3)]


def test_dropout_in_place() -> None:
    minicnn.manual_seed(0)
    leaf = minicnn.ones(1000, requires_grad=True)
    x = leaf * 1
    y = F.dropout(x, 0.5, inplace=True)
    assert y is x
    y.sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), y.detach().numpy())


# ------------------------------------------------------------------- in place


def test_relu_in_place_on_a_view_changes_the_base() -> None:
    leaf = minicnn.tensor([[-1.0, 2.0], [-3.0, 4.0]], requires_grad=True)
    x = leaf * 1
    F.relu(x[0], inplace=True)
    assert x.tolist() == [[0, 2], [-3, 4]]
    x.sum().backward()
    assert leaf.grad.tolist() == [[0, 1], [1, 1]]


def test_relu_in_place_of_a_saved_value_is_noticed() -> None:
    x = minicnn.ones(3, requires_grad=True)
    h = x * 1
    y = h * h
    F.relu_(h)
    with pytest.raises(RuntimeError, match="in place"):
        y.sum().backward()


# --------------------------------------------------------------------- errors

MISTAKES = [
    (
        lambda: F.conv2d(minicnn.zeros(1, 1, 5, 5, dtype=minicnn.uint8), minicnn.zeros(1, 1, 3, 3)),
        r"uint8. Fix: x.float\(\) / 255",
    ),
    (lambda: F.conv2d(np.zeros((1, 1, 5, 5)), minicnn.zeros(1, 1, 3, 3)), "must be a Tensor; got ndarray.*from_numpy"),
    (
        lambda: F.conv2d(minicnn.zeros(1, 1, 5, 5, dtype=minicnn.float64), minicnn.zeros(1, 1, 3, 3)),
        r"input is minicnn.float64 but weight is minicnn.float32. Fix: x.to\(minicnn.float32\).*model.double\(\)",
    ),
    (lambda: F.conv2d(minicnn.zeros(5, 5), minicnn.zeros(1, 1, 3, 3)), r"got \(5, 5\). Fix: x\[None, None\]"),
    (lambda: F.conv2d(minicnn.zeros(1, 1, 5, 5), minicnn.zeros(1, 1, 3, 3), minicnn.zeros(2)), "bias"),
    (lambda: F.linear(minicnn.zeros(2, 4, 5, 5), minicnn.zeros(3, 100)), "flatten"),
    (
        lambda: F.batch_norm(minicnn.zeros(1, 3), None, None, training=True),
        "more than 1 value per channel.*drop_last=True",
    ),
    (lambda: F.batch_norm(minicnn.zeros(2, 3), None, None), "running_mean and running_var"),
    (lambda: F.batch_norm(minicnn.zeros(3), None, None, training=True), r"\(N, C\)"),
    (
        lambda: F.batch_norm(minicnn.zeros(2, 3), None, None, minicnn.ones(4), training=True),
        r"weight must have one number per channel",
    ),
    (lambda: F.group_norm(minicnn.zeros(2, 3), 2), "num_groups=2 must divide the 3 channels"),
    (lambda: F.layer_norm(minicnn.zeros(2, 3), (4,)), r"must end with normalized_shape=\(4,\)"),
    (lambda: F.layer_norm(minicnn.zeros(2, 3), (3,), minicnn.ones(2)), "weight must have normalized_shape"),
    (lambda: F.instance_norm(minicnn.zeros(2, 3, 1)), "more than one position"),
    (lambda: F.local_response_norm(minicnn.zeros(2, 3), 2), r"\(N, C, \*\)"),
    (lambda: F.local_response_norm(minicnn.zeros(2, 3, 1), 0), "at least 1"),
    (lambda: F.softmax(minicnn.zeros(2)), "dim must be given"),
    (lambda: F.relu(minicnn.tensor([1])), r"x.float\(\)"),
    (lambda: F.prelu(minicnn.zeros(2, 3), minicnn.ones(2)), "one for each of the 3 channels"),
    (lambda: F.dropout(minicnn.zeros(2), -0.1), "between 0 and 1"),
    (lambda: F.dropout2d(minicnn.zeros(2, 3, 4)), r"\(N, C, H, W\)"),
    (lambda: F.avg_pool2d(minicnn.zeros(1, 1, 4, 4), 2, divisor_override=0), "must not be zero"),
    (lambda: F.adaptive_avg_pool2d(minicnn.zeros(1, 1, 4, 4), (1, 2, 3)), "pair"),
    (lambda: F.max_unpool2d(minicnn.zeros(1, 1, 2, 2), minicnn.zeros(1, 1, 2, 2), 2), "must be integers"),
    (lambda: F.max_unpool2d(minicnn.zeros(1, 1, 2, 2), minicnn.full((1, 1, 2, 2), 99), 2), "from 99 to 99.*16 places"),
    (lambda: F.max_unpool2d(minicnn.zeros(1, 1, 2, 2), minicnn.zeros(1, 1, 2, 3).long(), 2), "input's shape"),
    (
        lambda: F.max_unpool2d(minicnn.zeros(1, 1, 2, 2), minicnn.zeros(1, 1, 2, 2).long(), 2, output_size=(9, 9)),
        "by less than the stride",
    ),
    (lambda: F.fold(minicnn.zeros(1, 7, 4), 3, 2), "not a multiple"),
    (lambda: F.fold(minicnn.zeros(1, 8, 5), 3, 2), r"5 columns.*2\*2 = 4 positions"),
    (lambda: F.fold(minicnn.zeros(8), 3, 2), r"\(N, C\*KH\*KW, OH\*OW\)"),
    (lambda: F.interpolate(minicnn.zeros(1, 1, 2, 2)), "either size or scale_factor"),
    (lambda: F.interpolate(minicnn.zeros(1, 1, 2, 2), 3, mode="bicubic"), "left out"),
    (lambda: F.interpolate(minicnn.zeros(1, 1, 2, 2), 3, antialias=True), "left out"),
    (lambda: F.interpolate(minicnn.zeros(1, 1, 2, 2), 3, align_corners=True), "for mode='bilinear' alone"),
    (lambda: F.interpolate(minicnn.zeros(1, 1, 2, 2), scale_factor=0.1), "sizes must be at least 1"),
    (lambda: F.interpolate(minicnn.zeros(1, 2, 2), 3), r"x.unsqueeze\(0\)"),
    (lambda: F.pixel_shuffle(minicnn.zeros(1, 3, 2, 2), 2), r"upscale_factor\^2 = 4"),
    (lambda: F.pixel_unshuffle(minicnn.zeros(1, 3, 3, 2), 2), "divisible by downscale_factor = 2"),
    (lambda: F.channel_shuffle(minicnn.zeros(1, 3, 2), 2), "divisible by groups=2"),
    (lambda: F.channel_shuffle(minicnn.zeros(1, 4, 2), 0), "positive int"),
    (lambda: nn.Maxout(3)(minicnn.zeros(2, 4)), "multiple of pieces=3"),
    (lambda: nn.ZeroPad2d((1, 2)), "left, right, top, bottom"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), "padding_mode must be one of"),
    (lambda: nn.BatchNorm2d(3)(minicnn.zeros(2, 4, 1, 1)), "with C=3"),
]


@pytest.mark.parametrize(("call", "says"), MISTAKES)
def test_mistakes_are_explained(call: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        call()


def test_normalize_as_torch() -> None:
    x = draw((3, 4), "float64")
    for options in ({}, {"p": 1.0}, {"dim": 0}, {"p": 3.0, "eps": 100.0}):
        theirs = torch.nn.functional.normalize(torch.from_numpy(x), **options).numpy()
        np.testing.assert_allclose(F.normalize(to_ours(x), **options).numpy(), theirs, rtol=1e-12)
