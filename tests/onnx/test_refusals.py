"""What has no faithful graph is refused, with the operation and the layer."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn
from minicnn.core.errors import ShapeError
from minicnn.onnx import ExportError
from minicnn.onnx.table import _TRANSLATORS

from .common import Lambda, check, exported

SHAPE = (2, 4, 6, 6)


class Twice(minicnn.autograd.Function):
    """An operation of one's own."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2


def _numpy(x: Any) -> Any:
    y = x + 1
    y.numpy()[:, 0] = 0
    return y * 2


def _data(x: Any) -> Any:
    y = x + 1
    y.data = y.data * 3
    return y * 2


def _reshaped(x: Any) -> Any:
    y = x.sum(1, keepdim=True)
    return y.squeeze_(1) + 1


def _into_zeros(x: Any) -> Any:
    y = minicnn.zeros(*x.shape)
    y += x
    return y


def _behind_a_view(x: Any) -> Any:
    y = x + 1
    part = y[:, 0].detach()
    y += 1
    return part * 2


def _through_a_view(x: Any) -> Any:
    y = x + 1
    y[:, 0].detach().add_(1)
    return y * 2


def _own_batch_sum(x: Any) -> Any:
    total = x[0]
    for i in range(1, x.shape[0]):
        total = total + x[i]
    return total


FROZEN = "frozen in the graph"
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "comparison": (lambda x: x * (x > 0), f"Cast: .*{FROZEN}"),
    "mask": (lambda x: x.masked_fill(x < 0, 0), f"Where: .*{FROZEN}"),
    "max with indices": (lambda x: x.max(1)[0], "GetItem: takes other places in one sample .* amax"),
    "argmax": (lambda x: x + x.argmax(1, keepdim=True), f"Cast: .*{FROZEN}"),
    "sort": (lambda x: x.sort(1).values, "GetItem: takes other places in one sample"),
    "index": (lambda x: x[..., x[0, 0, 0].argsort()], f"GetItem: a setting .*{FROZEN}"),
    "item": (lambda x: x / x.abs().max().item(), f"Div: .*{FROZEN}"),
    "sample by its numbers": (lambda x: x[int(x.sum() > 0)], f"GetItem: a setting .*{FROZEN}"),
    "numpy": (lambda x: minicnn.from_numpy(np.tanh(x.numpy())) + 1, f"Add: .*{FROZEN}"),
    "numpy alone": (lambda x: minicnn.from_numpy(np.tanh(x.numpy())), FROZEN),
    "random numbers": (lambda x: x + minicnn.randn(6), f"Add: .*{FROZEN}"),
    "batch size as a number": (lambda x: x.sum(0) / x.shape[0], f"Div: .*{FROZEN}"),
    "numbers of the batch": (lambda x: x + minicnn.arange(x.shape[0]).reshape(-1, 1, 1, 1), f"Reshape: .*{FROZEN}"),
    "if": (lambda x: x.exp() if x.sum() > 0 else x.sin(), "Exp: .*computes other operations"),
    "loop": (_own_batch_sum, "computes other operations"),
    "all but one of the batch": (lambda x: x[1:], "GetItem: dimension 0 .* neither fixed nor a multiple"),
    "order of the batch": (lambda x: x.flip(0), "Flip: takes other places"),
    "writes to one sample": (lambda x: (x.__setitem__(0, 0), x)[1] * 1, "SetItem: takes other places"),
    "unbiased variance of the batch": (lambda x: x.var(0), "Var: divides by n - 1"),
    "products of samples": (lambda x: x.flatten(1) @ x.flatten(1).T + minicnn.eye(x.shape[0]), f"Add: .*{FROZEN}"),
    "changed through numpy": (_numpy, "changed behind the record"),
    "changed through data": (_data, "changed behind the record|frozen in the graph"),
    "shape changed in place": (_reshaped, "changed behind the record"),
    "zeros changed in place": (_into_zeros, "AddInto: changes in place a tensor that no recorded operation made"),
    "alias of a changed tensor": (_behind_a_view, "shares its memory with another one that was changed in place"),
    "changed through an alias": (_through_a_view, "shares its memory with another one that was changed in place"),
    "dropout": (lambda x: F.dropout(x, 0.5, training=True), "Dropout: draws random numbers"),
    "no translation": (lambda x: minicnn.atan2(x, x + 1), "Atan2: has no translation to ONNX.*register_translator"),
    "gradient": (lambda x: minicnn.cumprod(x, 1), "CumProd: has no translation"),
    "integers": (lambda x: (x * 3).long() // 2, "DivFloor: is translated to ONNX for floating-point numbers alone"),
    "one's own": (Twice.apply, "Twice: has no translation"),
    "no elements": (lambda x: x[:, :0].sum(1), "GetItem: a tensor of shape .* has no elements"),
    "no tensor": (lambda x: 3, "must return tensors .* got int"),
    "nothing": (lambda x: None, "the model returns no tensor"),
    "places of maxima in overlapping bins": (
        lambda x: F.adaptive_max_pool2d(x, 4, return_indices=True),
        "AdaptiveMaxPool2d: has places of the maxima in ONNX only where",
    ),
    "places of maxima in windows that reach far": (
        lambda x: F.max_pool2d(x, 2, 4, dilation=3, ceil_mode=True, return_indices=True),
        "MaxPool2d: has places of the maxima in ONNX only where the padding is below the kernel size",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    function, text = REFUSED[name]
    with pytest.raises(ExportError, match=re.compile(text, re.DOTALL)):
        exported(Lambda(function), SHAPE)


def test_the_message_names_the_layer() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.ReLU(), Lambda(lambda x: x.max(1)[0])))
    with pytest.raises(ExportError, match=r"GetItem: (.|\n)*in layer '1.1': Lambda\(\)"):
        exported(model, SHAPE)


