"""The architecture as boxes and arrows: golden texts, and what must hold for every layout."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest

import minicnn
from minicnn import models, nn
from minicnn.explain import Graph, graph
from minicnn.explain.architecture.boxes import Box, Diagram
from minicnn.explain.architecture.layout import Layout, Placed, place
from minicnn.explain.architecture.svg import measure

from .nets import Branches


class Block(nn.Module):
    def __init__(self, width: int, narrow: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=2)
        self.relu = nn.ReLU(inplace=True)
        self.narrow = narrow

    def forward(self, x: Any) -> Any:
        y = self.relu(self.conv(x))
        return y + (x if self.narrow is None else self.narrow(x))


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.25),
        *(Block(4) for _ in range(3)), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3),
    )  # fmt: skip


def test_listing() -> None:
    found = graph(net(), (1, 20, 20))
    assert isinstance(found, Graph)
    expected = """
Sequential (input 1 × 20 × 20)
  0: Conv2d 5 × 5, 4, /2 + BatchNorm2d + ReLU + Dropout 0.25 -> 4 × 8 × 8
  4 to 6: Block × 3 -> 4 × 8 × 8
    conv: Conv2d 3 × 3, 4, 2 groups + ReLU -> 4 × 8 × 8
    add -> 4 × 8 × 8
  7: MaxPool2d 2 × 2, /2 -> 4 × 4 × 4
  8: Flatten -> 64
  9: Linear 3 -> 3
"""
    assert str(found) == expected.strip()
    assert repr(found) == "<Graph of Sequential: 6 boxes at depth 3>"
    folded = graph(net(), (1, 20, 20), depth=1)
    assert "  4 to 6: Block × 3 -> 4 × 8 × 8\n  7:" in str(folded)
    block = next(box for box in folded.boxes if box.category == "block")
    assert (block.params, block.repeat) == (3 * (3 * 3 * 2 * 4 + 4), 3)
    assert str(graph(net(), (1, 20, 20), depth=0)) == "Sequential (input 1 × 20 × 20)\n  Sequential -> 3"
    assert sum(box.params for box in found.boxes) == sum(p.numel() for p in net().parameters()) - 2 * block.params // 3


def test_mermaid() -> None:
    expected = """
flowchart TD
    in0(["input 1 × 20 × 20"])
    n0["Conv2d 5 × 5, 4, /2<br>BatchNorm2d<br>ReLU<br>Dropout 0.25<br>0 · 112 parameters"]:::conv
    subgraph n4 ["Block  × 3<br>4 to 6"]
        n5["Conv2d 3 × 3, 4, 2 groups<br>ReLU<br>conv · 76 parameters"]:::conv
        n7(["add"]):::merge
    end
    n16["MaxPool2d 2 × 2, /2<br>7"]:::pooling
    n17["Flatten<br>8"]:::shaping
    n18["Linear 3<br>9 · 195 parameters"]:::linear
    out([output])
    in0 -->|"1 × 20 × 20"| n0
    n7 -->|"4 × 8 × 8"| n16
    n16 -->|"4 × 4 × 4"| n17
    n17 -->|"64"| n18
    n0 -->|"4 × 8 × 8"| n5
    n5 -->|"4 × 8 × 8"| n7
    n0 -->|"4 × 8 × 8"| n7
    n18 --> out
    classDef conv fill:#d9e8f7,stroke:#3d76b0
    classDef pooling fill:#fde6cf,stroke:#d08530
    classDef linear fill:#e6dcf3,stroke:#7a55a8
    classDef merge fill:#ffffff,stroke:#444444
    classDef shaping fill:#f5f5f5,stroke:#999999
