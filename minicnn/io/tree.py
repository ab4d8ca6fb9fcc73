"""Nested containers, and the limits that make them safe to walk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

from .errors import CheckpointError

MAX_DEPTH = 100
MAX_VALUES = 10_000_000


def children(node: Any) -> Collection[Any]:
    """Return what a container holds; a leaf holds nothing."""
    if isinstance(node, OrderedDict):
        return [*node.values(), *vars(node).values()]  # with the _metadata of a state_dict
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, (list, tuple)) else ()


def check_tree(root: Any, unfinished: tuple[type, ...]) -> None:
    """Refuse containers that a recursive walk would not survive, and leaves of the types ``unfinished``.

    A pickle may use one container many times: ten lists, each holding the
    next one ten times, are 10**10 values to somebody who walks them.
    """
    measured: dict[int, tuple[int, int]] = {}  # finished containers: (depth, number of values)
    entered: set[int] = set()
    pending = [(root, False)]
    while pending:
        node, finished = pending.pop()
        if isinstance(node, unfinished):
            raise CheckpointError("the pickle leaves a name or a storage where a value should be")
        parts = children(node)
        if finished:
            sizes = [measured.get(id(part), (0, 1)) for part in parts]
            depth = 1 + max((depth for depth, _ in sizes), default=0)
            values = 1 + sum(count for _, count in sizes)
            if depth > MAX_DEPTH:
                raise CheckpointError(f"the containers in the file are nested more than {MAX_DEPTH} levels deep")
            if values > MAX_VALUES:
                raise CheckpointError(f"the containers in the file hold more than {MAX_VALUES} values")
            measured[id(node)] = depth, values
            entered.discard(id(node))
        elif id(node) in entered:
            raise CheckpointError("a container in the file contains itself")
        elif parts and id(node) not in measured:
            entered.add(id(node))
            pending.append((node, True))
            pending.extend((part, False) for part in parts)
