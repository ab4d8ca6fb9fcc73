"""Losses and all their options, values and gradients as PyTorch's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn
from minicnn.nn import functional as F

from .table import draw

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # PyTorch's, of kl_div

REDUCTIONS = ["none", "mean", "sum"]


def compare(name: str, inputs: list[np.ndarray], kinds: str, **options: Any) -> None:
    """Call ``name`` here and in PyTorch; ``g`` in kinds marks inputs with a gradient. Options may be arrays."""
    results = []
    for library, functional in ((minicnn, F), (torch, torch.nn.functional)):
        tensors = [library.from_numpy(a.copy()) for a in inputs]
        for t, kind in zip(tensors, kinds, strict=True):
            t.requires_grad_(kind == "g")
        settings = {k: library.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        loss = getattr(functional, name)(*tensors, **settings)
        value = loss.detach().numpy().copy()
        loss.backward(library.from_numpy(draw(value.shape, str(value.dtype)) if value.shape else np.ones_like(value)))
        results.append((value, [t.grad.numpy() for t, kind in zip(tensors, kinds, strict=True) if kind == "g"]))
    (ours, our_grads), (theirs, their_grads) = results
    tolerance = 1e-8 if inputs[0].dtype == np.float64 else 1e-4
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    for a, b in zip(our_grads, their_grads, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def labels(shape: tuple[int, ...], classes: int, ignored: int | None = None) -> np.ndarray:
    t = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) % classes)
    if ignored is not None and t.size > 2:
        t.reshape(-1)[1::3] = ignored
    return t.astype(np.int64)


SHAPES = [(5,), (6, 5), (4, 5, 3), (2, 5, 3, 4), (2, 5, 2, 2, 2)]
CROSS_ENTROPY = list(itertools.product(SHAPES, REDUCTIONS, [False, True], [0.0, 0.1], [-100, 2, -1]))


@pytest.mark.parametrize("kind", ["float64", "float32"])
@pytest.mark.parametrize(("shape", "reduction", "weighted", "smoothing", "ignore"), CROSS_ENTROPY)
def test_cross_entropy(
    shape: tuple[int, ...], reduction: str, weighted: bool, smoothing: float, ignore: int, kind: str
) -> None:
    target = labels(shape[:1] + shape[2:] if len(shape) > 1 else (), 5, ignore if len(shape) > 1 else None)
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignore}
    if weighted:
        options["weight"] = np.linspace(0.2, 2, 5).astype(kind)
    compare("cross_entropy", [draw(shape, kind), target], "g-", **options)


@pytest.mark.parametrize(
    ("shape", "reduction", "weighted", "smoothing"),
    list(itertools.product(SHAPES, REDUCTIONS, [False, True], [0.0, 0.3])),
)
def test_cross_entropy_with_probabilities(
    shape: tuple[int, ...], reduction: str, weighted: bool, smoothing: float
) -> None:
    axis = 0 if len(shape) == 1 else 1
    target = np.abs(draw(shape, "float64")) + 0.1
    target /= target.sum(axis, keepdims=True)
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
    if weighted:
        options["weight"] = np.linspace(0.2, 2, 5)
    compare("cross_entropy", [draw(shape, "float64")[::-1].copy(), target], "gg", **options)


@pytest.mark.parametrize(
    ("shape", "reduction", "weighted", "ignore"), list(itertools.product(SHAPES, REDUCTIONS, [False, True], [-100, 2]))
)
def test_nll(shape: tuple[int, ...], reduction: str, weighted: bool, ignore: int) -> None:
    target = labels(shape[:1] + shape[2:] if len(shape) > 1 else (), 5, ignore if len(shape) > 1 else None)
    options: dict[str, Any] = {"reduction": reduction, "ignore_index": ignore}
    if weighted:
        options["weight"] = np.linspace(0.2, 2, 5)
    compare("nll_loss", [draw(shape, "float64"), target], "g-", **options)


def test_a_probability_of_zero_that_is_not_asked_for_costs_nothing() -> None:
    log_p = np.array([[0.0, -np.inf], [-np.inf, 0.0]])
    target = np.array([0, -100])
    x = minicnn.from_numpy(log_p).requires_grad_()
    loss = F.nll_loss(x, minicnn.from_numpy(target))
    loss.backward()
    assert loss.item() == 0
    assert x.grad.tolist() == [[-1, 0], [0, 0]]


def test_everything_ignored_is_nan_as_in_torch() -> None:
    x, t = np.zeros((2, 3), np.float32), np.full(2, -100)
    for name in ("cross_entropy", "nll_loss"):
        assert np.isnan(getattr(F, name)(minicnn.from_numpy(x), minicnn.from_numpy(t)).item())
        assert getattr(F, name)(minicnn.from_numpy(x), minicnn.from_numpy(t), reduction="sum").item() == 0


PAIRS = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.5}),
    ("smooth_l1_loss", {"beta": 0.0}),
    ("huber_loss", {}),
    ("huber_loss", {"delta": 2.5}),
    ("mse_loss", {"weight": np.linspace(0.5, 2, 12).reshape(3, 4)}),
    ("l1_loss", {"weight": np.linspace(0.5, 2, 12).reshape(3, 4)}),
    ("huber_loss", {"weight": np.linspace(0.5, 2, 12).reshape(3, 4)}),
    ("binary_cross_entropy_with_logits", {}),
    ("binary_cross_entropy_with_logits", {"weight": np.linspace(0.5, 2, 4)}),
    ("binary_cross_entropy_with_logits", {"pos_weight": np.linspace(0.5, 2, 4), "weight": np.linspace(1, 2, 4)}),
    ("kl_div", {"log_target": True}),
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "options"), PAIRS)
def test_losses_of_pairs(name: str, options: dict[str, Any], reduction: str) -> None:
    x, t = draw((3, 4), "float64"), draw((4, 3), "float64").T.copy() / 3
    compare(name, [x, t], "gg", reduction=reduction, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy(reduction: str, weighted: bool) -> None:
    p = np.concatenate([np.linspace(0.01, 0.99, 10), [0.0, 1.0, 0.0, 1.0]])
    t = np.concatenate([np.linspace(0, 1, 10)[::-1], [0.0, 1.0, 1.0, 0.0]])
    options = {"weight": np.linspace(0.5, 2, 14)} if weighted else {}
    compare("binary_cross_entropy", [p, t], "g-", reduction=reduction, **options)
    compare("binary_cross_entropy", [p[:10], t[:10]], "gg", reduction=reduction)


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
def test_kl_div(reduction: str) -> None:
    t = np.abs(draw((3, 4), "float64"))
    t[0, 0] = 0
    compare("kl_div", [draw((3, 4), "float64")[::-1].copy(), t], "g-", reduction=reduction)


def test_extreme_logits_stay_finite() -> None:
    x = np.array([[1e4, -1e4, 0.0]])
    compare("cross_entropy", [x, np.array([1])], "g-")
    compare("binary_cross_entropy_with_logits", [x, np.array([[0.0, 1.0, 1.0]])], "g-")


MODULES = [
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 1}, "class"),
    ("CrossEntropyLoss", {"weight": np.linspace(1, 2, 5), "reduction": "sum"}, "class"),
    ("NLLLoss", {"weight": np.linspace(1, 2, 5)}, "class"),
    ("BCELoss", {"weight": np.linspace(1, 2, 5)}, "probability"),
    ("BCEWithLogitsLoss", {"pos_weight": np.linspace(1, 2, 5), "reduction": "none"}, "number"),
    ("MSELoss", {}, "number"),
    ("L1Loss", {"reduction": "sum"}, "number"),
    ("SmoothL1Loss", {"beta": 0.3}, "number"),
    ("HuberLoss", {"delta": 0.3}, "number"),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, "number"),
]


@pytest.mark.parametrize(("name", "options", "kind"), MODULES)
def test_modules(name: str, options: dict[str, Any], kind: str) -> None:
    x = np.linspace(0.01, 0.99, 20).reshape(4, 5)
    target = labels((4,), 5) if kind == "class" else x[::-1].copy()
    results = []
    for library in (minicnn, torch):
        settings = {k: library.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        loss = getattr(library.nn, name)(**settings)
        results.append(
            (loss(library.from_numpy(x), library.from_numpy(target)).numpy(), repr(loss), list(loss.state_dict()))
        )
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
    assert results[0][1:] == results[1][1:]


MISTAKES = [
    (
        lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.tensor([0, 3])),
        r"label 3 at position 1 is not a class: the logits have 3 classes, numbered 0 to 2. Fix: labels count from 0",
    ),
    (
        lambda: F.cross_entropy(minicnn.zeros(1, 3, 1, 2), minicnn.tensor([[[0, 9]]])),
        r"label 9 at position \(0, 0, 1\).*at least 10",
    ),
    (lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.tensor([0, -1])), "label -1 .*ignore_index=-1"),
    (
        lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.eye(3)[:2].long()),
        r"need labels of shape \(2,\).*argmax\(1\).*one-hot",
    ),
    (lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.tensor([[0], [1]])), r"Fix: target.squeeze\(1\)"),
    (lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.tensor([0, 1, 2])), "as many labels as rows"),
    (lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.zeros(2)), r"labels must be integers.*Fix: target.long\(\)"),
    (lambda: F.nll_loss(minicnn.zeros(2, 3), minicnn.zeros(2)), r"labels must be integers, int64; got"),
    (
        lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.tensor([0, 1]), weight=minicnn.ones(2)),
        r"one number per class, shape \(3,\)",
    ),
    (lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.tensor([0, 1]), label_smoothing=2.0), "between 0 and 1"),
    (lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.zeros(2, 3), ignore_index=1), "no meaning for probabilities"),
    (
        lambda: F.cross_entropy(minicnn.zeros(2, 3), minicnn.tensor([0, 1]), reduction="average"),
        "must be one of 'none', 'mean', 'sum'",
    ),
    (
        lambda: F.mse_loss(minicnn.zeros(2), minicnn.zeros(2), size_average=False),
        "deprecated in PyTorch and are left out",
    ),
    (lambda: nn.MSELoss(reduce=True), "deprecated in PyTorch and are left out"),
    (lambda: F.binary_cross_entropy(minicnn.tensor([1.5]), minicnn.tensor([1.0])), "with_logits"),
    (lambda: F.binary_cross_entropy(minicnn.ones(2, 1), minicnn.ones(2)), r"Fix: y.squeeze\(1\)"),
    (lambda: F.binary_cross_entropy_with_logits(minicnn.ones(2), minicnn.tensor([1, 0])), r"Fix: target.float\(\)"),
    (lambda: F.huber_loss(minicnn.ones(2), minicnn.ones(2), delta=0.0), "delta must be positive"),
    (lambda: F.smooth_l1_loss(minicnn.ones(2), minicnn.ones(2), beta=-1.0), "must not be negative"),
]


@pytest.mark.parametrize(("call", "says"), MISTAKES)
def test_mistakes_are_explained(call: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        call()


def test_broadcasting_a_regression_target_warns_as_torch_does() -> None:
    with pytest.warns(UserWarning, match="rarely meant"):
        F.mse_loss(minicnn.zeros(3, 1), minicnn.zeros(3))
