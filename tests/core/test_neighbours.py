"""Gradients of joined tensors: parts of large arrays are added together, with the numbers of single sums."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

import minicnn
from minicnn.core import graph, neighbours


def dense_block(x, weights, axis):
    """Every layer sees all features so far; the last ones go out joined."""
    features = [x]
    for w in weights:
        features.append((minicnn.cat(features, axis) * w).sum(axis, keepdim=True).tanh())
    return minicnn.cat(features, axis)


def gradients(axis, separately=False):
    rng = np.random.default_rng(0)
    x = minicnn.tensor(rng.standard_normal((3, 3, 5, 3)), requires_grad=True)
    weights = [minicnn.tensor(rng.standard_normal(()), requires_grad=True) for _ in range(6)]
    sums = []

    def counted(a, b, out=None):
        sums.append(a.shape)
        return add(a, b, out)

    add = graph.add
    single = (lambda self, arriving: arriving) if separately else graph._Pass.add_neighbours
    with patch.object(graph, "add", counted), patch.object(graph._Pass, "add_neighbours", single):
        (dense_block(x * 1, weights, axis) ** 2).sum().backward()
    return [x.grad.numpy(), *(w.grad.numpy() for w in weights)], len(sums)


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_a_sum_per_layer_instead_of_one_per_pair_of_layers(axis):
    found, few = gradients(axis)
    expected, many = gradients(axis, separately=True)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (few, many) == (6, 6 + 5 + 4 + 3 + 2 + 1)


def test_gradients_that_somebody_keeps_stay_as_they_are():
    x = minicnn.rand(2, 3, 4, requires_grad=True)
    a, b = x * 2, x * 3
    a.retain_grad()
    seen = []
    b.register_hook(lambda grad: seen.append(grad))
    first = minicnn.cat([a, b], 1)
    first.retain_grad()
    (first.sum() + (minicnn.cat([a, b], 1) * 2).sum() + (minicnn.cat([a, b], 1) * 4).sum()).backward()
    assert (first.grad == 1).all()
    assert (a.grad == 7).all()
    assert (seen[0] == 7).all()
    assert (x.grad == 7 * 5).all()


def test_a_tensor_joined_to_itself():
    x = minicnn.rand(2, 3, requires_grad=True)
    y = x * 1
    (minicnn.cat([y, y, y], 1).sum() + (2 * minicnn.cat([y, y, y], 1)).sum()).backward()
    assert (x.grad == 9).all()


def test_neighbours_are_found_in_the_same_memory_only():
    whole, other = np.zeros((4, 6)), np.zeros((4, 6))
    a, b, c = np.split(whole, [1, 4], axis=1)
    assert neighbours.axis_between(a, b) == neighbours.axis_between(b, c) == 1
    assert neighbours.axis_between(b, a) is neighbours.axis_between(a, c) is None
    assert neighbours.axis_between(a, other[:, 1:4]) is None
    assert neighbours.axis_between(whole[:2], whole[2:]) == 0
    assert neighbours.axis_between(whole[:2, :3], whole[2:]) is None
    assert neighbours.axis_between(whole[:0], whole[:0]) is None
    pairs = [(a, a), (b, b), None, (c, c), (a, a), (b, b), (c, c)]
    assert list(neighbours.runs(pairs)) == [(range(2), 1), (range(2, 3), -1), (range(3, 4), -1), (range(4, 7), 1)]
    assert neighbours.together([a, b, c], 1).shape == (4, 6)
    assert np.shares_memory(neighbours.together([b, c], 1), whole)
    assert [part.shape for part in neighbours.apart(other, [a, b, c], 1)] == [(4, 1), (4, 3), (4, 2)]
