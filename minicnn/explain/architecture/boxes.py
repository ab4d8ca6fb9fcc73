"""From what ran to boxes and arrows: boxes are layers and operations, arrows tensors, and blocks have boxes in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ...nn import Module
from ..looking import paths_of
from ..rows import is_one_thing
from ..trace import Call, Operation, Shape
from .words import category_of, described


@dataclass
class Box:
    """A layer, an operation, or a block.

    Attributes
    ----------
    key : int
        Its number in the whole graph.
    lines : list of str
        What it is: ``["Conv2d 3 x 3, 64", "ReLU"]``.
    name : str
        As seen from the block around it; empty for an operation.
    path : str
        From the model down.
    category : str
        "conv", "pooling", "linear", "normalisation", "activation", "dropout", "merge", "shaping", "block" or "other".
    shape : tuple of int
        Of its output, without the batch.
    params : int
        Numbers in its parameters and those of all that is in it.
    repeat : int
        How many equal ones follow each other.
    inside : Diagram or None
        What is in a block that is shown open.
    """

    key: int
    lines: list[str]
    name: str
    path: str
    category: str
    shape: Shape
    params: int = 0
    repeat: int = 1
    inside: Diagram | None = None
    looks: Any = None  # equal for boxes that do the same


@dataclass(frozen=True)
class Arrow:
    """A tensor on its way: made by operation ``number``, from a box to a box; None is the world outside."""

    number: int
    source: int | None
    target: int | None
    shape: Shape


@dataclass
class Diagram:
    """Boxes in the order in which they ran, and the arrows between them and from and to the outside."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def inputs(self) -> list[int]:
        """What comes from outside: the numbers of the operations that made it."""
        return list(dict.fromkeys(a.number for a in self.arrows if a.source is None))

    @property
    def outputs(self) -> list[int]:
        """What goes outside."""
        return list(dict.fromkeys(a.number for a in self.arrows if a.target is None))

    def leaves(self) -> Iterator[Box]:
        """The boxes without boxes in them, at any depth."""
        for box in self.boxes:
            if box.inside is None:
                yield box
            else:
                yield from box.inside.leaves()


def made_in(item: Call | Operation) -> Iterator[int]:
    """The numbers of all operations in a call."""
    if isinstance(item, Operation):
        yield item.number
        return
    if item.number is not None:
        yield item.number
    for inner in item.items:
        yield from made_in(inner)


def uses_of(item: Call | Operation) -> Iterator[tuple[int, int]]:
    """(number of the operation that made something, number of the operation that uses it)."""
    if isinstance(item, Operation):
        yield from ((source, item.number) for source in item.sources)
        return
    if item.number is not None:
        yield from ((source, item.number) for source in item.sources)
    for inner in item.items:
        yield from uses_of(inner)


class Builder:
    """Makes the diagram of a call, blocks open down to a depth."""

    def __init__(self, root: Call, model: Module, depth: int) -> None:
        self.root, self.depth = root, depth
        self.paths = paths_of(model)
        self.keys = count()
        self.shapes: dict[int, Shape] = {}  # of what each operation made
        self.counted: set[int] = set()  # parameters that are in a box
        self.users: dict[int, list[int]] = {}
        for source, user in uses_of(root):
            self.users.setdefault(source, []).append(user)
        self._note_shapes(root)
        if len(root.sources) == len(root.inputs):
            self.shapes.update(zip(root.sources, root.inputs, strict=True))

    def _note_shapes(self, item: Call | Operation) -> None:
        if isinstance(item, Operation):
            self.shapes[item.number] = item.outputs[0] if item.outputs else ()
            return
        if item.number is not None:
            self.shapes[item.number] = item.outputs[0] if item.outputs else ()
        for inner in item.items:
            self._note_shapes(inner)

    def build(self) -> Diagram:
        """The diagram of the whole model; at depth 0 one box."""
        if self.depth == 0:
            return self.of([self.root], 0, "", self.root.made_by)
        return self.of(self.root.items, 1, self.paths[id(self.root.module)], self.root.made_by)

    def of(self, items: list[Any], depth: int, above: str, results: list[int]) -> Diagram:
        """The diagram of some items; ``results`` are the numbers that the world outside needs."""
        found = Diagram()
        maker: dict[int, int] = {}  # operation -> box
        shown = [(item, list(made_in(item))) for item in items]
        for item, numbers in shown:
            if numbers:  # a layer that does nothing has no box
                box = self.box(item, numbers, depth, above)
                found.boxes.append(box)
                maker.update(dict.fromkeys(numbers, box.key))
        arrows: dict[Arrow, None] = {}
        for item, numbers in shown:
            inside = set(numbers)
            for source, _ in uses_of(item):
                if source not in inside:
                    arrows[Arrow(source, maker.get(source), maker[numbers[0]], self.shape(source))] = None
        for number in dict.fromkeys(results):
            arrows[Arrow(number, maker.get(number), None, self.shape(number))] = None
        found.arrows = list(arrows)
        return found

    def shape(self, number: int) -> Shape:
        """Of what an operation made, without the batch."""
        return self.shapes.get(number, ())[1:]

    def box(self, item: Call | Operation, numbers: list[int], depth: int, above: str) -> Box:
        key, inside = next(self.keys), set(numbers)
        if isinstance(item, Operation):
            what = described(item)
            return Box(key, [what], "", above, category_of(item), self.shape(item.number), looks=what)
        module, path = item.module, self.paths[id(item.module)]
        name = path.removeprefix(f"{above}.") if above else path
        needed = [n for n in numbers if n in item.made_by or any(u not in inside for u in self.users.get(n, ()))]
        params = sum(p.numel() for p in module.parameters() if id(p) not in self.counted)
        calls = [inner for inner in item.items if isinstance(inner, Call)]
        opaque = not calls and is_one_thing(module, list(item.operations()))
        diagram = None
        if opaque or depth >= self.depth:
            self.counted |= set(map(id, module.parameters()))
        else:
            diagram = self.of(item.items, depth + 1, path, needed)
        shape = item.outputs[0][1:] if item.outputs else ()
        sizes = Counter(tuple(p.shape) for p in module.parameters())
        looks = (repr(module), shape, frozenset(sizes.items()), len(numbers))
        lines = [described(item) if opaque else type(module).__name__]
        category = category_of(item) if opaque else "block"
        return Box(key, lines, name, path, category, shape, params, 1, diagram, looks)