"""
    assert graph(net(), (1, 20, 20)).mermaid == expected.strip()


def test_dot() -> None:
    text = graph(net(), (1, 20, 20)).dot
    assert text.startswith("digraph model {\n")
    assert text.endswith("\n}")
    assert text.count("{") == text.count("}")
    assert 'subgraph cluster_4 {\n        label="Block  × 3\\n4 to 6"; style="rounded,dashed"; color="#4a9458";' in text
    assert 'n5 [label="Conv2d 3 × 3, 4, 2 groups\\nReLU\\nconv · 76 parameters", fillcolor="#d9e8f7"' in text
    assert '    n0 -> n5 [label=" 4 × 8 × 8"];' in text
    assert "    n18 -> out;" in text


def test_branches_several_uses_and_operations() -> None:
    expected = """
Branches (input 3 × 32 × 32)
  stem.0: Conv2d 3 × 3, 8, /2 + ReLU -> 8 × 16 × 16
  shared: Conv2d 3 × 3, 8 -> 8 × 16 × 16
  shared: Conv2d 3 × 3, 8 + BatchNorm2d -> 8 × 16 × 16
  add + relu -> 8 × 16 × 16
  branches.0: Conv2d 1 × 1, 4 -> 4 × 16 × 16
  branches.1: Conv2d 1 × 7, 8, 2 groups -> 8 × 16 × 16
  cat -> 20 × 16 × 16
  up: ConvTranspose2d 3 × 3, 6, /2 -> 6 × 32 × 32
  pool: MaxPool2d 3 × 3, /2 -> 6 × 16 × 16
  mean -> 6
  mul + Dropout 0.5 -> 6
  head: Linear 10 -> 10
