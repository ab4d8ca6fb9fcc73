"""The column matrix: what im2col makes, what its product is, and what col2im adds up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import nn
from minicnn.explain import im2col
from minicnn.nn import functional as F

GOLDEN = Path(__file__).parent / "golden"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_columns_are_patches_and_their_product_is_the_layers_output(data: st.DataObject) -> None:
    pick = data.draw
    groups, kernel = pick(st.integers(1, 2)), (pick(st.integers(1, 3)), pick(st.integers(1, 3)))
    layer = nn.Conv2d(
        *(2 * groups, 2 * groups, kernel),
        stride=(pick(st.integers(1, 3)), pick(st.integers(1, 3))),
        padding=(pick(st.integers(0, 2)), pick(st.integers(0, 2))),
        dilation=pick(st.integers(1, 2)),
        groups=groups,
        bias=pick(st.booleans()),
        dtype=minicnn.float64,
    )
    x = minicnn.randn(2, 2 * groups, 6, 7, dtype=minicnn.float64)
    found = im2col(layer, x, sample=1)
    y = layer(x).detach().numpy()[1]
    np.testing.assert_allclose(found.product.reshape(y.shape), y, rtol=1e-9, atol=1e-12)
    counted = np.zeros((6, 7), int)
    padded = np.pad(x.numpy()[1], ((0, 0), (4, 4), (4, 4)))
    for i, j in np.ndindex(*y.shape[1:]):
        (top, bottom), (left, right) = found.patch(i, j)
        d = layer.dilation
        rows, columns = range(top, bottom + 1, d[0]), range(left, right + 1, d[1])
        patch = padded[np.ix_(range(2 * groups), [h + 4 for h in rows], [w + 4 for w in columns])]
        np.testing.assert_array_equal(found.columns[:, found.column(i, j)], patch.ravel())
        for h in rows:
            for w in columns:
                if 0 <= h < 6 and 0 <= w < 7:
                    counted[h, w] += 1
    np.testing.assert_array_equal(found.overlaps, counted)
    assert len(found.taps) == len(found.columns)


def test_filters_of_groups_have_zeros_for_the_others() -> None:
    found = im2col(nn.Conv2d(3, 3, 2, groups=3), minicnn.ones(1, 3, 4, 4))
    for o in range(3):
        used = np.flatnonzero(found.weights[o])
        assert used.tolist() == list(range(4 * o, 4 * o + 4))


def test_pooling_and_unfold_have_no_weights() -> None:
    x = minicnn.randn(1, 2, 4, 4)
    for operation in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Unfold(2, stride=2)):
        found = im2col(operation, x)
        assert found.weights is None
        assert found.product is None
        assert (found.overlaps == 1).all()
        np.testing.assert_array_equal(found.columns, F.unfold(x, 2, stride=2).numpy()[0])


def examples() -> dict[str, Any]:
    picture = minicnn.arange(32.0).reshape(1, 2, 4, 4)
    return {
        "im2col_conv": im2col(F.conv2d, picture, minicnn.ones(1, 2, 3, 3), minicnn.ones(1), padding=1, stride=3),
        "im2col_large": im2col(F.conv2d, minicnn.ones(1, 4, 8, 8), minicnn.ones(3, 4, 3, 3), mark=[(5, 5)]),
        "im2col_pool": im2col(F.max_pool2d, picture, (2, 3), 1),
    }


def test_the_texts_are_those_in_the_files() -> None:
    for name, found in examples().items():
        assert f"{found}\n" == (GOLDEN / f"{name}.txt").read_text(), name


def test_everything_is_there_if_asked_for() -> None:
    found = examples()["im2col_large"]
    assert "... and 9 more rows and 25 more columns" in str(found)
    full = found.text(full=True)
    assert "more" not in full
    assert "A 5,5" in full
    assert repr(found) == "<Im2col of conv2d: columns (36, 36)>"


def test_a_notebook_shows_the_matrices() -> None:
    html = examples()["im2col_large"]._repr_html_()
    assert html.count("<table") == 4
    assert "columns (36, 36), its first rows and columns" in html
    assert examples()["im2col_pool"]._repr_html_().count("<table") == 2


def test_the_figure_marks_patches_and_their_columns() -> None:
    layer, x = nn.Conv2d(2, 3, 3, padding=1), minicnn.randn(1, 2, 4, 4)
    found = im2col(layer, x, mark=[(0, 0), (2, 1)])
    axes = found.figure(channel=1).get_axes()
    np.testing.assert_array_equal(axes[0].images[0].get_array(), x.numpy()[0, 1])
    corners = [(box.get_xy(), box.get_width(), box.get_height()) for box in axes[0].patches]
    assert corners == [((-1.5, -1.5), 3, 3), ((-0.5, 0.5), 3, 3)]
    columns = [(box.get_xy(), box.get_width(), box.get_height()) for box in axes[1].patches]
    assert columns == [((-0.5, -0.5), 1, 18), ((8.5, -0.5), 1, 18)]
    assert [box.get_edgecolor() for box in axes[0].patches] == [box.get_edgecolor() for box in axes[1].patches]
    for ax, values in zip(axes[1:5], (found.columns, found.overlaps, found.weights, found.product), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert len(im2col(nn.MaxPool2d(2), x).figure().get_axes()) == 3
    assert len(axes) == 5  # no empty one
    assert axes[0].get_xlim()[0] < -1.5  # the padding that a patch reaches into is in view


def test_marks_are_outputs() -> None:
    x = minicnn.zeros(1, 1, 4, 4)
    assert im2col(nn.MaxPool2d(2), x).marked == [(0, 0), (0, 1), (1, 1)]
    assert im2col(nn.MaxPool2d(4), x).marked == [(0, 0)]
    with pytest.raises(ValueError, match=r"mark=\(2, 0\) is no element of the plane of outputs"):
        im2col(nn.MaxPool2d(2), x, mark=[(2, 0)])
    with pytest.raises(ValueError, match="at most 6"):
        im2col(nn.MaxPool2d(1), x, mark=[(0, 0)] * 7)


if __name__ == "__main__":  # after a change that is meant: python -m tests.explain.test_im2col
    with minicnn.use_backend("numpy"):
        for name, found in examples().items():
            (GOLDEN / f"{name}.txt").write_text(f"{found}\n")


def test_the_padding_of_max_pooling_is_never_the_largest() -> None:
    x = -1 - minicnn.rand(1, 2, 5, 5)
    found = im2col(F.max_pool2d, x, 3, 2, 1)
    expected = F.max_pool2d(x, 3, 2, 1).numpy()[0].reshape(2, -1)
    np.testing.assert_array_equal(found.columns.reshape(2, 9, -1).max(1), expected)
    assert "-inf" in str(found)
    found.figure().canvas.draw()
