"""Saliency, guided backpropagation, deconvnet, Grad-CAM and occlusion against twins in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as TF

import minicnn
from minicnn import nn
from minicnn.explain import (
    Attribution,
    Deconvnet,
    GradCam,
    GuidedBackprop,
    Occlusion,
    Saliency,
    deconvnet,
    grad_cam,
    guided_backprop,
    occlusion,
    saliency,
)

from .twins import twins

CLASSES = ["ant", "bee", "cat", "dog", "elk"]


class TorchRule(torch.autograd.Function):
    """ReLU with another way back, written independently."""

    @staticmethod
    def forward(ctx: Any, x: Any, guided: bool) -> Any:
        ctx.save_for_backward(x)
        ctx.guided = guided
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return torch.where(g > 0, g, 0) * ((x > 0) if ctx.guided else 1), None


def forward(net: Any, x: Any, relu: Callable[[Any], Any]) -> dict[str, Any]:
    """The twin's forward pass with another ReLU, and what is in between."""
    found = {"conv1": net.conv1(x)}
    found["relu"] = relu(net.norm(found["conv1"]))
    found["pool"] = net.pool(found["relu"])
    found["conv2"] = net.conv2(found["pool"])
    found["conv3"] = net.conv3(relu(found["conv2"] + found["pool"]))
    found["scores"] = net.head(relu(found["conv3"]).mean((2, 3)))
    return found


@pytest.mark.parametrize("target", [None, 3, [1, 4]])
def test_saliency(target: Any) -> None:
    ours, theirs, x = twins()
    found = saliency(ours, minicnn.tensor(x), target)
    t = torch.from_numpy(x).requires_grad_()
    scores = theirs(t)
    chosen = scores.argmax(1) if target is None else torch.as_tensor(target).expand(2)
    value = scores.gather(1, chosen[:, None])
    value.sum().backward()
    assert isinstance(found, Saliency)
    assert isinstance(found, Attribution)
    assert found.targets == chosen.tolist()
    np.testing.assert_allclose(found.scores, value[:, 0].detach(), rtol=1e-9)
    np.testing.assert_allclose(found.gradient, t.grad, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.map, t.grad.abs().amax(1), rtol=1e-9, atol=1e-12)


def test_guided_backpropagation() -> None:
    ours, theirs, x = twins()
    found = guided_backprop(ours, minicnn.tensor(x), 2)
    t = torch.from_numpy(x).requires_grad_()
    forward(theirs, t, lambda y: TorchRule.apply(y, True))["scores"][:, 2].sum().backward()
    assert isinstance(found, GuidedBackprop)
    np.testing.assert_allclose(found.gradient, t.grad, rtol=1e-9, atol=1e-12)
    assert not np.allclose(found.gradient, saliency(ours, minicnn.tensor(x), 2).gradient)


@pytest.mark.parametrize(("layer", "channel"), [("conv3", 5), ("conv2", None), ("pool", 1), ("conv1", 2)])
def test_deconvnet(layer: str, channel: int | None) -> None:
    ours, theirs, x = twins()
    found = deconvnet(ours, minicnn.tensor(x), layer, channel)
    t = torch.from_numpy(x).requires_grad_()
    maps = forward(theirs, t, lambda y: TorchRule.apply(y, False))[layer]
    if channel is None:
        channel = int(maps.amax((0, 2, 3)).argmax())
    flat = maps[:, channel].flatten(1)
    largest, place = flat.max(1)
    (0.5 * largest.square()).sum().backward()  # whose gradient at the layer is the activation itself
    assert isinstance(found, Deconvnet)
    assert found.channel == channel
    assert found.positions == [divmod(int(p), maps.shape[3]) for p in place]
    np.testing.assert_allclose(found.activations, largest.detach(), rtol=1e-9)
    np.testing.assert_allclose(found.reconstruction, t.grad, rtol=1e-9, atol=1e-12)
    rows, columns = np.nonzero(t.grad[0].numpy().any(0))
    assert found.box(0) == ((rows.min(), rows.max()), (columns.min(), columns.max()))


@pytest.mark.parametrize("layer", ["conv1", "relu", "pool", "conv2", "conv3"])
def test_grad_cam_of_any_layer(layer: str) -> None:
    ours, theirs, x = twins()
    found = grad_cam(ours, minicnn.tensor(x), [0, 3], layer=layer)
    steps = forward(theirs, torch.from_numpy(x).requires_grad_(), torch.relu)
    maps, scores = steps[layer], steps["scores"]
    (gradient,) = torch.autograd.grad(scores[0, 0] + scores[1, 3], maps)
    weights = gradient.mean((2, 3))
    coarse = torch.relu((weights[:, :, None, None] * maps).sum(1))
    full = TF.interpolate(coarse[:, None], size=(17, 15), mode="bilinear", align_corners=False)[:, 0]
    assert isinstance(found, GradCam)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found.coarse, coarse.detach(), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found.map, full.detach(), rtol=1e-9, atol=1e-14)
    assert repr(found) == f"<GradCam: {str(found).splitlines()[0]}>"
    by_layer = grad_cam(ours, minicnn.tensor(x), [0, 3], layer=getattr(ours, layer))
    np.testing.assert_array_equal(by_layer.map, found.map)


def test_grad_cam_finds_the_last_maps() -> None:
    ours, _, x = twins()
    assert grad_cam(ours, minicnn.tensor(x)).layer == "conv3"
    from minicnn import models

    image = minicnn.randn(1, 3, 64, 64)
    for name, layer in (("resnet18", "layer4"), ("squeezenet1_1", "classifier.2")):
        assert grad_cam(models.get_model(name, num_classes=3), image).layer == layer


