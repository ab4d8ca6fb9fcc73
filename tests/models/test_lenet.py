"""LeNet-5 against PyTorch, and what the paper says about it: parameters, connections, table I."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import minicnn
from minicnn import models, nn, optim
from minicnn.models.lenet import TABLE_I

from .residual_twin import compare


class TorchScaledTanh(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1.7159 * torch.tanh(2 / 3 * x)


class TorchSubsampling(torch.nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(channels))
        self.bias = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x[..., 0::2, 0::2] + x[..., 0::2, 1::2] + x[..., 1::2, 0::2] + x[..., 1::2, 1::2]
        return self.weight[:, None, None] * total + self.bias[:, None, None]


class TorchPartial(torch.nn.Module):
    """A dense convolution whose weights are put together from the existing ones and zeros."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((3, 6), (4, 9), (6, 1))
        self.convs = torch.nn.ModuleList(torch.nn.Conv2d(k * n, n, 5, groups=n) for k, n in widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = [row for conv in self.convs for row in conv.weight]  # 16 of (seen, 5, 5)
        weight = torch.stack(
            [
                torch.stack([row[seen.index(i)] if i in seen else torch.zeros_like(row[0]) for i in range(6)])
                for row, seen in zip(rows, TABLE_I, strict=True)
            ]
        )
        return torch.nn.functional.conv2d(x, weight, torch.cat([conv.bias for conv in self.convs]))


class TorchLeNet(torch.nn.Module):
    def __init__(self, paper: bool) -> None:
        super().__init__()
        squash: Any = TorchScaledTanh if paper else torch.nn.Tanh

        def pooling(channels: int) -> torch.nn.Module:
            return torch.nn.Sequential(TorchSubsampling(channels), squash()) if paper else torch.nn.AvgPool2d(2, 2)

        self.c1 = torch.nn.Sequential(torch.nn.Conv2d(1, 6, 5), squash())
        self.s2 = pooling(6)
        self.c3 = torch.nn.Sequential(TorchPartial() if paper else torch.nn.Conv2d(6, 16, 5), squash())
        self.s4 = pooling(16)
        self.c5 = torch.nn.Sequential(torch.nn.Conv2d(16, 120, 5), squash())
        self.f6 = torch.nn.Sequential(torch.nn.Linear(120, 84), squash())
        self.output = torch.nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.c5(self.s4(self.c3(self.s2(self.c1(x)))))
        return self.output(self.f6(x.reshape(x.shape[0], 120)))


def paper_lenet(**config: Any) -> models.LeNet5:
    return models.lenet5(activation=models.ScaledTanh, trained_pooling=True, partial_connections=True, **config)


def counts(model: nn.Module) -> dict[str, int]:
    return {name: sum(p.numel() for p in layer.parameters()) for name, layer in model.named_children()}


@pytest.mark.parametrize("paper", [False, True])
def test_as_in_pytorch(paper: bool) -> None:
    compare(paper_lenet() if paper else models.lenet5(), TorchLeNet(paper), (3, 1, 32, 32), train=True)


def test_parameters_of_each_layer_are_the_papers() -> None:
    assert counts(paper_lenet()) == {
        "c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 850
    }  # fmt: skip
    assert sum(counts(paper_lenet()).values()) == 60_000 + 850
    assert counts(models.lenet5())["c3"] == 2416


def test_table_i() -> None:
    assert [len(seen) for seen in TABLE_I] == [3] * 6 + [4] * 9 + [6]
    assert [sum(i in seen for seen in TABLE_I) for i in range(6)] == [10] * 6
    assert len(set(TABLE_I)) == 16
    # "Layer C3 has 1,516 trainable parameters and 151,600 connections"
    assert sum(25 * len(seen) + 1 for seen in TABLE_I) * 10 * 10 == 151_600


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1, 0.9, weight_decay=0.1), lambda p: optim.Adam(p, 0.01)])
def test_maps_without_a_connection_stay_without_through_training(make: Any) -> None:
    minicnn.manual_seed(0)
    layer = models.PartialConv2d(TABLE_I, 5)
    optimizer = make(layer.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        (layer(minicnn.randn(2, 6, 7, 7)) ** 2).sum().backward()
        optimizer.step()
    x = minicnn.randn(1, 6, 5, 5)
    before = layer(x).detach().numpy().copy().reshape(16)
    for i in range(6):
        other = x.clone()
        other[:, i] += 1.0
        changed = layer(other).detach().numpy().reshape(16) != before
        assert changed.tolist() == [i in seen for seen in TABLE_I]


def test_trained_pooling_starts_as_average_pooling() -> None:
    x = minicnn.randn(2, 6, 8, 8)
    np.testing.assert_allclose(models.Subsampling(6)(x).detach().numpy(), nn.AvgPool2d(2)(x).numpy(), rtol=1e-6)


def test_scaled_tanh_keeps_plus_and_minus_one() -> None:
    y = models.ScaledTanh()(minicnn.tensor([-1.0, 1.0], dtype=minicnn.float64))
    np.testing.assert_allclose(y.numpy(), [-1, 1], atol=1e-5)
    far = models.ScaledTanh()(minicnn.tensor([-100.0, 100.0]))
    np.testing.assert_allclose(far.numpy(), [-1.7159, 1.7159], rtol=1e-6)


def test_channels_classes_and_activation() -> None:
    model = models.lenet5(in_channels=3, num_classes=4, activation=nn.ReLU)
    assert model(minicnn.zeros(2, 3, 32, 32)).shape == (2, 4)
    assert sum(isinstance(layer, nn.ReLU) for layer in model.modules()) == 4


def test_an_activation_that_is_a_layer_already() -> None:
    with pytest.raises(TypeError, match=r"got the layer ReLU\(\). Fix: activation=ReLU"):
        models.lenet5(activation=nn.ReLU())


def test_an_image_of_mnist_is_too_small() -> None:
    with pytest.raises(ValueError, match=r"smallest square image that this\s+network takes has 32 x 32"):
        models.lenet5()(minicnn.zeros(1, 1, 28, 28))


def test_the_papers_options_in_onnxruntime(tmp_path: Path) -> None:
    model, images = paper_lenet().eval(), minicnn.randn(2, 1, 32, 32)
    models.export_onnx(model, tmp_path / "lenet.onnx", (1, 32, 32))
    session = onnxruntime.InferenceSession(tmp_path / "lenet.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    np.testing.assert_allclose(found, model(images).detach().numpy(), atol=1e-5)


def test_an_empty_batch() -> None:
    assert paper_lenet()(minicnn.zeros(0, 1, 32, 32)).shape == (0, 10)
