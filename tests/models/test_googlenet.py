"""GoogLeNet, torchvision's and the paper's, against PyTorch; their heads, weights by path, and initial weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.core.errors import ShapeError
from minicnn.models.googlenet import InceptionAux
from minicnn.models.googlenet_2014 import AuxiliaryHead, ConvReLU

from .inception_twin import F, Joined, TorchBasicConv, TorchBranches, TorchConvReLU, TorchJoined
from .residual_twin import compare

MODES = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])


def torch_inception(
    channels: int, sizes: tuple[int, ...], large: int = 3, conv: type[torch.nn.Module] = TorchBasicConv
) -> TorchBranches:
    one, reduce3, three, reduce5, five, project = sizes
    convolutions = {
        "branch1": (channels, one, 1),
        "branch2.0": (channels, reduce3, 1),
        "branch2.1": (reduce3, three, 3, 1, 1),
        "branch3.0": (channels, reduce5, 1),
        "branch3.1": (reduce5, five, large, 1, large // 2),
        "branch4.1": (channels, project, 1),
    }
    branches = [["branch1"], ["branch2.0", "branch2.1"], ["branch3.0", "branch3.1"], ["maximum", "branch4.1"]]
    return TorchBranches(convolutions, branches, conv)


@MODES
@pytest.mark.parametrize("true_5x5", [False, True], ids=["3x3", "5x5"])
def test_inception(true_5x5: bool, train: bool) -> None:
    sizes = (4, 3, 5, 2, 6, 7)
    twin = torch_inception(5, sizes, 5 if true_5x5 else 3)
    compare(models.Inception(5, *sizes, true_5x5=true_5x5), twin, (2, 5, 6, 7), train)


def test_the_naive_module() -> None:
    convolutions = {"branch1": (5, 4, 1), "branch2": (5, 3, 3, 1, 1), "branch3": (5, 2, 5, 1, 2)}
    twin = TorchBranches(convolutions, [["branch1"], ["branch2"], ["branch3"], ["maximum"]])
    compare(models.InceptionNaive(5, 4, 3, 2), twin, (2, 5, 6, 7), train=True)


def test_the_reductions_make_the_module_cheap() -> None:
    """3a of table 1 with 192 channels: 16 times fewer weights in the 5 x 5 branch with its reduction."""
    naive = models.InceptionNaive(192, 64, 128, 32, conv_block=ConvReLU)
    reduced = models.Inception(192, 64, 96, 128, 16, 32, 32, conv_block=ConvReLU, true_5x5=True)
    weights = [sum(p.numel() for p in module.parameters() if p.ndim == 4) for module in (naive, reduced)]
    assert weights == [192 * (64 + 9 * 128 + 25 * 32), 163_328]  # the paper: 159 K, with K = 1024
    x = minicnn.zeros(0, 192, 28, 28)
    assert naive(x).shape[1] == 64 + 128 + 32 + 192
    assert reduced(x).shape[1] == 256


class TorchHead(torch.nn.Module):
    """Of torchvision, or with ``paper`` of section 5."""

    def __init__(self, channels: int, classes: int, paper: bool) -> None:
        super().__init__()
        self.paper = paper
        self.conv = (TorchConvReLU if paper else TorchBasicConv)(channels, 128, 1)
        self.fc1, self.fc2 = torch.nn.Linear(2048, 1024), torch.nn.Linear(1024, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.avg_pool2d(x, 5, 3) if self.paper else F.adaptive_avg_pool2d(x, 4)
        return self.fc2(torch.relu(self.fc1(torch.flatten(self.conv(x), 1))))


def test_heads() -> None:
    compare(InceptionAux(6, 3, dropout=0.0), TorchHead(6, 3, paper=False), (2, 6, 9, 7), train=True)
    compare(AuxiliaryHead(6, 3, dropout=0.0), TorchHead(6, 3, paper=True), (2, 6, 14, 14), train=True)


TABLE_1 = {  # channels of the input; #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
    "3a": (192, (64, 96, 128, 16, 32, 32)),
    "3b": (256, (128, 128, 192, 32, 96, 64)),
    "4a": (480, (192, 96, 208, 16, 48, 64)),
    "4b": (512, (160, 112, 224, 24, 64, 64)),
    "4c": (512, (128, 128, 256, 24, 64, 64)),
    "4d": (512, (112, 144, 288, 32, 64, 64)),
    "4e": (528, (256, 160, 320, 32, 128, 128)),
    "5a": (832, (256, 160, 320, 32, 128, 128)),
    "5b": (832, (384, 192, 384, 48, 128, 128)),
}


class TorchGoogLeNet(torch.nn.Module):
    def __init__(self, paper: bool = False, transform_input: bool = False) -> None:
        super().__init__()
        conv, large = (TorchConvReLU, 5) if paper else (TorchBasicConv, 3)
        self.norm = torch.nn.LocalResponseNorm(5) if paper else torch.nn.Identity()
        self.transform_input = transform_input
        self.conv1, self.conv2, self.conv3 = conv(3, 64, 7, 2, 3), conv(64, 64, 1), conv(64, 192, 3, 1, 1)
        for name, (channels, sizes) in TABLE_1.items():
            self.add_module(f"inception{name}", torch_inception(channels, sizes, large, conv))
        self.aux1, self.aux2 = TorchHead(512, 3, paper), TorchHead(528, 3, paper)
        self.fc = torch.nn.Linear(1024, 3)

    def modules_of(self, stage: str, x: torch.Tensor) -> torch.Tensor:
        for name in TABLE_1:
            if name in stage.split():
                x = getattr(self, f"inception{name}")(x)
        return x

    def forward(self, x: torch.Tensor) -> Any:
        if self.transform_input:  # back to 0 .. 1, then to -1 .. 1
            mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], dtype=x.dtype).view(2, 3, 1, 1)
            x = (x * std + mean - 0.5) / 0.5
        x = self.norm(F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True))
        x = F.max_pool2d(self.norm(self.conv3(self.conv2(x))), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.modules_of("3a 3b", x), 3, 2, ceil_mode=True)
        x = self.modules_of("4a", x)
        aux1 = self.aux1(x) if self.training else None
        x = self.modules_of("4b 4c 4d", x)
        aux2 = self.aux2(x) if self.training else None
        x = F.max_pool2d(self.modules_of("4e", x), 2, 2, ceil_mode=True)
        x = self.fc(self.modules_of("5a 5b", x).mean((2, 3)))
        return (x, aux2, aux1) if self.training else x


def without_dropout(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.slow
def test_the_whole_network() -> None:
    """Deep, and few values to normalise by: rounding errors grow."""
    model = without_dropout(models.googlenet(num_classes=3, init_weights=False, transform_input=True))
    twin = TorchGoogLeNet(transform_input=True)
    compare(Joined(model), TorchJoined(twin), (2, 3, 70, 65), train=True, tolerance=1e-7)


@pytest.mark.slow
def test_the_network_of_the_paper() -> None:
    model = without_dropout(models.googlenet_2014(num_classes=3))
    compare(Joined(model), TorchJoined(TorchGoogLeNet(paper=True)), (2, 3, 224, 224), train=True)


@pytest.mark.slow
def test_the_parameters_of_the_paper() -> None:
    """Caffe's bvlc_googlenet; 163,328 in 3a, which the paper gives as 159 K, is tested above."""
    model = models.googlenet_2014()
    heads = sum(p.numel() for head in (model.aux1, model.aux2) for p in head.parameters())
    assert sum(p.numel() for p in model.parameters()) == 13_378_280
    assert sum(p.numel() for p in models.googlenet_2014(aux_logits=False).parameters()) == 13_378_280 - heads
    assert 13_378_280 - heads == 6_998_552
    dropouts = {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}
    assert dropouts == {"dropout": 0.4, "aux1.dropout": 0.7, "aux2.dropout": 0.7}


