"""DenseNets against PyTorch, against the tables of the paper, and computing twice to save memory."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.core.errors import AutogradError
from minicnn.models.densenet import _Recomputed

from .residual_twin import compare

SMALL: dict[str, Any] = {"growth_rate": 4, "block_config": (2, 3), "num_init_features": 6, "num_classes": 5}


class TorchLayer(torch.nn.Module):
    def __init__(self, inp: int, k: int) -> None:
        super().__init__()
        t = torch.nn
        self.norm1, self.conv1 = t.BatchNorm2d(inp), t.Conv2d(inp, 4 * k, 1, bias=False)
        self.norm2, self.conv2 = t.BatchNorm2d(4 * k), t.Conv2d(4 * k, k, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv2(torch.relu(self.norm2(self.conv1(torch.relu(self.norm1(x))))))
        return torch.cat((x, y), 1)


class TorchDenseNet(torch.nn.Module):
    """Two blocks of 2 and 3 layers, growth rate 4, 6 channels at first."""

    def __init__(self) -> None:
        super().__init__()
        t = torch.nn
        block1 = t.ModuleDict({"denselayer1": TorchLayer(6, 4), "denselayer2": TorchLayer(10, 4)})
        block2 = t.ModuleDict({f"denselayer{i + 1}": TorchLayer(7 + 4 * i, 4) for i in range(3)})
        transition = t.ModuleDict({"norm": t.BatchNorm2d(14), "conv": t.Conv2d(14, 7, 1, bias=False)})
        self.features = t.ModuleDict(
            {
                "conv0": t.Conv2d(3, 6, 7, stride=2, padding=3, bias=False),
                "norm0": t.BatchNorm2d(6),
                "denseblock1": block1,
                "transition1": transition,
                "denseblock2": block2,
                "norm5": t.BatchNorm2d(19),
            }
        )
        self.classifier = t.Linear(19, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.features
        x = torch.nn.functional.max_pool2d(torch.relu(f["norm0"](f["conv0"](x))), 3, 2, 1)
        for layer in f["denseblock1"].values():
            x = layer(x)
        x = f["transition1"]["conv"](torch.relu(f["transition1"]["norm"](x)))
        x = torch.nn.functional.avg_pool2d(x, 2)
        for layer in f["denseblock2"].values():
            x = layer(x)
        return self.classifier(torch.relu(f["norm5"](x)).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("memory_efficient", [True, False])
def test_densenet_is_pytorchs(memory_efficient: bool, train: bool) -> None:
    ours = models.DenseNet(**SMALL, memory_efficient=memory_efficient)
    compare(ours, TorchDenseNet(), (2, 3, 40, 33), train)


def steps(inp: int, oup: int, kernel: int) -> list[torch.nn.Module]:
    t = torch.nn
    return [
        t.BatchNorm2d(inp),
        t.ReLU(),
        t.Conv2d(inp, oup, kernel, padding=kernel // 2, bias=False),
        t.Identity(),  # where dropout is
    ]


class TorchCifarLayer(torch.nn.Module):
    def __init__(self, inp: int, k: int, bottleneck: bool) -> None:
        super().__init__()
        layers = [*steps(inp, 4 * k, 1), *steps(4 * k, k, 3)] if bottleneck else steps(inp, k, 3)
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x, self.layers(x)), 1)


class TorchCifar(torch.nn.Module):
    """Three blocks of two layers, k = 3."""

    def __init__(self, bottleneck: bool) -> None:
        super().__init__()
        t = torch.nn
        c = 6 if bottleneck else 16
        self.features = t.Sequential()
        self.features.add_module("conv0", t.Conv2d(3, c, 3, padding=1, bias=False))
        for i in (1, 2, 3):
            block = [TorchCifarLayer(c, 3, bottleneck), TorchCifarLayer(c + 3, 3, bottleneck)]
            self.features.add_module(f"denseblock{i}", t.Sequential(*block))
            c += 6
            if i < 3:
                kept = c // 2 if bottleneck else c
                self.features.add_module(f"transition{i}", t.Sequential(*steps(c, kept, 1), t.AvgPool2d(2)))
                c = kept
        self.features.add_module("norm", t.BatchNorm2d(c))
        self.classifier = t.Linear(c, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.relu(self.features(x)).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("bottleneck", [True, False])
def test_densenet_for_cifar_is_pytorchs(bottleneck: bool, train: bool) -> None:
    ours = models.DenseNetCifar(
        depth=16 if bottleneck else 10, growth_rate=3, bottleneck=bottleneck, compression=0.5 if bottleneck else 1.0
    )
    compare(ours, TorchCifar(bottleneck), (2, 3, 16, 12), train)


@pytest.mark.parametrize(
    ("depth", "growth_rate", "bottleneck", "millions"),
    [
        (40, 12, False, "1.0"),
        (100, 12, False, "7.0"),
        pytest.param(100, 24, False, "27.2", marks=pytest.mark.slow),
        (100, 12, True, "0.8"),
        pytest.param(250, 24, True, "15.3", marks=pytest.mark.slow),
        pytest.param(190, 40, True, "25.6", marks=pytest.mark.slow),
    ],
)
def test_parameters_of_table_2(depth: int, growth_rate: int, bottleneck: bool, millions: str) -> None:
    model = models.DenseNetCifar(10, depth, growth_rate, bottleneck, 0.5 if bottleneck else 1.0)
    assert f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}" == millions
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == depth


def test_dropout_is_behind_every_convolution_but_the_first() -> None:
    layers = list(models.densenet_bc100_k12(dropout=0.2).modules())
    following = [type(after) for layer, after in itertools.pairwise(layers) if isinstance(layer, nn.Conv2d)]
    assert following.count(nn.Dropout) == len(following) - 1 == 98


def test_dropout_in_the_layers() -> None:
    model = models.DenseNet(**SMALL, drop_rate=1.0)
    seen: list[float] = []
    layer = model.features.denseblock1.denselayer1
    layer.register_forward_hook(lambda module, args, out: seen.append(float(out.abs().max())))
    x = minicnn.randn(1, 3, 32, 32)
    model(x)
    model.eval()(x)
    assert seen[0] == 0 < seen[1]


def test_computing_twice_needs_less_memory_and_gives_the_same_numbers() -> None:
    x = minicnn.randn(4, 3, 64, 64)
    held, results = {}, {}
    for memory_efficient in (False, True):
        minicnn.manual_seed(0)
        model = models.DenseNet(8, (12,), 16, bn_size=1, num_classes=5, memory_efficient=memory_efficient)
        before = minicnn.memory_stats().in_use  # large arrays; tracemalloc sees the others
        tracemalloc.start()
        with minicnn.set_fusion_enabled(False):  # else the 1x1 convolutions need no array to be held at all
            y = model(x)
        held[memory_efficient] = tracemalloc.get_traced_memory()[0] + minicnn.memory_stats().in_use - before
        tracemalloc.stop()
        y.square().sum().backward()
        entries = [*(p.grad for p in model.parameters()), *model.state_dict().values()]  # the statistics, counted once
        results[memory_efficient] = [y.detach().numpy(), *(t.numpy() for t in entries)]
    largest = max(float(p.grad.abs().max()) for p in model.parameters())  # those before a norm are 0 but for rounding
    for once, twice in zip(results[False], results[True], strict=True):
        np.testing.assert_allclose(twice, once, rtol=1e-4, atol=1e-5 * max(largest, np.abs(once).max()))
    assert held[True] < held[False] / 2


def test_computing_twice_leaves_frozen_layers_alone() -> None:
    model = models.DenseNet(**SMALL, memory_efficient=True)
    layer = model.features.denseblock2.denselayer1
    layer.requires_grad_(False)
    x = minicnn.randn(2, 3, 32, 32)
    model(x).sum().backward()
    assert layer.conv1.weight.grad is None
    assert model.features.conv0.weight.grad is not None


def test_computing_twice_refuses_gradients_of_gradients() -> None:
    layer = models.DenseNet(**SMALL).features.denseblock1.denselayer1
    x = minicnn.randn(2, 6, 4, 4).requires_grad_()
    weights = [*layer.norm1.parameters(), *layer.conv1.parameters()]
    y = _Recomputed.apply(layer, 1, x, *weights)
    with pytest.raises(AutogradError, match=r"gradients of gradients[\s\S]*memory_efficient=False"):
        minicnn.autograd.grad(y.sum(), x, create_graph=True)


def old(state: dict[str, Any]) -> dict[str, Any]:
    """As in the files of torchvision's weights: dots in the names of layers, no count of batches."""
    names = {key: key for key in state if not key.endswith("num_batches_tracked")}
    for key in names:
        if "denselayer" in key:
            for layer in ("norm1", "norm2", "conv1", "conv2"):
                names[key] = names[key].replace(f".{layer}.", f".{layer[:-1]}.{layer[-1]}.")
    return {name: state[key] for key, name in names.items()}


