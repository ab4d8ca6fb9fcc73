"""Max pooling of a rectifier's result: backward does both steps, and nobody who looks can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels import watching

import minicnn
from minicnn.nn import functional as F

Use = Any  # what is done with the rectifier's result, besides


def gradients(
    x: np.ndarray, kernel: tuple[int, int, int], kind: str, use: Use = None, fused: bool = True
) -> tuple[list[np.ndarray], list[str]]:
    """Those of ``x`` and of what ``use`` returns, and the kernels that backward calls."""
    calls: list[str] = []
    with minicnn.set_fusion_enabled(fused):
        leaf = minicnn.from_numpy(x.copy()).requires_grad_()
        y = getattr(F, kind)(leaf * 1)
        seen = use(y) if use is not None else []
        pooled = F.max_pool2d(y, *kernel)
        loss = (pooled * minicnn.arange(pooled.numel()).reshape(pooled.shape)).sum()
        with watching.watch(lambda call: calls.append(call.operation)):
            (loss + sum(t.sum() for t in seen if t is not y)).backward()
    return [leaf.grad.numpy(), *[t.grad.numpy() for t in seen if t.retains_grad]], calls


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(4, 7), st.integers(4, 7)),
    kernel=st.sampled_from([(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0)]),
    kind=st.sampled_from(["relu", "relu6"]),
    seed=st.integers(0, 99),
)
def test_gradients_are_those_of_the_single_steps(
    shape: tuple[int, ...], kernel: tuple[int, int, int], kind: str, seed: int
) -> None:
    x = 5 * np.random.default_rng(seed).standard_normal(shape)
    x[0, 0, 0, 0] = np.nan
    (both,), (one_by_one,) = gradients(x, kernel, kind)[0], gradients(x, kernel, kind, fused=False)[0]
    np.testing.assert_array_equal(both, one_by_one)


def test_the_rectifier_reads_the_pooled_numbers() -> None:
    x, sizes = np.random.default_rng(0).standard_normal((2, 3, 8, 8)), []
    leaf = minicnn.from_numpy(x).requires_grad_()
    loss = F.max_pool2d(F.relu(leaf), 2).sum()
    with watching.watch(lambda call: sizes.append((call.operation, call.arguments[0].size))):
        loss.backward()
    assert ("relu.grad", 2 * 3 * 4 * 4) in sizes


def retained(y: Any) -> list[Any]:
    y.retain_grad()
    return [y]


def doubled(y: Any) -> list[Any]:
    return [y * 2]


@pytest.mark.parametrize("use", [retained, doubled])
def test_whoever_else_sees_the_result_gets_its_gradient(use: Use) -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 8))
    found, expected = gradients(x, (2, 2, 0), "relu", use), gradients(x, (2, 2, 0), "relu", use, fused=False)
    for a, b in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_hooks_that_come_later_are_called() -> None:
    leaf = minicnn.from_numpy(np.ones((1, 1, 4, 4))).requires_grad_()
    y = F.relu(leaf)
    pooled, seen = F.max_pool2d(y, 2), []
    y.register_hook(lambda grad: seen.append(grad.shape))
    pooled.sum().backward()
    assert seen == [(1, 1, 4, 4)]


CHANGES = [
    (2, lambda y: y.mul_(2)),
    (2, lambda y: y[0].mul_(2)),
    (1, lambda y: F.relu(y, inplace=True)),
    (1, lambda y: y.data.zero_()),  # without the graph's knowledge
]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("factor", "change"), CHANGES)
def test_what_is_pooled_may_be_changed_in_place(factor: float, change: Any, fused: bool) -> None:
    """Neither step needs it; a rectifier or dropout in place often comes next."""
    leaf = minicnn.from_numpy(np.arange(-8.0, 8.0).reshape(1, 1, 4, 4)).requires_grad_()
    with minicnn.set_fusion_enabled(fused):
        y = F.max_pool2d(F.relu(leaf), 2)
        change(y)
        y.sum().backward()
    assert leaf.grad[0, 0, 3].tolist() == [0, factor, 0, factor]
    assert not leaf.grad[0, 0, :3].any()


def test_the_gradient_of_the_gradient() -> None:
    leaf = minicnn.from_numpy(np.arange(16.0).reshape(1, 1, 4, 4)).requires_grad_()
    y = F.max_pool2d(F.relu(leaf), 2)
    (first,) = minicnn.autograd.grad((y**3).sum(), leaf, create_graph=True)
    (second,) = minicnn.autograd.grad(first.sum(), leaf)
    expected = np.zeros((4, 4))
    expected[1::2, 1::2] = 6 * np.arange(16.0).reshape(4, 4)[1::2, 1::2]
    np.testing.assert_allclose(second.numpy()[0, 0], expected)


def test_a_result_that_numpy_has_may_be_written_to() -> None:
    found = []
    for fused in (True, False):
        with minicnn.set_fusion_enabled(fused):
            leaf = minicnn.from_numpy(np.arange(-8.0, 8).reshape(1, 1, 4, 4)).requires_grad_()
            pooled = F.max_pool2d(F.relu(leaf), 2)
            pooled.detach().numpy()[...] = 0
            pooled.sum().backward()
            found.append(leaf.grad.numpy())
    np.testing.assert_array_equal(*found)
    assert found[0].any()