def test_true_5x5_is_offered_for_torchvisions_network() -> None:
    model = models.googlenet(num_classes=2, aux_logits=False, init_weights=False, true_5x5=True)
    assert [str(model.inception5b.branch3[1].conv.kernel_size), model.conv1.bn.eps] == ["(5, 5)", 0.001]
    with pytest.raises(ValueError, match="true_5x5=True changes the default blocks, and blocks are given"):
        models.GoogLeNet(blocks=[ConvReLU, models.Inception, InceptionAux], true_5x5=True)


def test_other_blocks() -> None:
    blocks = [ConvReLU, partial(models.Inception, conv_block=ConvReLU), partial(InceptionAux, conv_block=ConvReLU)]
    model = models.GoogLeNet(num_classes=2, init_weights=False, blocks=blocks, in_channels=1)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert [tuple(y.shape) for y in model(minicnn.zeros(0, 1, 32, 32))] == [(0, 2)] * 3
    with pytest.raises(ValueError, match="blocks must be three, of the stem, the modules and the heads; got 2"):
        models.GoogLeNet(blocks=blocks[:2])


def test_training_returns_a_named_tuple_and_evaluation_the_logits() -> None:
    model = models.googlenet(num_classes=2, init_weights=False)
    x = minicnn.zeros(2, 3, 32, 32)
    outputs = model(x)
    assert isinstance(outputs, models.GoogLeNetOutputs)
    assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
    assert isinstance(model.eval()(x), minicnn.Tensor)
    headless = models.googlenet(num_classes=2, init_weights=False, aux_logits=False)
    assert isinstance(headless(x), minicnn.Tensor)
    assert not any(key.startswith("aux") for key in headless.state_dict())


