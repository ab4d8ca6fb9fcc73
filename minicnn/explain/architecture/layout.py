"""Where boxes and arrows go on a page: layers from top to bottom, each block laid out by itself.

Sugiyama, Tagawa & Toda, *Methods for visual understanding of hierarchical system structures*, 1981, in four steps:

1. A box stands one layer below the lowest of those that it takes from; an arrow across several layers gets a joint in
   each of them.
2. In each layer boxes and joints are ordered by the mean place of their neighbours (the barycentre), in sweeps.
3. They move towards these means as far as the order and the gaps allow: least squares under an order, which is
   isotonic regression, solved by pooling adjacent violators (Barlow et al., 1972).
4. Layers are as high as their highest box.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .boxes import Arrow, Box, Diagram

GAP = 26.0  # between neighbours in a layer
JOINT_GAP = 18.0
BETWEEN = 34.0  # layers
AT_PORTS = 16.0  # between a layer and the edge of the block
MARGIN = 14.0  # inside a block
CAPTION = 26.0  # between a caption and the block's edge, and the arrow, in all
TITLE = 24.0  # height of a block's title
SWEEPS = 12
STRAIGHT = 8.0  # how much a pair of joints pulls, to a pair of boxes' 4 and a mixed one's 1


@dataclass
class Placed:
    """A box with the middle of its upper edge, its size, and what is in it."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    inside: Layout | None = None


@dataclass
class Line:
    """An arrow as points from above to below; ``label`` is the shape that is written at its beginning."""

    arrow: Arrow
    points: list[tuple[float, float]]


@dataclass
class Layout:
    """A diagram on a plane of some size; ports are where arrows come in above and go out below."""

    width: float
    height: float
    boxes: list[Placed] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ports_in: dict[int, float] = field(default_factory=dict)
    ports_out: dict[int, float] = field(default_factory=dict)


@dataclass(eq=False)
class _Node:
    """A box, a joint of an arrow, or a port."""

    width: float
    height: float
    placed: Placed | None = None
    port: int | None = None
    layer: int = 0
    x: float = 0.0
    above: list[_Node] = field(default_factory=list)
    below: list[_Node] = field(default_factory=list)


def place(diagram: Diagram, measure: Callable[[Box], tuple[float, float]]) -> Layout:
    """Lay out a diagram and everything in it; ``measure`` gives the size of a box without boxes in it."""
    nodes: dict[int, _Node] = {}
    for box in diagram.boxes:
        inside = None if box.inside is None else place(box.inside, measure)
        if inside is None:
            width, height = measure(box)
        else:
            width = inside.width + 2 * max(MARGIN, measure(box)[0] + CAPTION - _beside(inside))
            height = inside.height + TITLE + MARGIN
        nodes[box.key] = _Node(width, height, Placed(box, 0, 0, width, height, inside))
    entries = {number: _Node(8, 0, port=number) for number in diagram.inputs}
    exits = {number: _Node(8, 0, port=number) for number in diagram.outputs}
    ends = [
        (
            a,
            entries[a.number] if a.source is None else nodes[a.source],
            exits[a.number] if a.target is None else nodes[a.target],
        )
        for a in diagram.arrows
    ]
    layers = _layers([*entries.values(), *nodes.values(), *exits.values()], ends, set(map(id, exits.values())))
    chains = [(a, _chain(layers, source, target)) for a, source, target in ends]
    _order(layers)
    _spread(layers)
    return _drawn(layers, chains, entries, exits)


def _beside(inside: Layout) -> float:
    """How much room there is, left and right, beside the arrows that come in: for the captions of a block."""
    ports = list(inside.ports_in.values()) or [inside.width / 2]
    return min(min(ports), inside.width - max(ports))


def _layers(nodes: list[_Node], ends: list[tuple[Arrow, _Node, _Node]], last: set[int]) -> list[list[_Node]]:
    """Every node below those that it takes from; what goes outside at the bottom."""
    for node in nodes:  # in the order in which they ran: what a node takes from comes before it
        sources = [source.layer for _, source, target in ends if target is node]
        node.layer = max(sources) + 1 if sources else 0
    bottom = max((node.layer for node in nodes), default=0)
    found: list[list[_Node]] = [[] for _ in range(bottom + 1)]
    for node in nodes:
        node.layer = bottom if id(node) in last else node.layer
        found[node.layer].append(node)
    return found


def _chain(layers: list[list[_Node]], source: _Node, target: _Node) -> list[_Node]:
    """The nodes of an arrow: its ends, and a joint in each layer between them."""
    chain = [source]
    for number in range(source.layer + 1, target.layer):
        joint = _Node(0, 0, layer=number)
        layers[number].append(joint)
        chain.append(joint)
    chain.append(target)
    for upper, lower in pairwise(chain):
        upper.below.append(lower)
        lower.above.append(upper)
    return chain


def _order(layers: list[list[_Node]]) -> None:
    """Sort each layer by the mean place of the neighbours above, then below, in turns."""
    for layer in layers:
        _number(layer)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else layers[::-1]:
            layer.sort(key=_mean_above if down else _mean_below)
            _number(layer)