@pytest.mark.parametrize(
    "name", ["batch size as a number", "numbers of the batch", "order of the batch", "loop", "all but one of the batch"]
)
def test_with_a_fixed_batch_more_is_possible(name: str) -> None:
    function, _ = REFUSED[name]
    check(Lambda(function), SHAPE, dynamic_axes={})


@pytest.mark.parametrize("name", ["comparison", "max with indices", "if", "item", "random numbers"])
def test_a_fixed_batch_freezes_no_numbers(name: str) -> None:
    with pytest.raises(ExportError):
        exported(Lambda(REFUSED[name][0]), SHAPE, dynamic_axes={})


@pytest.mark.parametrize("numbers", [[1, 2, 0], [1, 1, 1]])
def test_indices_that_are_an_input_are_not_frozen(numbers: list[int]) -> None:
    table = minicnn.eye(4)
    file = io.BytesIO()
    with pytest.raises(ExportError, match="frozen in the graph"):
        minicnn.onnx.export(Lambda(lambda i: table[i] * 2), minicnn.tensor(numbers), file, dynamic_axes={})
    assert not file.getvalue()


def test_integers_that_are_all_equal_may_be_read() -> None:
    images = minicnn.zeros(1, 3, 4, 4, dtype=minicnn.uint8)
    minicnn.onnx.export(Lambda(lambda x: x.float() / 255), images, io.BytesIO())


def test_a_model_without_a_batch_is_told_how() -> None:
    with pytest.raises(ShapeError) as caught:
        exported(nn.Conv2d(4, 2, 3), (4, 6, 6))
    assert "dynamic_axes={}" in caught.value.__notes__[0]
    with pytest.raises(ShapeError) as caught:
        exported(nn.Conv2d(4, 2, 3), (1, 3, 6, 6))  # wrong whatever the batch
    assert not getattr(caught.value, "__notes__", [])
    check(nn.Conv2d(4, 2, 3), (4, 6, 6), dynamic_axes={})


def test_a_model_of_more_than_2_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(minicnn.zeros(1).expand(700_000_000))  # of one number in memory

        def forward(self, x: Any) -> Any:
            raise AssertionError("refused before it runs")

    with pytest.raises(ExportError, match=r"the parameters take 2\.61 GiB, and an ONNX file can hold 2 GiB"):
        exported(Large(), SHAPE)


def test_a_translator_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_TRANSLATORS, Twice, None)  # taken out again after the test

    @minicnn.onnx.register_translator(Twice)
    def twice(graph: Any, operation: Any, x: str) -> str:
        return graph.node("Add", x, x)

    check(Lambda(Twice.apply), SHAPE)
