"""The advice in the error messages is true: every setting that a message proposes is tried."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import ShapeError
from minicnn_kernels.geometry import (
    Window2d,
    check_groups,
    conv_transpose_window,
    conv_window,
    pool_window,
    unfold_window,
)

Settings = dict[str, Any]


def conv(size: Any, kernel_size: Any, stride: Any, dilation: Any, padding: Any) -> Window2d:
    kernel = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    return conv_window((1, 2, *size), (3, 2, *kernel), stride, padding, dilation)


def conv_transpose(size: Any, kernel_size: Any, stride: Any, dilation: Any, padding: Any) -> Window2d:
    return conv_transpose_window((1, 3, *size), (3, 2, *kernel_size), stride, padding, 0, 1, dilation)


def max_pool(size: Any, kernel_size: Any, stride: Any, dilation: Any, padding: Any) -> Window2d:
    return pool_window("max_pool2d", (1, 2, *size), kernel_size, stride, padding, dilation)


def max_pool_rounded_up(size: Any, kernel_size: Any, stride: Any, dilation: Any, padding: Any) -> Window2d:
    return pool_window("max_pool2d", (1, 2, *size), kernel_size, stride, padding, dilation, ceil_mode=True)


def unfold(size: Any, kernel_size: Any, stride: Any, dilation: Any, padding: Any) -> Window2d:
    return unfold_window("unfold", size, kernel_size, dilation, padding, stride)


def proposals(message: str) -> list[Settings]:
    """List the settings after "Fix:", each of which is to make the window fit."""
    found = re.findall(r"(padding|kernel_size)<?=(\(\d+, \d+\)|\d+)", message.partition("Fix: ")[2])
    sizes = re.findall(r"input of at least (\d+) x (\d+)", message)
    return [{name: literal_eval(value)} for name, value in found] + [
        {"size": (int(height), int(width))} for height, width in sizes
    ]


def complaint(window: Callable[..., Window2d], settings: Settings) -> str | None:
    try:
        window(**settings)
    except ShapeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("window", [conv, conv_transpose, max_pool, max_pool_rounded_up, unfold])
def test_every_proposed_fix_works(window: Callable[..., Window2d]) -> None:
    rng = np.random.default_rng(0)
    tried = 0
    for _ in range(500):
        lowest_highest = {
            "size": (1, 6),
            "kernel_size": (1, 5),
            "stride": (1, 3),
            "dilation": (1, 3),
            "padding": (0, 3),
        }
        settings: Settings = {
            name: tuple(rng.integers(a, b + 1, 2).tolist()) for name, (a, b) in lowest_highest.items()
        }
        message = complaint(window, settings)
        if message is not None:
            fixes = proposals(message)
            assert fixes, message
            for fix in fixes:
                assert complaint(window, {**settings, **fix}) is None, (message, fix)
                tried += 1
    assert tried > 50


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({}, "output height = floor((size + padding - dilation*(kernel - 1) - 1) / stride) + 1 = "
             "floor((2 + 0 - 1*(3 - 1) - 1) / 1) + 1 = 0. The window covers 3 and the padded input has 2. "
             "Fix: padding=(1, 0), kernel_size<=(2, 3), or an input of at least 3 x 9"),
        ({"ceil_mode": True, "stride": 2, "kernel_size": 4}, "= ceil((2 + 0 - 1*(4 - 1) - 1) / 2) + 1 = 0"),
        ({"padding": 2}, "got padding=2, and half the window is 1. Fix: padding<=1"),
        ({"stride": 0}, "stride must be at least 1; got 0"),
        ({"kernel_size": (1, 2, 3)}, "kernel_size must be an int or a pair (height, width); got 3 values"),
    ],
)  # fmt: skip
def test_a_pooling_says_what_does_not_fit(setting: Settings, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        pool_window("max_pool2d", (1, 8, 2, 9), **{"kernel_size": 3, "stride": 1, **setting})


def test_output_padding_names_its_limit() -> None:
    with pytest.raises(ShapeError, match=re.escape("Fix: output_padding<=1")):
        conv_transpose_window((1, 1, 3, 3), (1, 1, 3, 3), stride=2, output_padding=2)
    conv_transpose_window((1, 1, 3, 3), (1, 1, 3, 3), stride=2, output_padding=1)


def test_groups_may_be_any_integer_that_divides_the_channels() -> None:
    check_groups("conv2d", 6, 4, np.int64(2))  # type: ignore[arg-type]
    for wrong in (0, 1.0, "2"):
        with pytest.raises(ShapeError, match="groups must be an int of at least 1"):
            check_groups("conv2d", 6, 4, wrong)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=re.escape("(6 = 1*4 + 2). Fix: groups in [1, 2]")):
        check_groups("conv2d", 6, 4, 4)
