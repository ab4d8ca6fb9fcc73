"""The ResNet with stochastic depth: linear decay, and what training and evaluation compute."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn import models, nn

from .residual_twin import compare
from .test_resnet_cifar import Twin


def layers(model: nn.Module) -> list[nn.StochasticDepth]:
    return [m for m in model.modules() if isinstance(m, nn.StochasticDepth)]


def test_the_decay_is_linear_from_almost_1_to_one_half() -> None:
    model = models.resnet110_stochastic_depth()
    survival = [1 - m.p for m in layers(model)]
    assert len(survival) == 54
    np.testing.assert_allclose(survival, 1 - np.arange(1, 55) / 54 * 0.5)
    assert sum(survival) == pytest.approx((3 * 54 - 1) / 4)  # about 40 blocks: section 3 of the paper
    assert {m.mode for m in layers(model)} == {"batch"}


def test_state_is_that_of_the_resnet() -> None:
    assert list(models.StochasticDepthResNet(14).state_dict()) == list(models.CifarResNet(14).state_dict())


def test_evaluation_is_the_resnet() -> None:
    compare(models.StochasticDepthResNet(14), Twin("A"), (2, 3, 8, 8), train=False)


def test_training_without_drops_is_the_resnet() -> None:
    compare(models.StochasticDepthResNet(14, shortcut="B", survival=1.0), Twin("B"), (2, 3, 8, 8), train=True)


def test_training_adds_on_average_what_evaluation_adds() -> None:
    """The residual alone, with batch norm in evaluation, so that nothing but the draws is random."""
    minicnn.manual_seed(0)
    block = models.StochasticDepthBlock(4, 4, p=0.25, mode="row").eval()
    x = minicnn.randn(1, 4, 5, 5)
    expected = block.residual(x).detach().numpy()
    block.stochastic_depth.train()
    drawn = block.residual(x.expand(4000, 4, 5, 5)).detach().numpy()
    np.testing.assert_allclose(drawn.mean(0, keepdims=True), expected, atol=0.05 * np.abs(expected).max())
    kept = np.abs(drawn).max((1, 2, 3)) > 0
    np.testing.assert_allclose(drawn[kept], np.broadcast_to(expected / 0.75, drawn[kept].shape), rtol=1e-4, atol=1e-6)


def test_a_block_that_is_left_out_passes_its_input_on_and_learns_nothing() -> None:
    block = models.StochasticDepthBlock(4, 8, stride=2, p=1.0)
    x = minicnn.rand(2, 4, 6, 6)  # not negative, so that relu changes nothing
    y = block(x)
    np.testing.assert_array_equal(y.detach().numpy()[:, 2:6], x.numpy()[:, :, ::2, ::2])
    y.sum().backward()
    assert all(float(p.grad.abs().max()) == 0 for p in block.parameters())


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"survival.*between 0 and 1.*1\.5"):
        models.resnet110_stochastic_depth(survival=1.5)
    with pytest.raises(ValueError, match=r"6n \+ 2"):
        models.StochasticDepthResNet(9)
    with pytest.raises(ValueError, match="needs shortcuts"):
        models.StochasticDepthResNet(8, shortcut=None)
    with pytest.raises(ValueError, match="'rows'"):
        models.StochasticDepthResNet(8, mode="rows")
