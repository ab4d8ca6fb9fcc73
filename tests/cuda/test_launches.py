"""What launchers start: no kernel and no copy that need not be, and nothing with arguments that do not fit."""

from __future__ import annotations

import pytest
from minicnn_kernels import registry
from minicnn_kernels.geometry import conv_window

from tests.standin import counted

from .launching import (
    W,
    X,
    calls,
    last,
    vector,
)
from .needs import STAND_IN

NAMES = (
    "conv2d.forward", "conv2d.forward, 1x1", "conv2d.forward, 1x1 and a bias", "conv2d.grad_input",
    "conv2d.grad_input, 1x1", "conv2d.grad_weight", "conv2d.grad_weight, 1x1", "conv2d.grad_bias",
    "batch_norm.statistics", "batch_norm.normalize", "batch_norm.grad", "max_pool2d.forward", "relu.forward",
    "softmax.forward", "matmul", "add.forward", "cat.forward", "sgd.step",
)  # fmt: skip


@STAND_IN
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_launched_or_copied_that_need_not_be(name: str, device: str) -> None:
    arguments, expected = calls()[name]
    operation = name.partition(",")[0]
    registry.call(operation, *arguments)  # cuBLAS makes its handle and its workspace once
    with counted() as counts:
        registry.call(operation, *arguments)
    asked = {what: n for what, n in counts.items() if what in ("kernel launches", "library calls")}
    copies = {what: n for what, n in counts.items() if " to " in what or what == "synchronisations"}
    assert asked == expected, counts
    assert not copies, counts


def test_every_counted_call_is_tested(device: str) -> None:
    assert set(NAMES) == set(calls())


# ------------------------------------------------------------------------------------------------------ bad arguments


@STAND_IN
def test_bad_arguments_are_refused_before_anything_is_launched(device: str) -> None:
    x, w, window = last(*X), last(*W), conv_window(X, W, 1, 1)
    wrong = (
        ("conv2d.forward", (x, w, vector(11), window, 1), r"bias \(groups\*k\) must have the shape \(12,\)"),
        ("conv2d.grad_input", (last(2, 11, 6, 5), w, window, 1), r"must have the shape"),
        ("batch_norm.normalize", (x, vector(7), vector(8), None, None, 1e-5), r"mean \(c\) must have the shape \(8,\)"),
        ("relu.grad", (x, last(2, 8, 5, 5)), r"kept \(size\) must have the shape \(480,\)"),
        ("matmul", (x, x), r"\(\.\.\., M, K\) @ \(\.\.\., K, N\)"),
        ("sgd.step", ([x], [w], None, 0.1, 0.0, 0.0, 0.0, False, False, True), "gradient of a parameter"),
    )
    with counted() as counts:
        for operation, arguments, says in wrong:
            with pytest.raises((TypeError, ValueError), match=says):
                registry.call(operation, *arguments)
    assert not counts["kernel launches"]
