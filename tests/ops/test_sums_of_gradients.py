"""Gradients that come to one tensor from several convolutions: each adds its own to the sum while it has it at hand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from minicnn_kernels import call, use_backend
from minicnn_kernels.geometry import conv_window
from minicnn_kernels.watching import watch

import minicnn
from minicnn import nn


def branches(x: minicnn.Tensor) -> minicnn.Tensor:
    """An inception module in small: pooling, convolutions of several kinds, and the tensor itself."""
    minicnn.manual_seed(1)
    a, b, c = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1, groups=4)
    return a(x).sum() + (b(x) * b(x)).sum() + c(x).sum() + nn.functional.max_pool2d(x, 3, 1, 1).sum() + (x * x).sum()


def gradient(fused: bool, **settings: bool) -> tuple[np.ndarray, Counter[str]]:
    minicnn.manual_seed(0)
    leaf = minicnn.randn(4, 16, 32, 32, requires_grad=True)
    seen: Counter[str] = Counter()
    minicnn.set_fusion_enabled(fused)
    try:
        x = leaf * 2
        loss = branches(x)
        with watch(lambda call: seen.update([call.operation])):
            loss.backward(**settings)
    finally:
        minicnn.set_fusion_enabled(True)
    return leaf.grad.detach().numpy(), seen


def test_convolutions_add_to_the_sum_of_gradients() -> None:
    with use_backend("numba"):
        (fused, few), (plain, many) = gradient(True), gradient(False)
    np.testing.assert_allclose(fused, plain, rtol=1e-6, atol=1e-4)
    assert few["add.forward"] <= many["add.forward"] - 3
    assert few["conv2d.grad_input"] == many["conv2d.grad_input"] == 4


def test_the_way_back_can_be_differentiated_and_kept() -> None:
    plain, _ = gradient(False)
    for settings in ({"create_graph": True}, {"retain_graph": True}):
        got, _ = gradient(True, **settings)
        np.testing.assert_allclose(got, plain, rtol=1e-6, atol=1e-4)


def test_hooks_and_retained_gradients_see_the_whole_sum() -> None:
    minicnn.manual_seed(0)
    leaf = minicnn.randn(1, 16, 5, 5, requires_grad=True)
    x = leaf * 1
    seen: list[np.ndarray] = []
    x.retain_grad()
    x.register_hook(lambda grad: seen.append(grad.numpy().copy()))
    branches(x).backward()
    (whole,) = seen
    np.testing.assert_array_equal(whole, x.grad.numpy())
    np.testing.assert_array_equal(whole, leaf.grad.numpy())


def test_a_hook_of_a_layer_sees_its_own_gradient_only() -> None:
    minicnn.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 1, bias=False) for _ in range(2)]
    seen: dict[int, np.ndarray] = {}
    for i, layer in enumerate(layers):
        layer.register_full_backward_hook(lambda m, gi, go, i=i: seen.__setitem__(i, gi[0].numpy().copy()))
    x = minicnn.randn(1, 3, 4, 4, requires_grad=True)
    y = x * 1
    (layers[0](y) + 2 * layers[1](y)).sum().backward()
    for i, factor in ((0, 1), (1, 2)):
        own = factor * layers[i].weight.detach().numpy().sum((0, 2, 3))[None, :, None, None]
        np.testing.assert_allclose(seen[i], np.broadcast_to(own, x.shape), rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), seen[0] + seen[1], rtol=1e-6)


def test_the_gradient_that_came_first_is_not_changed() -> None:
    """It belongs to somebody else: a residual connection sends the same array two ways."""
    minicnn.manual_seed(0)
    x = minicnn.randn(1, 3, 4, 4, requires_grad=True)
    layer = nn.Conv2d(3, 3, 1, bias=False)
    y, z = x * 1, x * 1
    z.retain_grad()
    ((layer(y) + y) + z).backward(minicnn.ones(1, 3, 4, 4))
    np.testing.assert_array_equal(z.grad.numpy(), 1)


SHAPES = [
    ((2, 5, 9, 7), (6, 5, 1, 1), {"stride": 2}),  # most pixels receive nothing but the residual
    ((2, 6, 9, 7), (4, 3, 3, 3), {"stride": (2, 1), "padding": 1, "groups": 2}),
    ((1, 16, 13, 13), (24, 16, 3, 3), {"padding": 1}),  # Winograd
    ((2, 16, 8, 9), (16, 16, 5, 5), {"padding": 2}),
    ((2, 8, 9, 9), (8, 1, 3, 3), {"padding": 1, "groups": 8}),  # depthwise
    ((0, 5, 9, 7), (6, 5, 3, 3), {}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("algorithm", ["auto", "im2col"])
@pytest.mark.parametrize(("x_shape", "w_shape", "settings"), SHAPES)
def test_the_kernels_add_the_residual(x_shape, w_shape, settings, algorithm, dtype) -> None:
    rng = np.random.default_rng(0)
    groups = settings.get("groups", 1)
    window = conv_window(x_shape, w_shape, **settings)
    w = rng.standard_normal(w_shape).astype(dtype)
    grad_y = rng.standard_normal((x_shape[0], w_shape[0], *window.output_size)).astype(dtype)
    first = rng.standard_normal(x_shape).astype(dtype)
    last = np.ascontiguousarray(first.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    results = []
    for backend in ("reference", "numpy", "numba"):
        with use_backend(backend), minicnn.set_conv_algorithm(algorithm):
            own = call("conv2d.grad_input", grad_y, w, window, groups)
            for residual in (first, last):
                kept = residual.copy()
                got = call("conv2d.grad_input", grad_y, w, window, groups, residual)
                np.testing.assert_array_equal(residual, kept)
                assert got.dtype == dtype
                np.testing.assert_allclose(got, own + residual, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-4)
                results.append(got)
    for a, b in pairwise(results):
        tolerance = 1e-4 if dtype == "float32" else 1e-9
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
