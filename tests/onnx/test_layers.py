"""Every layer, exported and run with onnxruntime and with ONNX's own reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import minicnn
from minicnn import nn
from minicnn.core.errors import ShapeError
from tests.nn.table import ROWS, Row, row

from .common import assert_close, check, draw, exported, operators, outputs_of

SQUARE = (3, 4, 7, 7)
MORE = [
    row("Conv2d", 4, 6, 2, padding="same"),
    row("Conv2d", 4, 6, (2, 4), padding="same", dilation=(1, 3)),
    row("Conv2d", 4, 8, 3, stride=2, padding=1, groups=4),
    row("ConvTranspose2d", 4, 4, 3, stride=(3, 2), padding=(1, 2), output_padding=(2, 1), groups=4),
    row("MaxPool2d", 3, 2, padding=1, ceil_mode=True),
    row("MaxPool2d", (3, 2), 3, ceil_mode=True, shape=SQUARE),
    row("MaxPool2d", 2, 3, dilation=(2, 3), padding=(0, 1), ceil_mode=True),  # reaches as far as the kernel is large
    row("AvgPool2d", 3, 2, padding=1, ceil_mode=True),
    row("AvgPool2d", 3, 2, ceil_mode=True),
    row("AvgPool2d", 3, 2, padding=1, count_include_pad=False),
    row("AvgPool2d", 3, 2, padding=1),
    row("AvgPool2d", 3, 2, padding=1, ceil_mode=True, divisor_override=4),
    row("AvgPool2d", 3, 2, padding=1, count_include_pad=False, divisor_override=4),
    row("AvgPool2d", (2, 3), 4, padding=(1, 1), ceil_mode=True, shape=SQUARE),
    row("LPPool2d", 3, 2, ceil_mode=True, shape=SQUARE),
    row("AdaptiveAvgPool2d", (3, 7)),
    row("AdaptiveAvgPool2d", (9, 2)),
    row("AdaptiveAvgPool2d", (5, 1)),
    row("AdaptiveMaxPool2d", (3, 7)),
    row("AdaptiveMaxPool2d", (9, 2)),
    row("BatchNorm1d", 4, track_running_stats=False, shape=(5, 4)),
    row("BatchNorm2d", 4, track_running_stats=False, affine=False),
    row("GroupNorm", 2, 4, shape=(3, 4, 6)),
    row("LocalResponseNorm", 4, alpha=0.3),
    row("LocalResponseNorm", 5, alpha=0.3, beta=0.6, k=2.0, shape=(2, 9, 4, 4)),
    row("LocalResponseNorm", 3, alpha=0.3, shape=(2, 9, 4)),
    row("PReLU", 4, shape=(3, 4)),
    row("Maxout", 2),
    row("Maxout", 3, -1, shape=(4, 9)),
    row("StochasticDepth", 0.5, "row"),
    row("Upsample", size=(3, 4)),
    row("Upsample", scale_factor=3, mode="bilinear"),
    row("ReflectionPad2d", (0, 2, 1, 0)),
    row("Fold", (4, 5), 2, dilation=2, padding=1, shape=(3, 8, 20)),
]
TABLE = [*ROWS, *MORE]
REFERENCE_FAILS = [  # errors of onnx's ReferenceEvaluator, not of the file: groups, channels at the edge, cropping
    lambda row: row.name == "Fold" or (row.name == "ConvTranspose2d" and row.kwargs.get("groups") == 2),
    lambda row: row.name == "LocalResponseNorm" and row.args[0] % 2 == 1 and len(row.shape) == 4,
    lambda row: row.name == "ZeroPad2d" and row.args == ((1, 0, 2, -1),),
]


def made(row: Row, kind: str) -> nn.Module:
    """The layer with numbers that no default has."""
    layer = row.ours().to(getattr(minicnn, kind)).eval()
    random = np.random.default_rng(3)
    for t in [*layer.parameters(), *layer.buffers()]:
        if t.is_floating_point():
            t.data.copy_(minicnn.from_numpy(random.uniform(0.5, 1.5, t.shape)))
    return layer


def axes(layer: nn.Module, row: Row, kind: str) -> Any:
    """``dynamic_axes``: none where the layer does not take another first dimension."""
    try:
        layer(minicnn.zeros(5, *row.shape[1:], dtype=getattr(minicnn, kind)))
    except ShapeError:
        return {}
    return None


@pytest.mark.parametrize("row", TABLE, ids=[row.id for row in TABLE])
def test_a_layer_in_onnxruntime(row: Row) -> None:
    layer = made(row, "float32")
    check(layer, row.shape, dynamic_axes=axes(layer, row, "float32"))


@pytest.mark.parametrize(
    "row",
    kept := [row for row in TABLE if not any(fails(row) for fails in REFERENCE_FAILS)],
    ids=[row.id for row in kept],
)
def test_a_layer_in_float64(row: Row) -> None:
    """By ONNX's definitions: onnxruntime has no double-precision convolution. (Settings are float32 in the file.)"""
    layer = made(row, "float64")
    fixed = axes(layer, row, "float64")
    data = exported(layer, row.shape, kind="float64", dynamic_axes=fixed)
    x = draw(row.shape if fixed == {} else (5, *row.shape[1:]), "float64")
    evaluator = ReferenceEvaluator(onnx.load_from_string(data))
    (got,) = evaluator.run(None, {evaluator.input_names[0]: x})
    assert_close(np.asarray(got), outputs_of(layer, x)[0], 1e-7)


@pytest.mark.parametrize(
    "row",
    kept := [row for row in TABLE if row.name in ("Linear", "BatchNorm2d", "LayerNorm", "PReLU", "Maxout", "Upsample")],
    ids=[row.id for row in kept],
)
def test_a_layer_in_onnxruntime_in_float64(row: Row) -> None:
    layer = made(row, "float64")
    check(layer, row.shape, kind="float64", dynamic_axes=axes(layer, row, "float64"))


class Unpooling(nn.Module):
    """Max pooling and back: uses the places of the maxima."""

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self.pool = pool
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, x: Any) -> Any:
        y, places = self.pool(x)
        return self.unpool(y, places), places


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2, return_indices=True), nn.AdaptiveMaxPool2d((3, 4), return_indices=True)]
)
def test_the_places_of_maxima(pool: nn.Module) -> None:
    check(Unpooling(pool), (2, 3, 6, 8))


def test_readable_operators() -> None:
    """Where ONNX has an operator for the layer, the file has it, alone."""
    for layer, wanted in [
        (nn.Conv2d(4, 4, 3), ["Conv"]),
        (nn.AdaptiveAvgPool2d(1), ["GlobalAveragePool"]),
        (nn.AdaptiveAvgPool2d(2), ["AveragePool"]),
        (nn.AdaptiveAvgPool2d(4), ["MatMul", "MatMul"]),
        (nn.MaxPool2d(3, 2, ceil_mode=True), ["MaxPool"]),
        (nn.BatchNorm2d(4), ["BatchNormalization"]),
        (nn.LocalResponseNorm(5), ["LRN"]),
        (nn.Hardswish(inplace=True), ["HardSwish"]),
        (nn.ReLU6(inplace=True), ["Clip"]),
        (nn.Dropout(), ["Identity"]),
        (nn.Maxout(2), ["Reshape", "ReduceMax"]),
    ]:
        assert operators(exported(layer, (2, 4, 6, 6))) == wanted, layer
