"""``print(tensor)`` gives PyTorch's text, to the character."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn


@pytest.fixture(autouse=True)
def _default_options() -> Iterator[None]:
    yield
    minicnn.set_printoptions(profile="default")
    torch.set_printoptions(profile="default")


def same(ours: object, theirs: object) -> None:
    """The same text. (A type's name is longer here, so a line may be broken before it where PyTorch's is not.)"""
    texts = [repr(ours), repr(theirs).replace("torch.", "minicnn.")]
    if "dtype=" in texts[0]:
        texts = [re.sub(r",\s+(?=dtype|grad_fn|requires_grad)", ", ", text) for text in texts]
    assert texts[0] == texts[1]


def same_text(values: np.ndarray) -> None:
    same(minicnn.from_numpy(values), torch.from_numpy(values.copy()))
    assert str(minicnn.from_numpy(values)) == repr(minicnn.from_numpy(values))


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of every type and of magnitudes that call for all notations, some of them large or empty."""
    kind = draw(st.sampled_from(["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]))
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=4)))
    if draw(st.integers(0, 5)) == 0:
        shape = draw(
            st.sampled_from([(1001,), (40, 40), (7, 3, 60), (2, 1001), (1001, 2), (12, 10, 9), (999,), (3, 7, 7, 8)])
        )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.standard_normal(shape) * 10.0 ** draw(st.integers(-6, 9))
    if draw(st.booleans()):
        values = np.round(values)
    if draw(st.booleans()):
        values = np.where(rng.random(shape) < 0.3, draw(st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf])), values)
    if kind == "bool":
        return np.asarray(values > 0)
    if kind.startswith("float"):
        with np.errstate(over="ignore"):
            return np.asarray(values, dtype=kind)
    return np.asarray(np.nan_to_num(values, posinf=7, neginf=-7) % 1000, dtype=kind)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(arrays())
def test_all_kinds_of_tensors(values: np.ndarray) -> None:
    same_text(values)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(arrays(), st.booleans(), st.sampled_from([None, True, False]), st.integers(1, 6))
def test_options(values: np.ndarray, short: bool, sci_mode: bool | None, precision: int) -> None:
    for library in (minicnn, torch):
        library.set_printoptions(profile="short" if short else "full", sci_mode=sci_mode)
        library.set_printoptions(precision=precision, linewidth=60, sci_mode=sci_mode)
    same_text(values)


def test_what_is_said_about_gradients() -> None:
    for make in (
        lambda t: t.ones(2, requires_grad=True),
        lambda t: t.ones(2, requires_grad=True) + 1,
        lambda t: t.ones(2, 2, requires_grad=True).exp().sum(),
        lambda t: t.ones(2, 30, requires_grad=True, dtype=t.float64) * 3,
        lambda t: t.ones(12, requires_grad=True, dtype=t.float64),
        lambda t: t.arange(13.0, dtype=t.float64).requires_grad_(),
        lambda t: (t.ones(2, requires_grad=True) * 2).detach(),
    ):
        same(make(minicnn), make(torch))


def test_named_results_sizes_and_types() -> None:
    for make in (
        lambda t: t.tensor([[1.0, 3.0], [2.0, 0.0]]).max(1),
        lambda t: t.sort(t.tensor([2, 1])),
        lambda t: t.topk(t.tensor([2, 1]), 1),
        lambda t: t.tensor([2, 1]).median(0),
        lambda t: t.zeros(2, 3).shape,
        lambda t: t.float32,
        lambda t: t.device("cuda", 1),
        lambda t: [t.ones(1), t.tensor(2)],
    ):
        same(make(minicnn), make(torch))


def test_formatting_a_number_in_a_tensor() -> None:
    for library in (minicnn, torch):
        assert f"{library.tensor(1.23456):.2f}" == "1.23"
        assert f"{library.tensor(3):04d}" == "0003"
        assert f"{library.tensor(0.5)}" == "0.5"
    assert f"{minicnn.tensor([1, 2])}" == "tensor([1, 2])"
