"""VGG against PyTorch, and its initial weights; the columns of table 1 are in test_torchvision_facts.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.models.vgg import make_layers

from .residual_twin import compare


def torch_layers(cfg: list[int | str], batch_norm: bool) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    channels = 3
    for entry in cfg:
        if entry == "M":
            layers += [torch.nn.MaxPool2d(2)]
        else:
            layers += [torch.nn.Conv2d(channels, entry, 3, padding=1)]
            layers += [torch.nn.BatchNorm2d(entry)] if batch_norm else []
            layers += [torch.nn.ReLU()]
            channels = entry
    return torch.nn.Sequential(*layers)


SMALL = [4, "M", 6, 6, "M"]


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_convolutions(batch_norm: bool, train: bool) -> None:
    compare(make_layers(SMALL, batch_norm), torch_layers(SMALL, batch_norm), (2, 3, 10, 9), train)


class TorchVGG(torch.nn.Module):
    """With a classifier of 8 hidden features."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torch_layers([4, "M", 512, "M"], batch_norm=False)
        hidden = [torch.nn.Linear(512 * 49, 8), torch.nn.ReLU(), torch.nn.Identity()]
        hidden += [torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Identity()]
        self.classifier = torch.nn.Sequential(*hidden, torch.nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.adaptive_avg_pool2d(self.features(x), 7)
        return self.classifier(torch.flatten(x, 1))


def narrow(model: models.VGG) -> models.VGG:
    """Its classifier with 8 hidden features, without dropout."""
    model.classifier[0], model.classifier[3], model.classifier[6] = (
        nn.Linear(512 * 49, 8),
        nn.Linear(8, 8),
        nn.Linear(8, 3),
    )
    model.classifier[2].p = model.classifier[5].p = 0.0
    return model


@pytest.mark.slow
def test_the_whole_network() -> None:
    model = narrow(models.VGG(make_layers([4, "M", 512, "M"]), num_classes=3, init_weights=False))
    compare(model, TorchVGG(), (2, 3, 40, 36), train=True)


@pytest.mark.slow
def test_the_initial_weights_and_the_dropout() -> None:
    """Simonyan & Zisserman have dropout 0.5; the initial weights are torchvision's."""
    minicnn.manual_seed(0)
    model = models.vgg11(num_classes=2, dropout=0.3, in_channels=1)
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.3, 0.3]
    first, last = model.features[0], model.features[18]
    assert first.weight.shape == (64, 1, 3, 3)
    assert np.std(first.weight.detach().numpy()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)  # fan_out
    assert np.std(last.weight.detach().numpy()) == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert np.std(model.classifier[0].weight.detach().numpy()) == pytest.approx(0.01, rel=0.01)
    assert all(not p.detach().numpy().any() for name, p in model.named_parameters() if name.endswith("bias"))


def test_an_unknown_entry_is_an_error() -> None:
    with pytest.raises(ValueError, match="make_layers: expected numbers of filters, and 'M' for max pooling; got 'A'"):
        make_layers([8, "A"])
