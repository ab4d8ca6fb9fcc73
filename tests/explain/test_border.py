"""Rows at the border that no window reaches: where a size is rounded down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minicnn_kernels.geometry import pool_window
from minicnn_kernels.reference.indexing import taps

import minicnn
from minicnn import models, nn
from minicnn.explain.formulas import left_out
from minicnn.ops.pooling import AvgPool2d, MaxPool2d


@given(st.integers(3, 9), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1), st.booleans())
def test_it_counts_what_no_window_looks_at(size, kernel, stride, padding, ceil_mode) -> None:
    padding = min(padding, kernel // 2)
    shape = (1, 1, size, 9)
    window = pool_window("max_pool2d", shape, (kernel, 1), (stride, 1), (padding, 0), 1, ceil_mode)
    seen = {h for i in range(window.output_size[0]) for _, _, h, _ in taps(window, i, 0)}
    missing = size - 1 - max(seen)
    expected = {0: "", 1: "last row"}.get(missing, f"last {missing} rows")
    skips = stride > kernel
    assert left_out(MaxPool2d(window)) == ("" if skips else expected)


def test_the_summary_says_where() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.MaxPool2d(2), nn.AvgPool2d(2))
    found = minicnn.summary(net, (3, 32, 31), verbose=0)
    assert [row.left_out for row in found.rows] == ["", "last row", "last row and column", "last row and column"]
    (line,) = (line for line in str(found).splitlines() if "rounded down" in line)
    assert line.endswith("reaches all of: 0 (last row), 1 (last row and column), 2 (last row and column)")
    gradient = nn.functional.avg_pool2d(x := minicnn.zeros(1, 1, 7, 6, requires_grad=True), 2)
    gradient.sum().backward()
    assert not np.any(x.grad.numpy()[:, :, 6])
    window = pool_window("avg_pool2d", (1, 1, 7, 6), 2)
    assert left_out(AvgPool2d(window, True, None)) == "last row"


def test_nothing_is_said_where_nothing_is_left_out() -> None:
    for name, side in (("lenet5", 32), ("vgg11", 32)):
        model = models.get_model(name) if name == "lenet5" else models.get_model(name, num_classes=2)
        channels = 1 if name == "lenet5" else 3
        assert "rounded down" not in str(minicnn.summary(model, (channels, side, side), verbose=0))


@pytest.mark.parametrize(("padding", "said"), [(0, "last row and column"), (1, "")])
def test_padding_that_is_not_reached_is_no_loss(padding: int, said: str) -> None:
    found = minicnn.summary(nn.Conv2d(1, 1, 3, stride=2, padding=padding), (1, 8, 8), verbose=0)
    assert found.rows[0].left_out == said