def _number(layer: list[_Node]) -> None:
    for i, node in enumerate(layer):
        node.x = float(i)


def _mean_above(node: _Node) -> float:
    return sum(n.x for n in node.above) / len(node.above) if node.above else node.x


def _mean_below(node: _Node) -> float:
    return sum(n.x for n in node.below) / len(node.below) if node.below else node.x


def _pull(a: _Node, b: _Node) -> float:
    joints = (a.width == 0) + (b.width == 0)
    return (4.0, 1.0, STRAIGHT)[joints]


def _spread(layers: list[list[_Node]]) -> None:
    """Move every node towards its neighbours, without changing the order."""
    for layer in layers:
        _settle(layer, [0.0] * len(layer), [1.0] * len(layer))
    for sweep in range(2 * SWEEPS):
        both = sweep >= SWEEPS
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted, weights = [], []
            for node in layer:
                near = node.above + node.below if both else node.above if sweep % 2 == 0 else node.below
                pulls = [_pull(node, n) for n in near]
                total = sum(pulls)
                wanted.append(sum(p * n.x for p, n in zip(pulls, near, strict=True)) / total if total else node.x)
                weights.append(total or 0.01)
            _settle(layer, wanted, weights)


def _settle(layer: Sequence[_Node], wanted: Sequence[float], weights: Sequence[float]) -> None:
    """The places nearest to the wanted ones (weighted squares) that keep order and gaps: pool adjacent violators."""
    offsets, reached = [], 0.0
    for node, following in zip(layer, [*layer[1:], None], strict=True):
        offsets.append(reached)
        if following is not None:
            gap = JOINT_GAP if node.width == 0 or following.width == 0 else GAP
            reached += (node.width + following.width) / 2 + gap
    pools: list[list[float]] = []  # mean, weight, how many
    for want, offset, weight in zip(wanted, offsets, weights, strict=True):
        pools.append([want - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, heavy, n = pools.pop()
            before = pools[-1]
            before[0] = (before[0] * before[1] + mean * heavy) / (before[1] + heavy)
            before[1] += heavy
            before[2] += n
    means = [pool[0] for pool in pools for _ in range(int(pool[2]))]
    for node, mean, offset in zip(layer, means, offsets, strict=True):
        node.x = mean + offset


def _drawn(
    layers: list[list[_Node]],
    chains: list[tuple[Arrow, list[_Node]]],
    entries: dict[int, _Node],
    exits: dict[int, _Node],
) -> Layout:
    """Coordinates from the upper left corner."""
    everything = [node for layer in layers for node in layer]
    left = min((node.x - node.width / 2 for node in everything), default=0.0)
    right = max((node.x + node.width / 2 for node in everything), default=0.0)
    for node in everything:
        node.x -= left
    tops, y = [], 0.0
    for number, layer in enumerate(layers):
        tops.append(y)
        height = max(node.height for node in layer)
        ends = layers[number : number + 2]
        bare = any(all(node.placed is None for node in near) for near in ends)  # ports and joints alone
        y += height + (0 if len(ends) < 2 else AT_PORTS if bare else BETWEEN)
        for node in layer:
            if node.placed is not None:
                node.placed.x, node.placed.y = node.x, tops[number] + (height - node.height) / 2
    bottoms = [top + max(node.height for node in layer) for top, layer in zip(tops, layers, strict=True)]
    layout = Layout(right - left, y)
    layout.boxes = [node.placed for node in everything if node.placed is not None]
    for arrow, chain in chains:
        points = [_leaves_at(chain[0], arrow, tops)]
        for joint in chain[1:-1]:  # straight through its layer, beside the boxes
            points += [(joint.x, tops[joint.layer]), (joint.x, bottoms[joint.layer])]
        layout.lines.append(Line(arrow, [*points, _arrives_at(chain[-1], arrow, tops)]))
    layout.ports_in = {number: node.x for number, node in entries.items()}
    layout.ports_out = {number: node.x for number, node in exits.items()}
    return layout


def _corner(placed: Placed) -> float:
    """The left edge of what is in a block."""
    return placed.x - (placed.width if placed.inside is None else placed.inside.width) / 2


def _leaves_at(node: _Node, arrow: Arrow, tops: list[float]) -> tuple[float, float]:
    placed = node.placed
    if placed is None:
        return node.x, tops[node.layer]
    bottom = placed.y + placed.height
    if placed.inside is not None and arrow.number in placed.inside.ports_out:
        return _corner(placed) + placed.inside.ports_out[arrow.number], bottom
    return placed.x, bottom


def _arrives_at(node: _Node, arrow: Arrow, tops: list[float]) -> tuple[float, float]:
    placed = node.placed
    if placed is None:
        return node.x, tops[node.layer]
    if placed.inside is not None and arrow.number in placed.inside.ports_in:
        return _corner(placed) + placed.inside.ports_in[arrow.number], placed.y
    return placed.x, placed.y
