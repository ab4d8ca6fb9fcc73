"""Every module of Inception v3 against PyTorch; its head, weights, initial weights.

The whole network is in test_torchvision_facts.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.core.errors import ShapeError
from minicnn.models.inception import InceptionA, InceptionAux, InceptionB, InceptionC, InceptionD, InceptionE

from .inception_twin import F, TorchBasicConv, TorchBranches
from .residual_twin import compare


def module_a(channels: int, pool: int) -> TorchBranches:
    """Figure 5: 35 x 35."""
    convolutions = {
        "branch1x1": (channels, 64, 1),
        "branch5x5_1": (channels, 48, 1),
        "branch5x5_2": (48, 64, 5, 1, 2),
        "branch3x3dbl_1": (channels, 64, 1),
        "branch3x3dbl_2": (64, 96, 3, 1, 1),
        "branch3x3dbl_3": (96, 96, 3, 1, 1),
        "branch_pool": (channels, pool, 1),
    }
    double = [f"branch3x3dbl_{i}" for i in (1, 2, 3)]
    return TorchBranches(
        convolutions, [["branch1x1"], ["branch5x5_1", "branch5x5_2"], double, ["average", "branch_pool"]]
    )


def module_b(channels: int) -> TorchBranches:
    """Figure 10: from 35 to 17."""
    convolutions = {
        "branch3x3": (channels, 384, 3, 2),
        "branch3x3dbl_1": (channels, 64, 1),
        "branch3x3dbl_2": (64, 96, 3, 1, 1),
        "branch3x3dbl_3": (96, 96, 3, 2),
    }
    return TorchBranches(convolutions, [["branch3x3"], [f"branch3x3dbl_{i}" for i in (1, 2, 3)], ["halving"]])


ROW, COLUMN = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))


def module_c(channels: int, c7: int) -> TorchBranches:
    """Figure 6: 17 x 17."""
    convolutions = {
        "branch1x1": (channels, 192, 1),
        "branch7x7_1": (channels, c7, 1),
        "branch7x7_2": (c7, c7, *ROW),
        "branch7x7_3": (c7, 192, *COLUMN),
        "branch7x7dbl_1": (channels, c7, 1),
        "branch7x7dbl_2": (c7, c7, *COLUMN),
        "branch7x7dbl_3": (c7, c7, *ROW),
        "branch7x7dbl_4": (c7, c7, *COLUMN),
        "branch7x7dbl_5": (c7, 192, *ROW),
        "branch_pool": (channels, 192, 1),
    }
    single = [f"branch7x7_{i}" for i in (1, 2, 3)]
    double = [f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)]
    return TorchBranches(convolutions, [["branch1x1"], single, double, ["average", "branch_pool"]])


def module_d(channels: int) -> TorchBranches:
    """From 17 to 8."""
    convolutions = {
        "branch3x3_1": (channels, 192, 1),
        "branch3x3_2": (192, 320, 3, 2),
        "branch7x7x3_1": (channels, 192, 1),
        "branch7x7x3_2": (192, 192, *ROW),
        "branch7x7x3_3": (192, 192, *COLUMN),
        "branch7x7x3_4": (192, 192, 3, 2),
    }
    long = [f"branch7x7x3_{i}" for i in (1, 2, 3, 4)]
    return TorchBranches(convolutions, [["branch3x3_1", "branch3x3_2"], long, ["halving"]])


def module_e(channels: int) -> TorchBranches:
    """Figure 7: 8 x 8."""
    row, column = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
    convolutions = {
        "branch1x1": (channels, 320, 1),
        "branch3x3_1": (channels, 384, 1),
        "branch3x3_2a": (384, 384, *row),
        "branch3x3_2b": (384, 384, *column),
        "branch3x3dbl_1": (channels, 448, 1),
        "branch3x3dbl_2": (448, 384, 3, 1, 1),
        "branch3x3dbl_3a": (384, 384, *row),
        "branch3x3dbl_3b": (384, 384, *column),
        "branch_pool": (channels, 192, 1),
    }
    branches = [
        ["branch1x1"],
        ["branch3x3_1", "branch3x3_2a"],
        ["branch3x3_1", "branch3x3_2b"],
        ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a"],
        ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3b"],
        ["average", "branch_pool"],
    ]
    return TorchBranches(convolutions, branches)


class TorchHead(torch.nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv0, self.conv1 = TorchBasicConv(channels, 128, 1), TorchBasicConv(128, 768, 5)
        self.fc = torch.nn.Linear(768, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv1(self.conv0(F.avg_pool2d(x, 5, 3))).mean((2, 3)))


@pytest.mark.parametrize(
    ("ours", "theirs", "size"),
    [
        (lambda: InceptionA(4, 5), lambda: module_a(4, 5), (5, 6)),
        (lambda: InceptionB(4), lambda: module_b(4), (7, 6)),
        (lambda: InceptionC(4, 6), lambda: module_c(4, 6), (8, 5)),
        (lambda: InceptionD(4), lambda: module_d(4), (7, 6)),
        (lambda: InceptionE(4), lambda: module_e(4), (3, 4)),
        (lambda: InceptionAux(4, 3), lambda: TorchHead(4, 3), (20, 17)),
    ],
    ids=["A", "B", "C", "D", "E", "head"],
)
def test_modules(ours: Any, theirs: Any, size: tuple[int, int]) -> None:
    compare(ours(), theirs(), (2, 4, *size), train=True)


@pytest.mark.slow
def test_training_returns_a_named_tuple_and_evaluation_the_logits() -> None:
    model = models.inception_v3(num_classes=2, init_weights=False)
    outputs = model(minicnn.zeros(0, 3, 299, 299))
    assert isinstance(outputs, models.InceptionOutputs)
    assert outputs._fields == ("logits", "aux_logits")
    assert [tuple(y.shape) for y in outputs] == [(0, 2), (0, 2)]
    with pytest.raises(ShapeError, match=r"too small: it has 298 x 298 pixels.* has 299 x 299"):
        model(minicnn.zeros(0, 3, 298, 298))
    assert model.eval()(minicnn.zeros(0, 3, 298, 298)).shape == (0, 2)
    with pytest.raises(ShapeError, match=r"too small: it has 74 x 74 pixels.* has 75 x 75"):
        model(minicnn.zeros(0, 3, 74, 74))


@pytest.mark.slow
def test_weights(tmp_path: Path) -> None:
    """One's own: the same outputs, the head as it was; what is given comes first."""
    trained = models.inception_v3(num_classes=2, init_weights=False)
    state = trained.state_dict()
    path = tmp_path / "inception.npz"
    minicnn.save(state, path)
    model = models.inception_v3(weights=path, num_classes=2)
    assert (model.transform_input, model.aux_logits) == (False, True)
    np.testing.assert_array_equal(model.AuxLogits.fc.weight.detach().numpy(), state["AuxLogits.fc.weight"].numpy())
    x = minicnn.randn(2, 3, 75, 75)
    np.testing.assert_array_equal(model.eval()(x).detach().numpy(), trained.eval()(x).detach().numpy())
    model = models.inception_v3(weights=state, num_classes=2, aux_logits=False, transform_input=True)
    assert (model.transform_input, model.aux_logits, model.AuxLogits) == (True, False, None)
    trained.transform_input = True
    np.testing.assert_array_equal(model.eval()(x).detach().numpy(), trained.eval()(x).detach().numpy())
    model = models.inception_v3(weights=model.state_dict(), num_classes=2)  # saved without the head
    assert (model.transform_input, model.aux_logits, model.AuxLogits) == (False, False, None)


