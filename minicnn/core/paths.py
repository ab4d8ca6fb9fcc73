"""Ways through the graph: what tells edges apart, and which nodes lead to wanted ones."""

from __future__ import annotations

from collections.abc import Sequence

from .function import Function
from .parts import Edge

Key = tuple[int, int]  # of an edge: its end, and which result of it; -1 for a leaf


def key(edge: Edge) -> Key:
    return (id(edge.leaf), -1) if edge.node is None else (id(edge.node), edge.index)


def on_the_way(starts: Sequence[Edge], wanted: set[Key], one_by_one: bool) -> set[Function]:
    """The nodes that must be gone through to reach one of the wanted edges."""
    met = {edge.node for edge in starts if edge.node is not None}
    waiting = list(met)
    while waiting:
        node = waiting.pop()
        if one_by_one:
            node.one_by_one()
        for edge in node.edges:
            if edge is not None and edge.node is not None and edge.node not in met:
                met.add(edge.node)
                waiting.append(edge.node)
    useful: set[Function] = set()
    for node in sorted(met, key=lambda node: node.sequence):  # inputs come before those who use them
        if any(e is not None and (key(e) in wanted or e.node in useful) for e in node.edges):
            useful.update((node, *node.passed_over))  # a hook may yet make it give its shortcut up
    return useful
