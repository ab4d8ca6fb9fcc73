"""The sizes of the maps that the layers of a network make, seen on a batch of no images."""

from __future__ import annotations

from typing import Any

import minicnn
from minicnn import nn


def map_sizes(model: nn.Module, image: tuple[int, int, int]) -> list[tuple[nn.Module, tuple[int, ...]]]:
    """(layer, shape of its result without the batch) of every layer without children, as they run."""
    seen: list[tuple[nn.Module, tuple[int, ...]]] = []

    def note(layer: nn.Module, args: Any, result: Any) -> None:
        seen.append((layer, tuple(result.shape[1:])))

    handles = [layer.register_forward_hook(note) for layer in model.modules() if not list(layer.children())]
    with minicnn.no_grad():
        model.eval()(minicnn.zeros(0, *image))
    for handle in handles:
        handle.remove()
    return seen


def sides(model: nn.Module, image: tuple[int, int, int], *kinds: type[nn.Module]) -> list[int]:
    """Heights of the results of layers of these kinds."""
    return [shape[1] for layer, shape in map_sizes(model, image) if isinstance(layer, kinds)]
