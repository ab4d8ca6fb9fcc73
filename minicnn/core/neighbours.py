"""Parts of larger arrays that lie side by side, taken together again.

Where tensors were joined, as in a DenseNet's blocks, the gradient is cut into a part for each, and every part is to be
added to what has arrived for that tensor before. As a rule that is a part of an earlier gradient, cut in the same
places: then the sum of two large arrays does for all of them. A block of 24 layers needs 24 sums instead of 300.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from minicnn_kernels.arrays import address, as_strided


def axis_between(a: Any, b: Any) -> int | None:
    """The axis along which the array ``b`` goes on where ``a`` ends, in the same memory; None if it does not."""
    if a.base is None or a.base is not b.base or a.strides != b.strides or a.dtype != b.dtype or not a.size:
        return None
    distance = address(b) - address(a)
    for axis, (size, stride) in enumerate(zip(a.shape, a.strides, strict=True)):
        others = a.shape[:axis] == b.shape[:axis] and a.shape[axis + 1 :] == b.shape[axis + 1 :]
        if others and stride > 0 and distance == size * stride:
            return axis
    return None


def runs(pairs: Sequence[tuple[Any, Any] | None]) -> Iterator[tuple[range, int]]:
    """Positions of pairs of arrays of which both go on where those of the pair before end, and the axis.

    A run of one position has the axis -1; None in place of a pair belongs to no run.
    """
    start = 0
    while start < len(pairs):
        stop, along = start + 1, -1
        while stop < len(pairs) and (before := pairs[stop - 1]) is not None and (here := pairs[stop]) is not None:
            axes = {axis_between(x, y) for x, y in zip(before, here, strict=True)}
            axis = axes.pop()
            if axes or axis is None or along not in (-1, axis):
                break
            stop, along = stop + 1, axis
        yield range(start, stop), along
        start = stop


def together(parts: Sequence[Any], axis: int) -> Any:
    """The array that the parts of a run are cut from, as far as they go: a view."""
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return as_strided(parts[0], tuple(shape), parts[0].strides)


def apart(whole: Any, parts: Sequence[Any], axis: int) -> list[Any]:
    """``whole`` cut along ``axis`` as ``parts`` are: views."""
    return np.split(whole, np.cumsum([part.shape[axis] for part in parts])[:-1].tolist(), axis)