def test_dropout_reaches_the_last_layer_and_the_heads() -> None:
    model = models.googlenet(num_classes=2, init_weights=False, dropout=0.1, dropout_aux=0.3)
    assert (model.dropout.p, model.aux1.dropout.p, model.aux2.dropout.p) == (0.1, 0.3, 0.3)


def test_transform_input_wants_colour_images() -> None:
    with pytest.raises(ValueError, match="transform_input=True is for colour images, in_channels=3; got in_channels=1"):
        models.googlenet(transform_input=True, in_channels=1)
    model = models.googlenet(num_classes=2, init_weights=False, transform_input=True).eval()
    with pytest.raises(ValueError, match=r"colour images \(N, 3, H, W\); got \(1, 1, 64, 64\)"):
        model(minicnn.zeros(1, 1, 64, 64))  # which arithmetic would repeat to three channels


@pytest.mark.slow
def test_weights_for_grey_images_are_nobodys_but_ones_own() -> None:
    trained = models.googlenet(num_classes=2, init_weights=False, in_channels=1)
    model = models.googlenet(weights=trained.state_dict(), num_classes=2, in_channels=1).eval()
    x = minicnn.randn(1, 1, 32, 32)
    np.testing.assert_array_equal(model(x).detach().numpy(), trained.eval()(x).detach().numpy())


@pytest.mark.slow
def test_weights_by_path(tmp_path: Path) -> None:
    """One's own: the same outputs, the heads as they were; what is given comes first."""
    trained = models.googlenet(num_classes=2, init_weights=False)
    path = tmp_path / "googlenet.npz"
    minicnn.save(trained.state_dict(), path)
    x = minicnn.randn(2, 3, 32, 32)

    model = models.googlenet(weights=path, num_classes=2)
    assert (model.transform_input, model.aux_logits) == (False, True)
    np.testing.assert_array_equal(model.eval()(x).detach().numpy(), trained.eval()(x).detach().numpy())
    for ours, theirs in zip(without_dropout(model.train())(x), without_dropout(trained.train())(x), strict=True):
        np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())

    model = models.googlenet(weights=path, num_classes=2, aux_logits=False, transform_input=True)
    assert (model.transform_input, model.aux_logits, model.aux1, model.aux2) == (True, False, None, None)
    model.load_state_dict(trained.state_dict(), strict=False)  # the statistics that training has moved
    trained.transform_input = True
    np.testing.assert_array_equal(model.eval()(x).detach().numpy(), trained.eval()(x).detach().numpy())
    assert isinstance(model.train()(x), minicnn.Tensor)


