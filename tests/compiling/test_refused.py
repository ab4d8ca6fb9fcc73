"""Models that a list of kernel calls cannot stand for: run as they are, with a warning, or an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.compiling import CompileError
from tests.compiling.common import images, pair
from tests.onnx.common import Lambda


def by_sign(x: Any) -> Any:
    return x + 1 if x.mean() > 0 else x - 1


def by_length(x: Any) -> Any:
    for _ in range(int(x.abs().sum()) % 7 + (1 if x.mean() > 0 else 2)):
        x = x * 2
    return x


def by_number(x: Any) -> Any:
    return x * x.mean().item()


def by_index(x: Any) -> Any:
    return x[minicnn.arange(2), :, x.mean((1, 2, 3)).argmax()] + x.detach().numpy().sum()


def random(x: Any) -> Any:
    return nn.functional.dropout(x, 0.5, training=True)


def into_input(x: Any) -> Any:
    return x.mul_(2) + 1


def view(x: Any) -> Any:
    return x.flatten(1)


def raises(x: Any) -> Any:
    if x.mean() > 0:
        raise ValueError("positive")
    return x * 2


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", minicnn.zeros(()))

    def forward(self, x: Any) -> Any:
        self.calls.add_(1)
        return x * 2


class Remembering(nn.Module):
    def forward(self, x: Any) -> Any:
        self.last = x * 2
        return self.last + 1


OUTSIDE = minicnn.ones(8)


def of_somebody_else(x: Any) -> Any:
    return x + OUTSIDE


def view_of_somebody_else(x: Any) -> Any:
    return x + OUTSIDE.detach()[None]


class HiddenLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.LeakyReLU(0.1)]

    def forward(self, x: Any) -> Any:
        return self.layers[0](x)


class ReturnsItsAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kept = minicnn.ones(2)

    def forward(self, x: Any) -> Any:
        return self.kept


class Appending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[Any] = []

    def forward(self, x: Any) -> Any:
        self.shapes.append(x.shape)
        return x * 2


REFUSED = [Lambda(f) for f in (by_sign, by_length, by_number, by_index, random, into_input, view, raises)]
REFUSED += [Lambda(f) for f in (of_somebody_else, view_of_somebody_else)]
REFUSED += [Counting(), Remembering(), HiddenLayer(), ReturnsItsAttribute(), Appending()]


@pytest.mark.parametrize(
    "model", REFUSED, ids=lambda m: m.function.__name__ if isinstance(m, Lambda) else type(m).__name__
)
def test_what_is_more_than_numbers_is_refused_and_run_as_it_is(model: nn.Module) -> None:
    model.eval()
    inputs = [images() - 1, images() - 1]
    with minicnn.no_grad():
        minicnn.manual_seed(1)
        expected = [model(x.clone()) for x in inputs]
        minicnn.manual_seed(1)
        compiled = minicnn.compile(model)
        with pytest.warns(UserWarning, match="is run as it is, not compiled") as warned:
            got = [compiled(x.clone()) for x in inputs]
        assert len(warned) == 1
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        with pytest.raises(CompileError, match="cannot be compiled: "):
            minicnn.compile(model, fullgraph=True)(inputs[0])


def test_a_model_that_changes_itself_is_tried_once() -> None:
    model = Appending().eval()
    compiled = minicnn.compile(model)
    with minicnn.no_grad():
        with pytest.warns(UserWarning, match="changes its input, a buffer, a parameter or an attribute"):
            compiled(images())
        tried = len(model.shapes)
        for _ in range(3):
            compiled(images())
        assert len(model.shapes) == tried + 3


def test_what_the_model_raises_is_raised() -> None:
    _, compiled = pair()
    with minicnn.no_grad(), pytest.raises(ValueError, match="conv2d"):
        compiled(images(2, 4, 8, 8))
