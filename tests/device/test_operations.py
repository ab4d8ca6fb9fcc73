"""Every differentiable operation on the device: values, gradients and gradients of gradients as on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from tests.ops.test_against_torch import KINKS, SMOOTH, TIES

from .twin import agree, results


@pytest.mark.parametrize(("expression", "shapes"), [row[1:] for row in SMOOTH], ids=[row[0] for row in SMOOTH])
def test_values_and_gradients(device: str, expression: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(7)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    agree(results(expression, arrays, device, twice=True), results(expression, arrays, "cpu", twice=True), 1e-9)
    single = [a.astype(np.float32) for a in arrays]
    agree(results(expression, single, device), results(expression, single, "cpu"), 2e-5)


@pytest.mark.parametrize("expression", [row[1] for row in KINKS], ids=[row[0] for row in KINKS])
def test_kinks_ties_and_zeros(device: str, expression: Any) -> None:
    agree(results(expression, [TIES], device), results(expression, [TIES], "cpu"), 1e-12)


def test_not_a_number_and_infinity(device: str) -> None:
    x = np.array([[np.nan, 1.0, -np.inf], [np.inf, 0.0, -2.0]])
    for expression in (
        lambda t, x: (x.max(), x.min(), x.max(1), x.argmax(), x.amax(0), x.sum(), x.mean(1)),
        lambda t, x: (x.sort(), x.sort(descending=True), x.median(1), x.median(), x.topk(2)),
        lambda t, x: (x.sqrt(), x.log(), 1 / x, x / 0, x**0.5, x.sign(), x.round(), x.clamp(0, 1), x.relu()),
        lambda t, x: (t.maximum(x, x * 0), t.minimum(x, x * 0), x == x, x < 0, x != x, x.isnan(), x.isfinite()),
        lambda t, x: (x.logsumexp(1), x.nan_to_num(), x.std(1), x.isinf(), t.isclose(x, x, equal_nan=True)),
        lambda t, x: (t.zeros(0).sum(), t.zeros(0).mean(), t.zeros(0).prod(), t.ones(1).std(), t.ones(1, 3).var(0)),
        lambda t, x: (t.logsumexp(t.full((2,), float("-inf")), 0), t.logsumexp(t.zeros(0, 2), 0)),
    ):
        with minicnn.no_grad():
            agree(results(expression, [x], device), results(expression, [x], "cpu"), 1e-12)


@pytest.mark.parametrize("loss", [F.nll_loss, F.cross_entropy])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 3, 1)])
def test_a_label_that_is_no_class_has_no_loss(device: str, loss: Any, weight: Any, shape: tuple[int, ...]) -> None:
    """Labels on a GPU are not looked at, for it would be waited for; the loss of such a label is NaN."""
    labels = np.array([0, 4, -1, 2, -100, 3]).reshape(shape[:1] + shape[2:])
    known = np.isin(labels, [0, 1, 2, -100])
    x, w = -np.random.default_rng(3).random(shape), None if weight is None else minicnn.tensor(weight).double()
    expected = loss(minicnn.tensor(x), minicnn.tensor(np.where(known, labels, 0)), w, reduction="none")
    there = minicnn.tensor(x, device=device), minicnn.tensor(labels, device=device), None if w is None else w.to(device)
    found = loss(*there, reduction="none").cpu()
    np.testing.assert_allclose(found.numpy(), np.where(known, expected.numpy(), np.nan), rtol=1e-12)
    for reduction in ("mean", "sum"):
        assert np.isnan(loss(*there, reduction=reduction).item())
