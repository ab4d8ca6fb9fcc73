"""nn.utils, Maxout and Parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn

from .table import draw


def with_gradients(library: Any, scale: float) -> list[Any]:
    shapes = [(3, 4), (5,), (2, 2)]
    parameters = [library.nn.Parameter(library.zeros(*shape)) for shape in shapes]
    for p, shape in zip(parameters, shapes, strict=True):
        p.grad = library.from_numpy(draw(shape, "float32") * np.float32(scale))
    return [*parameters, library.nn.Parameter(library.zeros(1))]  # the last without a gradient


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("scale", [0.001, 1.0])
def test_clip_grad_norm_as_torch(norm_type: float, scale: float) -> None:
    ours, theirs = with_gradients(minicnn, scale), with_gradients(torch, scale)
    total = nn.utils.clip_grad_norm_(ours, 1.0, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type)
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    for a, b in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-5)
    assert ours[-1].grad is None


def test_clip_grad_norm_of_nothing_one_tensor_and_nan() -> None:
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    p = nn.Parameter(minicnn.zeros(2))
    p.grad = minicnn.tensor([3.0, 4.0])
    assert nn.utils.clip_grad_norm_(p, 10.0).item() == 5
    assert p.grad.tolist() == [3, 4]
    p.grad = minicnn.tensor([float("nan"), 1.0])
    with pytest.raises(RuntimeError, match="norm of the gradients is nan"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)


def test_clip_grad_value_as_torch() -> None:
    ours, theirs = with_gradients(minicnn, 1.0), with_gradients(torch, 1.0)
    nn.utils.clip_grad_value_(ours, 1.5)
    torch.nn.utils.clip_grad_value_(theirs, 1.5)
    for a, b in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def test_parameters_to_a_vector_and_back() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(3, 2))
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (20 + 8,)
    nn.utils.vector_to_parameters(vector.detach() * 2, net.parameters())
    assert minicnn.equal(nn.utils.parameters_to_vector(net.parameters()), vector * 2)
    with pytest.raises(ValueError, match="expected a vector of 28 numbers"):
        nn.utils.vector_to_parameters(minicnn.zeros(27), net.parameters())


@pytest.mark.parametrize(("shape", "dim"), [((3, 6), 1), ((2, 6, 4, 5), 1), ((2, 4, 6), -1)])
def test_maxout_is_the_largest_of_its_pieces(shape: tuple[int, ...], dim: int) -> None:
    x = draw(shape, "float64")
    t = minicnn.from_numpy(x).requires_grad_()
    y = nn.Maxout(3, dim)(t)
    pieces = np.moveaxis(x, dim, 0).reshape(2, 3, -1)
    np.testing.assert_array_equal(np.moveaxis(y.detach().numpy(), dim, 0).reshape(2, -1), pieces.max(1))
    y.sum().backward()
    largest = np.moveaxis(t.grad.numpy(), dim, 0).reshape(2, 3, -1)
    np.testing.assert_array_equal(largest, pieces == pieces.max(1, keepdims=True))


def test_parameter() -> None:
    p = nn.Parameter(minicnn.tensor([1.0, 2.0]))
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    assert p.is_leaf
    assert isinstance(p, minicnn.Tensor)
    assert not nn.Parameter(minicnn.zeros(1), requires_grad=False).requires_grad
    data = minicnn.zeros(2)
    assert np.shares_memory(nn.Parameter(data).detach().numpy(), data.numpy())
    assert nn.Parameter(minicnn.tensor([1, 2]), requires_grad=False).dtype == minicnn.int64
    with pytest.raises(TypeError, match="only floating-point tensors can be learnt"):
        nn.Parameter(minicnn.tensor([1, 2]))
    with pytest.raises(TypeError, match="expected a Tensor; got list"):
        nn.Parameter([1.0])


@pytest.mark.parametrize("clip", [nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_])
def test_a_graph_that_needs_the_unclipped_gradient_says_so(clip: Any) -> None:
    p, w = nn.Parameter(minicnn.zeros(2)), minicnn.ones(2, requires_grad=True)
    p.grad = minicnn.tensor([3.0, 4.0])
    penalty = (w * p.grad).sum()
    clip([p], 1.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        penalty.backward()
