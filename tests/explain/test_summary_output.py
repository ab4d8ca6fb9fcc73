"""How a summary is shown: printed, as HTML, as a dictionary; depth, columns, formulas."""

from __future__ import annotations

import json
import sys
import types
from xml.etree import ElementTree

import pytest

from minicnn import nn
from minicnn.explain import Summary, summary

from .nets import Branches, of


def test_it_prints_as_it_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    assert isinstance(summary(net, (1, 5, 5), verbose=0), Summary)
    assert capsys.readouterr().out == ""
    found = summary(net, (1, 5, 5))
    assert capsys.readouterr().out == f"{found}\n"
    full = summary(net, (1, 5, 5), verbose=2)
    assert capsys.readouterr().out == f"{full}\n"
    more = [line.strip() for line in str(full).splitlines() if line not in str(found).splitlines()]
    assert more == [
        "weight (2, 1, 3, 3): 3*3*1*2 = 18",
        "bias (2,): 2",
        "multiply-adds: 3*3*1*2*3*3 = 162",
        "receptive field: 1 + (3 - 1)*1 = 3, jump 1*1 = 1",
    ]
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    summary(net, (1, 5, 5))
    assert capsys.readouterr().out == ""  # the notebook shows what is returned
    assert repr(found) == "<Summary of Sequential: 20 parameters, 162 multiply-adds>"


def test_depth_hides_rows_but_not_their_numbers() -> None:
    whole, short = (of(Branches(), (3, 32, 32), depth=depth) for depth in (None, 0))
    assert len(short.shown) == 1
    assert short.totals() == whole.totals()
    assert str(short).splitlines()[2].split()[:3] == ["Branches", "(1,", "10)"]
    assert len(short.to_dict()["rows"]) == 1


def test_columns_can_be_chosen() -> None:
    names = ["input_size", "trainable", "jump"]
    lines = str(of(nn.Conv2d(1, 2, 3, stride=(1, 2)), (1, 5, 5), col_names=names)).splitlines()
    assert lines[0].split() == ["Layer", "Input", "Trainable", "Jump"]
    assert lines[2].split() == ["Conv2d", "(1,", "1,", "5,", "5)", "20", "1", "x", "2"]
    assert of(nn.ReLU(), (1,), col_names="jump").col_names == ("jump",)


def test_html_is_well_formed_and_escaped() -> None:
    net = type("A<b>&", (Branches,), {})()
    found = of(net, (3, 32, 32))
    tree = ElementTree.fromstring(f"<div>{found._repr_html_()}</div>")
    cells = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]
    assert cells[0][:2] == ["Layer", "Output"]
    assert len(cells) == 1 + len(found.rows)
    assert cells[1][:2] == ["A<b>&", "(1, 10)"]
    hint = next(cell.get("title") for cell in tree.iter("td") if (cell.text or "").startswith("head"))
    assert hint == "weight (10, 6): 6*10 = 60\nbias (10,): 10\nmultiply-adds: 6*10 = 60"
    hints = {cell.text: cell.get("title") for cell in tree.iter("th")}
    assert list(hints) == cells[0]
    assert all(hints[title] for title in cells[0][1:])
    assert "one position of the output depends on" in str(hints["Field"])
    assert "the product of the strides" in str(hints["Jump"])
    assert "".join(tree.find("p").itertext()) == "".join(found.totals())  # type: ignore[union-attr]


def test_the_dictionary_is_json_and_has_all() -> None:
    found = of(Branches(), (3, 32, 32))
    read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert read["model"] == "Branches"
    assert read["total_mult_adds"] == found.total_mult_adds
    assert [row["path"] for row in read["rows"]] == [row.path for row in found.rows]
    conv = next(row for row in read["rows"] if row["path"] == "stem.0")
    assert conv["output_shape"] == [1, 8, 16, 16]
    assert conv["receptive_field"] == [3, 3]
    assert conv["jump"] == [2.0, 2.0]
    assert conv["formula"] == "floor((32 - 3 + 2*1)/2) + 1 = 16"
    assert conv["parameters"][0] == {
        "name": "weight", "shape": [8, 3, 3, 3], "count": 216, "formula": "3*3*3*8", "trainable": True, "shared": False
    }  # fmt: skip


FORMULAS = [
    (nn.Conv2d(1, 1, 11, stride=4), 227, "(227 - 11 + 2*0)/4 + 1 = 55"),
    (nn.Conv2d(1, 1, 7, stride=2, padding=3), 224, "floor((224 - 7 + 2*3)/2) + 1 = 112"),
    (nn.Conv2d(1, 1, 3, padding=2, dilation=2), 32, "(32 - 2*(3 - 1) - 1 + 2*2)/1 + 1 = 32"),
    (nn.Conv2d(1, 1, 4, padding="same"), 10, "(10 - 4 + 1 + 2)/1 + 1 = 10"),
    (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), 10, "(12 - 3 + 2*0)/1 + 1 = 10"),
    (nn.MaxPool2d(2), 7, "floor((7 - 2 + 2*0)/2) + 1 = 3"),
    (nn.AvgPool2d(2, ceil_mode=True), 7, "ceil((7 - 2 + 2*0)/2) + 1 = 4"),
    (nn.LPPool2d(2, 2), 8, "(8 - 2 + 2*0)/2 + 1 = 4"),
    (nn.AdaptiveAvgPool2d(1), 7, "all 7*7 in one"),
    (nn.AdaptiveMaxPool2d((3, None)), 7, "height 7 in 3 bins; width 7 in 7 bins"),
    (nn.Upsample(scale_factor=2), 7, "7 to 14"),
    (nn.ZeroPad2d((1, 2, 1, 2)), 7, "1 + 7 + 2 = 10"),
    (nn.Flatten(), 7, "1*7*7 = 49"),
    (nn.Unfold(3), 5, "(5 - 3 + 2*0)/1 + 1 = 3"),
    (nn.ReLU(), 7, ""),
]


@pytest.mark.parametrize(("layer", "side", "formula"), FORMULAS, ids=[str(f[0]) for f in FORMULAS])
def test_formulas_have_the_numbers_of_the_operation_that_ran(layer: nn.Module, side: int, formula: str) -> None:
    assert of(layer, (1, side, side)).rows[0].formula == formula