@pytest.mark.slow
def test_torchvisions_weights() -> None:
    """1000 classes and the heads: images normalised anew, heads dropped unless asked for."""
    state = models.googlenet(init_weights=False).state_dict()
    model = models.googlenet(weights={"state_dict": {f"module.{key}": value for key, value in state.items()}})
    assert (model.transform_input, model.aux_logits, model.aux1, model.aux2) == (True, False, None, None)
    model = models.googlenet(weights=state, aux_logits=True, transform_input=False)
    assert (model.transform_input, model.aux_logits) == (False, True)
    np.testing.assert_array_equal(model.aux2.fc2.weight.detach().numpy(), state["aux2.fc2.weight"].numpy())
    state = {key: value for key, value in state.items() if not key.startswith("aux1")}
    with pytest.raises(nn.StateDictError, match=r"aux1\.fc2\.weight"):  # half of the heads
        models.googlenet(weights=state)
    state = {key: value for key, value in state.items() if not key.startswith("aux2")}
    model = models.googlenet(weights=state)  # without the heads: one's own
    assert (model.transform_input, model.aux_logits, model.aux1) == (False, False, None)


@pytest.mark.slow
def test_weights_that_were_saved_without_the_heads() -> None:
    state = models.googlenet(num_classes=2, init_weights=False, aux_logits=False).state_dict()
    model = models.googlenet(weights=state, num_classes=2)
    assert model.aux1 is None
    np.testing.assert_array_equal(model.fc.weight.detach().numpy(), state["fc.weight"].numpy())
    with pytest.raises(nn.StateDictError, match="missing"):
        models.googlenet(weights=state, num_classes=2, aux_logits=True)
    with pytest.raises(nn.StateDictError, match=r"fc\.weight"):
        models.googlenet(weights=state, num_classes=3)
    del state["fc.bias"]
    with pytest.raises(nn.StateDictError, match=r"fc\.bias"):
        models.googlenet(weights=state, num_classes=2)


@pytest.mark.slow
def test_the_initial_weights() -> None:
    """torchvision's: standard deviation 0.01. The paper's network: Caffe's xavier, biases 0.2."""
    minicnn.manual_seed(0)
    model = models.googlenet(num_classes=10)
    for layer in (model.conv3.conv, model.inception5b.branch2[1].conv, model.fc, model.aux1.fc1):
        assert np.std(layer.weight.detach().numpy()) == pytest.approx(0.01, rel=0.03)
    model = models.googlenet_2014(num_classes=10)
    weight = model.inception5b.branch2[1].conv.weight.detach().numpy()
    assert np.abs(weight).max() == pytest.approx((3 / (192 * 9)) ** 0.5, rel=0.001)
    assert (model.conv1.conv.bias.detach().numpy() == np.float32(0.2)).all()
    assert not model.fc.bias.detach().numpy().any()
    assert not model.aux2.fc2.bias.detach().numpy().any()


def test_too_small_an_image_for_the_heads_of_the_paper() -> None:
    model = models.googlenet_2014(num_classes=2)
    with pytest.raises(ShapeError, match=r"too small: it has 222 x 222 pixels.* has 223 x 223"):
        model(minicnn.zeros(0, 3, 222, 222))
    assert [tuple(y.shape) for y in model(minicnn.zeros(0, 3, 223, 223))] == [(0, 2)] * 3
    assert model.eval()(minicnn.zeros(0, 3, 64, 64)).shape == (0, 2)