@pytest.mark.slow
def test_torchvisions_weights() -> None:
    """1000 classes and the head: images normalised anew; the head stays unless it is refused."""
    state = models.inception_v3(init_weights=False).state_dict()
    model = models.inception_v3(weights=state)
    assert (model.transform_input, model.aux_logits) == (True, True)
    np.testing.assert_array_equal(model.AuxLogits.fc.weight.detach().numpy(), state["AuxLogits.fc.weight"].numpy())
    model = models.inception_v3(weights=state, aux_logits=False, transform_input=False)
    assert (model.transform_input, model.aux_logits, model.AuxLogits) == (False, False, None)


@pytest.mark.slow
def test_the_initial_weights() -> None:
    """Standard deviation 0.1, cut off at +-2; 0.001 in the last layer of the head."""
    minicnn.manual_seed(0)
    model = models.inception_v3(num_classes=100)
    for layer in (model.Mixed_7c.branch3x3_1.conv, model.fc, model.AuxLogits.conv1.conv):
        assert np.std(layer.weight.detach().numpy()) == pytest.approx(0.1, rel=0.01)
    assert np.std(model.AuxLogits.fc.weight.detach().numpy()) == pytest.approx(0.001, rel=0.02)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"inception_blocks must be seven.*; got 1"):
        models.Inception3(inception_blocks=[nn.Conv2d])
    with pytest.raises(ValueError, match="transform_input=True is for colour images, in_channels=3; got in_channels=1"):
        models.inception_v3(transform_input=True, in_channels=1)
