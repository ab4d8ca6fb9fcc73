"""SqueezeNet against PyTorch, its sizes, and its initial weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn

from .maps import sides
from .multiplications import multiplications
from .residual_twin import compare


class TorchFire(torch.nn.Module):
    def __init__(self, channels: int, squeeze: int, one: int, three: int) -> None:
        super().__init__()
        self.squeeze = torch.nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = torch.nn.Conv2d(squeeze, one, 1)
        self.expand3x3 = torch.nn.Conv2d(squeeze, three, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


def test_fire() -> None:
    compare(models.Fire(5, 3, 4, 6), TorchFire(5, 3, 4, 6), (2, 5, 6, 7), train=True)


class TorchSqueezeNet(torch.nn.Module):
    """Table 1, and the variant of the authors: the first convolution, and the fires behind which a pooling stands."""

    def __init__(self, filters: int, kernel: int, pool_behind: tuple[int, ...]) -> None:
        super().__init__()
        t = torch.nn
        layers: list[torch.nn.Module] = [t.Conv2d(3, filters, kernel, 2), t.ReLU(), t.MaxPool2d(3, 2, ceil_mode=True)]
        channels = filters
        for number, (squeeze, expand) in enumerate(
            [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)], start=2
        ):
            layers.append(TorchFire(channels, squeeze, expand, expand))
            channels = 2 * expand
            if number in pool_behind:
                layers.append(t.MaxPool2d(3, 2, ceil_mode=True))
        self.features = t.Sequential(*layers)
        self.classifier = t.Sequential(t.Identity(), t.Conv2d(512, 4, 1), t.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("name", "table"),
    [("squeezenet1_0", (96, 7, (4, 8))), ("squeezenet1_1", (64, 3, (3, 5)))],
    ids=["1.0", "1.1"],
)
def test_the_whole_network(name: str, table: tuple[int, int, tuple[int, ...]]) -> None:
    model = models.get_model(name, num_classes=4, dropout=0.0)
    compare(model, TorchSqueezeNet(*table), (2, 3, 41, 38), train=True)


def test_the_sizes_of_the_paper() -> None:
    """Table 1: 111, 55, 27 and 13 pixels."""
    model = models.squeezenet1_0()
    assert sides(model, (3, 227, 227), nn.MaxPool2d) == [55, 27, 13]
    assert sides(model, (3, 227, 227), nn.Conv2d)[0] == 111


def test_the_later_variant_computes_2_4_times_less() -> None:
    cost = [multiplications(models.get_model(name), 224) for name in ("squeezenet1_0", "squeezenet1_1")]
    assert cost[0] / cost[1] == pytest.approx(2.4, abs=0.1)


def test_the_initial_weights() -> None:
    """He et al.'s uniform distribution, but N(0, 0.01^2) for the last layer; biases 0."""
    minicnn.manual_seed(0)
    model = models.squeezenet1_0()
    inner, last = model.features[3].expand3x3.weight.detach().numpy(), model.classifier[1].weight.detach().numpy()
    bound = (6 / (16 * 9)) ** 0.5
    assert bound * 0.99 < np.abs(inner).max() <= bound
    assert np.std(inner) == pytest.approx(bound / 3**0.5, rel=0.02)
    assert np.std(last) == pytest.approx(0.01, rel=0.01)
    assert all(not p.detach().numpy().any() for name, p in model.named_parameters() if name.endswith("bias"))


def test_an_unknown_version_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"SqueezeNet: version must be '1_0' or '1_1'; got '1\.1'"):
        models.SqueezeNet("1.1")


def test_arguments() -> None:
    model = models.squeezenet1_1(num_classes=2, dropout=0.2, in_channels=1)
    assert model(minicnn.zeros(0, 1, 32, 32)).shape == (0, 2)
    assert model.classifier[0].p == 0.2