"""
    found = graph(Branches(), (3, 32, 32))
    assert str(found) == expected.strip()
    names = {box.key: box.lines[0] for box in found.boxes}
    ends = [(names.get(a.source or 0) if a.source is not None else "in", names[a.target])
            for a in found.diagram.arrows if a.target is not None]  # fmt: skip
    assert sorted(source for source, target in ends if target == "cat") == [
        "Conv2d 1 × 1, 4", "Conv2d 1 × 7, 8, 2 groups", "add",
    ]  # fmt: skip
    assert sorted(source for source, target in ends if target == "add") == ["Conv2d 3 × 3, 8", "Conv2d 3 × 3, 8, /2"]
    shared = [box for box in found.boxes if box.name == "shared"]
    assert [box.params for box in shared] == [576, 16]  # its weights are counted once; the norm's are in the second


def test_a_block_alone_and_several_inputs() -> None:
    found = graph(net(), (1, 20, 20), layer="5")
    assert str(found).splitlines() == [
        "Block (input 4 × 8 × 8)", "  conv: Conv2d 3 × 3, 4, 2 groups + ReLU -> 4 × 8 × 8", "  add -> 4 × 8 × 8",
    ]  # fmt: skip

    class Two(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x * 2 + y, x

    both = graph(Two(), [(3, 4, 4), (3, 4, 4)])
    assert both.inputs == ["input 1 3 × 4 × 4", "input 2 3 × 4 × 4"]
    assert len(both.diagram.outputs) == 2
    assert both.dot.count("-> out") == 2


def test_only_chains_of_equal_blocks_are_folded() -> None:
    different = nn.Sequential(Block(4), Block(4, nn.Conv2d(4, 4, 1)), Block(4), Block(4))
    assert [box.repeat for box in graph(different, (4, 8, 8), depth=1).boxes] == [1, 1, 2]

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x: Any) -> Any:
            y = self.a(x)
            return self.b(y) + y  # the first is used twice

    assert [box.repeat for box in graph(Dense(), (4, 8, 8)).boxes] == [1, 1, 1]


# --------------------------------------------------------------------- layout


def placed(layout: Layout, dx: float = 0, dy: float = 0) -> Iterator[tuple[Placed, float, float]]:
    for p in layout.boxes:
        yield p, p.x + dx, p.y + dy


def check_layout(diagram: Diagram) -> None:
    """Boxes do not overlap, arrows go down and meet their boxes, and blocks contain what is in them."""
    layout = place(diagram, measure)
    found = [(p.x - p.width / 2, p.y, p.x + p.width / 2, p.y + p.height) for p in layout.boxes]
    for i, (left, top, right, bottom) in enumerate(found):
        assert -0.01 <= left <= right <= layout.width + 0.01
        assert -0.01 <= top <= bottom <= layout.height + 0.01
        for other in found[:i]:
            apart = left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]
            assert apart, (found[i], other)
    by_key = {p.box.key: p for p in layout.boxes}
    assert len(layout.lines) == len(diagram.arrows)
    for line in layout.lines:
        heights = [y for _, y in line.points]
        assert heights == sorted(heights)
        if line.arrow.source is not None:
            p = by_key[line.arrow.source]
            assert heights[0] == pytest.approx(p.y + p.height)
            assert abs(line.points[0][0] - p.x) <= p.width / 2
        if line.arrow.target is not None:
            p = by_key[line.arrow.target]
            assert heights[-1] == pytest.approx(p.y)
            assert abs(line.points[-1][0] - p.x) <= p.width / 2
    for p in layout.boxes:
        if p.inside is not None and p.box.inside is not None:
            assert p.inside.width <= p.width
            assert p.inside.height < p.height
            check_layout(p.box.inside)


def check_arrows(found: Graph) -> None:
    """Everything is between the inputs and the output."""
    lines = [line.split() for line in found.dot.splitlines() if "->" in line]
    after: dict[str, set[str]] = {}
    for source, _, target, *_ in lines:
        after.setdefault(source, set()).add(target.rstrip(";"))
    reached, todo = set(), [f"in{i}" for i in range(len(found.inputs))]
    while todo:
        key = todo.pop()
        if key not in reached:
            reached.add(key)
            todo += after.get(key, ())
    assert "out" in reached
    assert {f"n{box.key}" for box in found.boxes} <= reached


@pytest.mark.parametrize(
    "model",
    ["lenet5", "squeezenet1_1", "googlenet", "resnet18", "shufflenet_v2_x0_5", "mobilenet_v3_small"],
)
def test_models_of_the_zoo(model: str) -> None:
    made = models.get_model(model)
    size = getattr(models.get_model_builder(model), "image", (3, 64, 64))
    size = size if size[1] <= 32 else (3, 64, 64)
    for depth in (None, 3):
        found = graph(made, size, depth=depth)
        if depth is None:
            assert len(found.boxes) <= 36
        check_arrows(found)
        check_layout(found.diagram)
    picture = ElementTree.fromstring(found.svg)
    texts = [text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("output") == 1
    assert f"input {' × '.join(map(str, size))}" in texts
    assert all(any(box.lines[0] in text for text in texts) for box in found.boxes)


def test_the_picture_has_the_boxes_and_the_shapes_on_the_arrows() -> None:
    found = graph(net(), (1, 20, 20))
    picture = ElementTree.fromstring(found.svg)
    texts = [text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    for text in ("input 1 × 20 × 20", "Conv2d 5 × 5, 4, /2", "BatchNorm2d", "Block  × 3", "4 × 4 × 4", "64", "add"):
        assert text in texts
    assert found._repr_html_() == found.svg
    assert "http" not in found.svg.replace("http://www.w3.org/2000/svg", "")


def test_texts_are_escaped() -> None:
    class Odd(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + 1

    Odd.__name__ = '<"A&B">'
    found = graph(nn.Sequential(Odd(), nn.Flatten()), (1, 2, 2), depth=1)
    ElementTree.fromstring(found.svg)
    assert "#quot;A&B#quot;" in found.mermaid
    assert '\\"A&B\\"' in found.dot


def test_the_model_is_left_as_it_was() -> None:
    model = net().train()
    state = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    graph(model, (1, 20, 20), mode="train", batch_size=2)
    assert model.training
    assert all((v.numpy() == state[k]).all() for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_deep_model_does_not_reach_the_recursion_limit() -> None:
    made = nn.Sequential(*(nn.Conv2d(1, 1, 1 + 2 * (i % 2), padding=i % 2) for i in range(1500)))
    found = graph(made, input_data=minicnn.zeros(1, 1, 4, 4), depth=1)
    assert len(found.boxes) == 1500
    assert isinstance(found.boxes[0], Box)
    assert found.dot.count("->") == 1501
