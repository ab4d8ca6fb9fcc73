"""What designs cost: the numbers of papers and lectures, and that they are the summary's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.explain import CostComparison, compare_cost, cost, summary

GOLDEN = Path(__file__).parent / "golden"


def conv(inputs: int, outputs: int, k: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, k, padding=k // 2, groups=groups, bias=False)


class Branches(nn.Module):
    """An Inception module: branches side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: minicnn.Tensor) -> minicnn.Tensor:
        return minicnn.cat([branch(x) for branch in self.branches], 1)


def naive() -> nn.Module:
    return Branches(conv(256, 128, 1), conv(256, 192, 3), conv(256, 96, 5), nn.MaxPool2d(3, 1, 1))


def with_bottlenecks() -> nn.Module:
    return Branches(
        conv(256, 128, 1),
        nn.Sequential(conv(256, 64, 1), conv(64, 192, 3)),
        nn.Sequential(conv(256, 64, 1), conv(64, 96, 5)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(256, 64, 1)),
    )


def test_three_small_windows_see_as_much_as_a_large_one() -> None:
    three = nn.Sequential(*(conv(32, 32, 3) for _ in range(3)))
    found = compare_cost({"7x7": conv(32, 32, 7), "three 3x3": three}, (32, 28, 28))
    assert found["7x7"].receptive_field == found["three 3x3"].receptive_field == (7, 7)
    assert found["7x7"].params == 49 * 32**2
    assert found["three 3x3"].params == 27 * 32**2
    assert found["7x7"].mult_adds * 27 == found["three 3x3"].mult_adds * 49


def test_the_bottleneck_of_the_slides() -> None:
    found = compare_cost(
        {"3x3": conv(256, 192, 3), "1x1, 3x3": nn.Sequential(conv(256, 64, 1), conv(64, 192, 3))}, (256, 28, 28)
    )
    assert (found["3x3"].params, found["1x1, 3x3"].params) == (442_368, 126_976)


def test_an_inception_module_naive_and_with_bottlenecks() -> None:
    found = compare_cost({"naive": naive(), "bottlenecks": with_bottlenecks()}, (256, 28, 28))
    places = 28 * 28
    assert found["naive"].mult_adds == places * (128 * 256 + 192 * 9 * 256 + 96 * 25 * 256) == 854_196_224
    assert found["bottlenecks"].mult_adds == 271_351_808
    assert found["naive"].output_shape == (1, 672, 28, 28)
    assert found["bottlenecks"].output_shape == (1, 480, 28, 28)


def test_multiplications_of_three_window_sizes() -> None:
    """401 K, 7,225 K and 20,070 K: 28 x 28 positions of 16 channels, 32 filters of 1 x 1, 64 of 3 x 3 and of 5 x 5."""
    designs = {"1x1": conv(16, 32, 1), "3x3": conv(16, 64, 3), "5x5": conv(16, 64, 5)}
    found = compare_cost(designs, (16, 28, 28))
    assert [design.mult_adds for design in found.designs] == [401_408, 7_225_344, 20_070_400]


def test_depthwise_separable_costs_one_ninth_and_a_bit() -> None:
    separable = nn.Sequential(conv(32, 32, 3, groups=32), conv(32, 64, 1))
    found = compare_cost({"3x3": conv(32, 64, 3), "separable": separable}, (32, 112, 112))
    ratio = found["separable"].mult_adds / found["3x3"].mult_adds
    assert ratio == pytest.approx(1 / 64 + 1 / 9)


def test_the_numbers_are_the_summarys() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, 10))
    found, whole = cost(net, (3, 15, 15), batch_size=2), summary(net, (3, 15, 15), batch_size=2, verbose=0)
    assert (found.params, found.mult_adds, found.activation_bytes, found.param_bytes) == (
        *(whole.total_params, whole.total_mult_adds, whole.total_output_bytes, whole.total_param_bytes),
    )
    assert found.output_shape == (2, 10)
    assert "all" in str(found)
    assert repr(found) == "<Cost of Sequential: 4,154 parameters, 29,008 multiply-adds>"
    assert found.to_dict()["receptive_field"] == [15, 15]
    assert found.to_dict()["params"] == 4154
    assert "<table" in found._repr_html_()


def examples() -> CostComparison:
    return compare_cost(
        {"naive": naive(), "bottlenecks": with_bottlenecks(), "wide": (nn.Conv2d(256, 8, (1, 3)), (256, 14, 28))},
        (256, 28, 28),
    )


def test_the_text_is_the_one_in_the_file() -> None:
    found = examples()
    assert f"{found}\n" == (GOLDEN / "compare_cost.txt").read_text()
    assert repr(found) == "<CostComparison of naive, bottlenecks, wide>"
    html = found._repr_html_()
    assert "1,089,536" in html
    assert "<td" in html


def test_the_figure_has_bars_of_the_three_numbers() -> None:
    found = examples()
    axes = found.figure().get_axes()
    for ax, values in zip(
        axes,
        (
            [d.params for d in found.designs],
            [d.mult_adds for d in found.designs],
            [d.activation_bytes for d in found.designs],
        ),
        strict=True,
    ):
        np.testing.assert_array_equal([bar.get_width() for bar in ax.patches], values)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["naive", "bottlenecks", "wide"]
    assert axes[1].texts[0].get_text() == "854.20 M"


def test_the_ticks_of_the_figure_are_short() -> None:
    figure = compare_cost({"wide": nn.Conv2d(256, 192, 3)}, (256, 28, 28)).figure()
    figure.canvas.draw()
    for ax in figure.get_axes():
        assert ax.xaxis.get_offset_text().get_text() == ""
        assert all(len(label.get_text()) <= 6 for label in ax.get_xticklabels())


def test_a_tensor_has_a_size_and_one_cost_a_figure() -> None:
    found = cost(conv(3, 4, 3), minicnn.zeros(2, 3, 5, 5))
    assert found.mult_adds == cost(conv(3, 4, 3), (2, 3, 5, 5)).mult_adds == 2 * 3 * 3 * 3 * 4 * 5 * 5
    assert compare_cost({"a": conv(3, 4, 3)}, minicnn.zeros(3, 5, 5))["a"].output_shape == (1, 4, 5, 5)
    assert [ax.patches[0].get_width() for ax in found.figure().get_axes()] == [108, 5400, 800]


def test_what_is_missing_is_asked_for() -> None:
    with pytest.raises(ValueError, match="'b' has no size of its own"):
        compare_cost({"a": (conv(1, 1, 1), (1, 4, 4)), "b": conv(1, 1, 1)})
    with pytest.raises(ValueError, match="expected names and designs"):
        compare_cost({}, (1, 2, 2))
    with pytest.raises(KeyError):
        examples()["other"]


if __name__ == "__main__":  # after a change that is meant: python -m tests.explain.test_cost
    with minicnn.use_backend("numpy"):
        (GOLDEN / "compare_cost.txt").write_text(f"{examples()}\n")
