"""Reading and writing parts of tensors.

Slices, single indices and one index array have their own ONNX operators. Everything else that only picks or rearranges
elements is done on *positions*: the function is applied to an array whose elements are their own positions, which shows
where each element of the result comes from. That must be the same within each sample of the batch; the graph gathers
from the samples, flattened, by these positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.indexing import GetItem, SetItem
from ..ops.rearranging import Diagonal, Flip, Roll
from ..ops.splitting import Unfold
from .agreement import Batch
from .graph import INT64_MAX, Graph
from .table import register_translator, untranslatable
from .tracing import Operation, Value

_MIXED = (
    "takes other places in one sample of the batch than in the next. Places that were computed from the input (by "
    "max(dim), sort, topk ...) would be frozen in the graph: amax(dim) does for max(dim)[0]. Where samples are mixed "
    "on purpose, dynamic_axes={} fixes the batch size"
)


@register_translator(GetItem)
def getitem(graph: Graph, operation: Operation, x: str) -> str:
    function = operation.function
    index = function.index if isinstance(function.index, tuple) else (function.index,)
    if function.is_view:
        return _slices(graph, operation, x, index)
    arrays = [(axis, part) for axis, part in enumerate(index) if isinstance(part, np.ndarray)]
    others = [part for part in index if not isinstance(part, np.ndarray)]
    if len(arrays) == 1 and all(part == slice(None) for part in others) and arrays[0][1].dtype.kind == "i":
        ((axis, places),) = arrays
        return graph.node("Gather", x, graph.constant(places), axis=axis)
    return selection(graph, operation, x)


def _slices(graph: Graph, operation: Operation, x: str, index: Sequence[Any]) -> str:
    """An index of ints, slices, None and ``...``: Slice, then Gather for each int, then Unsqueeze."""
    sizes = operation.inputs[0].sizes
    named = sum(part is not None and part is not Ellipsis for part in index)
    parts: list[Any] = []
    for part in index if Ellipsis in index else (*index, Ellipsis):
        parts += [slice(None)] * (len(sizes) - named) if part is Ellipsis else [part]
    cuts: list[tuple[int, int, int, int]] = []  # start, end, axis, step
    taken: list[tuple[int, int]] = []  # axis, index
    added: list[int] = []  # axes of the result
    axis = position = 0  # in the input, in the result
    for part in parts:
        if part is None:
            added.append(position)
        elif isinstance(part, slice):
            start, end, step = part.start or 0, INT64_MAX if part.stop is None else part.stop, part.step or 1
            if (start, step) != (0, 1) or (end != INT64_MAX and end != sizes[axis]):
                cuts.append((start, end, axis, step))
        else:
            taken.append((axis, part))
        axis += part is not None
        position += not isinstance(part, int)
    if cuts:
        x = graph.node("Slice", x, *(graph.ints(*column) for column in zip(*cuts, strict=True)))
    for axis, place in reversed(taken):  # the last axis first, so that the others keep their numbers
        x = graph.node("Gather", x, graph.constant(np.array(place)), axis=axis)
    return graph.node("Unsqueeze", x, graph.ints(*added)) if added else x


@register_translator(Flip, Roll, Diagonal, Unfold)
def selection(graph: Graph, operation: Operation, x: str) -> str:
    """Any function that only picks or rearranges elements."""
    (value,), (y,) = operation.inputs, operation.outputs
    axis = next((d for d, size in enumerate(y.sizes) if isinstance(size, Batch)), 0)  # NumPy may move the batch
    sources = np.moveaxis(operation.function.again().forward(_positions(value.shape)), axis, 0)
    places = _of_one_sample(sources, value, operation)
    gathered = graph.node("Gather", _rows(graph, operation, value, x), graph.constant(places), axis=1)
    others = [d for d in range(len(y.sizes)) if d != axis]
    result = graph.reshape(gathered, (_samples(value), len(places)), [y.sizes[d] for d in (axis, *others)])
    if axis == 0:
        return result
    return graph.node("Transpose", result, perm=[0 if d == axis else 1 + others.index(d) for d in range(len(y.sizes))])


@register_translator(SetItem)
def setitem(graph: Graph, operation: Operation, base: str, value: str) -> str:
    """The base with some elements replaced, gathered from base and value side by side."""
    function = operation.function
    old, new = operation.inputs
    region = _positions(old.shape)
    for step in function.steps:
        region = step.again().forward(region)
    places = region[function.index]
    shape = new.shape[max(0, len(new.shape) - places.ndim) :]  # without leading ones
    written = np.broadcast_to(_positions(shape), places.shape)
    size = _per_sample(old, operation)
    sources = np.arange(size)
    sources[_of_one_sample(places, old, operation)] = size + _of_one_sample(written, new, operation, old)
    if np.array_equal(sources, np.arange(size, 2 * size)) and _per_sample(new, operation) == size:  # all are replaced
        return graph.reshape(value, new.sizes, old.sizes)
    rows = [_rows(graph, operation, old, base), _rows(graph, operation, new, value, old)]
    gathered = graph.node("Gather", graph.node("Concat", *rows, axis=1), graph.constant(sources), axis=1)
    return graph.reshape(gathered, (_samples(old), size), old.sizes)


def _positions(shape: Sequence[int]) -> Any:
    return np.arange(int(np.prod(shape))).reshape(shape)


def _samples(value: Value) -> Any:
    """The number of rows of :func:`_rows`: one for each sample."""
    return Batch() if any(isinstance(size, Batch) for size in value.sizes) else 1


def _per_sample(value: Value, operation: Operation) -> int:
    """The number of columns of :func:`_rows`."""
    if sum(isinstance(size, Batch) for size in value.sizes) > 1:
        raise untranslatable(operation, _MIXED)
    return int(np.prod([size.factor if isinstance(size, Batch) else size for size in value.sizes]))


def _rows(graph: Graph, operation: Operation, value: Value, name: str, like: Value | None = None) -> str:
    """``value`` as a matrix with one row for each sample (of ``like``, if all its samples share one)."""
    columns = _per_sample(value, operation)
    rows = graph.reshape(name, value.sizes, (_samples(value), columns))
    if like is None or _samples(like) == _samples(value):
        return rows
    return graph.node("Expand", rows, graph.shape((_samples(like), columns)))


def _of_one_sample(places: Any, value: Value, operation: Operation, like: Value | None = None) -> Any:
    """The positions within one sample, which must be the same in all (of ``like``) that were traced."""
    count = _per_sample(value, operation)
    wanted = int(np.prod((like or value).shape)) // _per_sample(like or value, operation)
    if places.size % wanted:
        raise untranslatable(operation, _MIXED)
    shared = _samples(value) != _samples(like or value)
    rows = places.reshape(wanted, -1) - (0 if shared else np.arange(wanted)[:, None] * count)
    if (rows != rows[0]).any() or (rows < 0).any() or (rows >= count).any():
        raise untranslatable(operation, _MIXED)
    return rows[0]