def test_files_with_old_names() -> None:
    trained, model = models.DenseNet(**SMALL), models.DenseNet(**SMALL)
    state = old(trained.state_dict())
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    assert models.load_weights(model, state) == ([], [])
    for key, value in model.state_dict().items():
        assert minicnn.equal(value, trained.state_dict()[key]), key


def test_files_with_old_names_of_another_network() -> None:
    state = old(models.DenseNet(**{**SMALL, "growth_rate": 5}).state_dict())
    with pytest.raises(nn.StateDictError, match=r"denselayer1.conv1.weight +model \(16, 6, 1, 1\) +state_dict \(20, 6"):
        models.load_weights(models.DenseNet(**SMALL), state)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: models.DenseNet(block_config=()), "block_config must hold the number of layers"),
        (lambda: models.DenseNet(block_config=(6, 0)), "block_config must hold the number of layers"),
        (lambda: models.DenseNet(drop_rate=1.5), "drop_rate must be a probability from 0 to 1; got 1.5"),
        (lambda: models.DenseNetCifar(depth=41), "depth must be 3n [+] 4.* got 41. Fix: 40 or 43"),
        (lambda: models.DenseNetCifar(depth=40, bottleneck=True, compression=0), "compression must be above 0"),
        (lambda: models.DenseNetCifar(depth=40, bottleneck=True, compression=2), "compression must be above 0"),
    ],
)
def test_mistakes(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