def test_occlusion() -> None:
    ours, theirs, x = twins()
    found = occlusion(ours, minicnn.tensor(x), [2, 0], size=4, stride=3, value=0.5)
    rows, columns = [0, 3, 6, 9, 12, 13], [0, 3, 6, 9, 11]
    fall, count = np.zeros((17, 15)), np.zeros((17, 15))
    with torch.no_grad():
        whole = theirs(torch.from_numpy(x)).softmax(1)[1, 0].item()
        for i, r in enumerate(rows):
            for j, c in enumerate(columns):
                hidden = torch.from_numpy(x[1:2].copy())
                hidden[:, :, r : r + 4, c : c + 4] = 0.5
                p = theirs(hidden).softmax(1)[0, 0].item()
                assert found.probabilities[1, i, j] == pytest.approx(p, rel=1e-9)
                fall[r : r + 4, c : c + 4] += whole - p
                count[r : r + 4, c : c + 4] += 1
    assert isinstance(found, Occlusion)
    assert found.probabilities.shape == (2, 6, 5)
    assert found.scores[1] == pytest.approx(whole)
    np.testing.assert_allclose(found.map[1], fall / count, atol=1e-12)


METHODS: list[Callable[..., Attribution]] = [saliency, guided_backprop, grad_cam, occlusion]


@pytest.mark.parametrize("method", METHODS)
def test_text_and_figure_show_image_map_and_class(method: Callable[..., Attribution]) -> None:
    ours, _, x = twins()
    found = method(ours, minicnn.tensor(x), classes=CLASSES)
    names = [f"{t} {CLASSES[t]}" for t in found.targets]
    assert all(f"  {name}  " in line for name, line in zip(names, str(found).splitlines()[3:], strict=True))
    figure = found.figure()
    columns = 3 if found.overlaid else 2
    axes = np.array(figure.axes).reshape(2, columns)
    low, high = x[1].min(), x[1].max()
    np.testing.assert_allclose(axes[1, 0].images[0].get_array(), (x[1] - low).transpose(1, 2, 0) / (high - low))
    assert axes[1, 0].get_title().startswith(f"{names[1]}\nscore ")
    if isinstance(found, GuidedBackprop):
        assert axes[1, 1].images[0].get_array().shape == (17, 15, 3)
    else:
        np.testing.assert_array_equal(axes[1, 1].images[0].get_array(), found.map[1])
    if found.overlaid:
        heat = np.maximum(found.map[1], 0) / found.map[1].max()
        np.testing.assert_allclose(axes[1, 2].images[1].get_array(), heat)
    assert "<img" in found._repr_html_()


def test_a_map_of_nothing_is_drawn_and_said() -> None:
    ours, _, x = twins()
    found = grad_cam(ours, minicnn.tensor(x), 0)
    assert not found.map[1].any()
    assert "nowhere" in str(found)
    assert found.inside((0, 9), (0, 9), 1) == 0
    assert len(found.figure().axes) == 6


def test_a_unit_that_nothing_excites() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    found = deconvnet(net, minicnn.zeros(1, 5, 5), net[0], 0)
    found.reconstruction[:] = 0
    assert found.box() is None
    assert "nowhere" in str(found)
    assert len(found.figure().axes) == 4


def test_the_figure_of_a_deconvnet() -> None:
    ours, _, x = twins()
    found = deconvnet(ours, minicnn.tensor(x), "conv2", 0)
    axes = np.array(found.figure().axes).reshape(2, 4)
    back = axes[1, 1].images[0].get_array()
    np.testing.assert_allclose(back[0, 14], 0.5)  # grey: nothing comes from there
    expected = 0.5 + found.reconstruction[1].transpose(1, 2, 0) / (2 * np.abs(found.reconstruction[1]).max())
    np.testing.assert_allclose(back, expected)
    (top, bottom), (left, right) = found.box(1)  # type: ignore[misc]
    assert axes[1, 2].images[0].get_array().shape == (bottom - top + 1, right - left + 1, 3)
    assert str(found).splitlines()[0] == "Deconvnet of channel 0 of layer 'conv2', from its largest activation"


def test_share_and_peak_of_a_map() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 1, bias=False))
    net[1].weight.data = minicnn.tensor([[float(i == 6) + 3 * float(i == 15) for i in range(16)]])
    found = saliency(net, minicnn.ones(1, 4, 4))
    assert found.peak() == (3, 3)
    assert found.inside((1, 2), (0, 4)) == pytest.approx(1 / 4)
    assert found.centre_share() == pytest.approx(1 / 4)


def test_nothing_is_left_behind() -> None:
    ours, _, x = twins()
    ours.train()
    ours(minicnn.tensor(x)).sum().backward()
    before = {k: v.numpy().copy() for k, v in ours.state_dict().items()}
    grads = [p.grad.numpy().copy() for p in ours.parameters()]
    given = minicnn.tensor(x)
    for method in METHODS:
        method(ours, given)
    deconvnet(ours, given, "conv2")
    assert ours.training
    assert not any(m._forward_hooks for m in ours.modules())
    for k, v in ours.state_dict().items():
        np.testing.assert_array_equal(v.numpy(), before[k])
    for p, g in zip(ours.parameters(), grads, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g)
    np.testing.assert_array_equal(given.numpy(), x)
    assert not given.requires_grad
    plain = minicnn.tensor([1.0, -1.0], requires_grad=True)  # a ReLU afterwards has its own gradient again
    (plain.relu() * minicnn.tensor([-1.0, -1.0])).sum().backward()
    assert plain.grad.tolist() == [-1.0, 0.0]


def test_under_no_grad_too() -> None:
    ours, _, x = twins()
    expected = grad_cam(ours, minicnn.tensor(x)).map
    with minicnn.no_grad():
        np.testing.assert_array_equal(grad_cam(ours, minicnn.tensor(x)).map, expected)
