"""Fewer boxes.

A block with one box in it is that box; a norm or ReLU goes into the box before it; equal boxes in a row become one,
times n.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .boxes import Arrow, Box, Diagram
from .words import LIGHT


def fold(diagram: Diagram) -> Diagram:
    """Fold a diagram and everything in it."""
    for box in diagram.boxes:
        if box.inside is not None:
            box.inside = fold(box.inside)
            if len(box.inside.boxes) == 1:
                _unpack(box, box.inside.boxes[0])
    return _repeated(_stacked(diagram))


def _unpack(box: Box, only: Box) -> None:
    """What a block is, if there is one box in it."""
    box.lines, box.category, box.shape, box.repeat, box.inside = (
        *(only.lines, only.category, only.shape, only.repeat, only.inside),
    )
    box.name = f"{box.name}.{only.name}" if only.name else box.name


def _next_in_line(diagram: Diagram) -> dict[int, int]:
    """For each box whose output goes to one box alone, which has no other input: that box."""
    out = Counter((a.source, a.target) for a in diagram.arrows)
    leaving = Counter(a.source for a in diagram.arrows)
    arriving = Counter(a.target for a in diagram.arrows)
    return {
        source: target
        for source, target in out
        if source is not None and target is not None and leaving[source] == arriving[target] == 1
    }


def _merge(diagram: Diagram, kept: dict[int, int], boxes: list[Box]) -> Diagram:
    """The diagram with some boxes gone into others: ``kept`` says into which."""
    arrows: dict[Arrow, None] = {}
    for a in diagram.arrows:
        source = None if a.source is None else kept.get(a.source, a.source)
        target = None if a.target is None else kept.get(a.target, a.target)
        if source is None or source != target:
            arrows[replace(a, source=source, target=target)] = None
    return Diagram(boxes, list(arrows))


def _stacked(diagram: Diagram) -> Diagram:
    """Norms, activations and dropout written into the box before them."""
    following = _next_in_line(diagram)
    before = {after: key for key, after in following.items()}
    by_key = {box.key: box for box in diagram.boxes}
    kept: dict[int, int] = {}
    boxes = []
    for box in diagram.boxes:  # in the order in which they ran, so the one before is done
        first = by_key.get(kept.get(before.get(box.key, -1), before.get(box.key, -1)))
        if first is None or box.category not in LIGHT or first.inside is not None or first.category == "block":
            boxes.append(box)
            continue
        kept[box.key] = first.key
        first.lines = [*first.lines, *box.lines]
        first.params += box.params
        first.shape = box.shape
        first.looks = (first.looks, box.looks)
    return _merge(diagram, kept, boxes)


def _repeated(diagram: Diagram) -> Diagram:
    """Equal boxes that follow each other as one."""
    following = _next_in_line(diagram)
    before = {after: key for key, after in following.items()}
    by_key = {box.key: box for box in diagram.boxes}
    kept: dict[int, int] = {}
    boxes = []
    for box in diagram.boxes:
        first = by_key.get(kept.get(before.get(box.key, -1), before.get(box.key, -1)))
        if first is None or first.looks != box.looks or first.category in ("merge", "shaping"):
            boxes.append(box)
            continue
        kept[box.key] = first.key
        first.repeat += 1
        first.params += box.params
        first.name = f"{first.name.partition(' to ')[0]} to {box.name}" if box.name else first.name
    return _merge_outputs(diagram, kept, boxes)


def _merge_outputs(diagram: Diagram, kept: dict[int, int], boxes: list[Box]) -> Diagram:
    """As :func:`_merge`; what an open box gives outside is now what the last of its repetitions made."""
    by_key = {box.key: box for box in boxes}
    for arrow in diagram.arrows:
        if arrow.source not in kept or kept.get(arrow.target) == kept[arrow.source]:  # type: ignore[arg-type]
            continue
        box = by_key[kept[arrow.source]]
        if box.inside is not None and len(box.inside.outputs) == 1:
            leaving = [replace(a, number=arrow.number) if a.target is None else a for a in box.inside.arrows]
            box.inside = Diagram(box.inside.boxes, leaving)
    return _merge(diagram, kept, boxes)
