"""How many images of a batch go through the layers together.

What a layer writes, the next one reads. If all images go through a layer before any goes through the next, these
numbers have long left the processor's cache, and come from memory. So the first layers, which have much to write
and few weights, are given some images at a time, and the next ones after them, layer after layer; then come the
next images. Deeper in the network images are small and weights large, which would be read anew for each slice of
the batch; so there the slices are larger.

All stages compute each image by itself, so a slice changes no more than roundings: where a convolution has so few
tiles, or a product so few rows, that they are computed in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..onnx.tracing import Program as Recording
from ..onnx.tracing import Value
from .peephole import Call
from .placing import joined, may_be_same_memory

NEAR = 8 * 1024 * 1024  # bytes that a call reads and writes, so that they are still in a cache


def plan_batch(recording: Recording, calls: Sequence[Call]) -> int:
    """How many images the inputs have, if it is as many in all results; else 0."""
    values = [*recording.inputs, *recording.outputs, *(v for call in calls for v in call.outputs)]
    batches = {v.shape[0] if v.shape else 0 for v in values}
    return batches.pop() if len(batches) == 1 else 0


class Slices:
    """The number of images in a slice, for each call; calls with the same number are a segment.

    Parameters
    ----------
    calls : sequence of Call
    outputs : sequence of Value
    sizes : sequence of int
        By calls; 0 for all images.
    """

    def __init__(self, calls: Sequence[Call], outputs: Sequence[Value], sizes: Sequence[int], batch: int) -> None:
        self.sizes, self.batch = sizes, batch
        self._segments: list[tuple[int, int]] = []
        first = 0
        for i in range(len(calls)):
            if i + 1 == len(calls) or sizes[i + 1] != sizes[i]:
                self._segments += [(first, i)] * (i + 1 - first)
                first = i + 1
        self.kept = self._kept(calls, outputs)

    @classmethod
    def of_all(cls, calls: Sequence[Call], outputs: Sequence[Value]) -> Slices:
        """All images at once."""
        return cls(calls, outputs, [0] * len(calls), 0)

    @classmethod
    def near(cls, calls: Sequence[Call], outputs: Sequence[Value], batch: int) -> Slices:
        """As many images as keep what a call reads and writes near, and are worth reading its weights for."""
        choices = [n for n in range(1, batch + 1) if batch % n == 0]
        sizes, least = [], 1
        for call in calls:
            results = {v for v in (*call.reads(), *call.outputs) if v.array is None}
            moved = 4 * sum(prod(v.shape[1:]) for v in results if len(v.shape) > 1)
            weights = 4 * sum(v.array.size for v in call.reads() if v.array is not None)
            if not joined(call):
                fitting = max((n for n in choices if n * moved <= NEAR), default=1)
                worth = min((n for n in choices if n * moved >= weights), default=batch)
                least = max(least, fitting, worth)
            sizes.append(0 if least == batch else least)
        return cls(calls, outputs, sizes, batch)

    def _kept(self, calls: Sequence[Call], outputs: Sequence[Value]) -> set[Value]:
        """Values of which all images must be somewhere: read in another segment than made, or results."""
        made = {v: i for i, call in enumerate(calls) for v in call.outputs}
        kept = set(outputs)
        groups = []  # values that may be one array: a concatenation and its parts, an array seen with another shape
        for i, call in enumerate(calls):
            kept.update(v for v in call.reads() if v in made and self._segments[made[v]] != self._segments[i])
            if joined(call) or may_be_same_memory(call):
                groups.append([v for v in (*call.reads(), *call.outputs) if v in made])
        size = -1
        while len(kept) != size:
            size = len(kept)
            for group in groups:
                if not kept.isdisjoint(group):
                    kept.update(group)
        return kept

    @property
    def several(self) -> bool:
        """Whether any call is given fewer than all."""
        return any(self.sizes)

    def images(self, i: int, value: Value) -> int:
        """Of a value, how many images call ``i`` is given."""
        return self.sizes[i] or value.shape[0]

    def segment(self, i: int) -> tuple[int, int]:
        """The first and the last call of the segment of call ``i``."""
        return self._segments[i]

    def turns(self, i: int) -> tuple[int, int]:
        """Images in a slice, and how many slices there are."""
        return (self.sizes[i], self.batch // self.sizes[i]) if self.sizes[i] else (0, 1)
