"""How a receptive field passes through each operation: which positions of its inputs an output is made from.

The rules read the settings of the operations that ran (windows, axes, indices). Two conventions:

* Mean and variance of a normalisation count as constants, as everywhere in the literature.
* An operation without a rule here may mix everything: its output sees all that its inputs see together.
"""

from __future__ import annotations

from fractions import Fraction
from functools import singledispatch
from typing import Any

import numpy as np

from ..core.function import Function
from ..core.recording import Step
from ..ops import (
    activations,
    arithmetic,
    choosing,
    conv,
    copying,
    dropout,
    elementwise,
    indexing,
    inplace,
    joining,
    linalg,
    losses,
    normalisation,
    operands,
    padding,
    pooling,
    rearranging,
    reductions,
    resize,
    shaping,
    splitting,
    unfold,
)
from .field import Field, Reach, Route

Shape = tuple[int, ...]
Routes = list[Route | None]
Sees = dict[tuple[int, int], Field]  # (number of the image, axis) -> field

EACH_ON_ITS_OWN = (
    *(arithmetic.Binary, arithmetic.Neg, arithmetic.PowNumber, elementwise.Unary, elementwise.Round, inplace.AddInto),
    *(activations.Activation, activations.PReLU, losses.LogSigmoid, choosing.Clamp, choosing.Where, dropout.Dropout),
    *(normalisation.BatchNorm, normalisation.BatchNormFixed, normalisation.GroupNorm, normalisation.LayerNorm),
    *(normalisation.LocalResponseNorm, operands.Cast, copying.Clone, shaping.Expand),
)


def shape_of(step: Step, which: int) -> Shape:
    """The shape of an input."""
    x = step.inputs[which]
    return () if x is None else tuple(x.shape)


def result_of(step: Step) -> Shape:
    """The shape of the result."""
    return tuple(step.outputs[0].shape)


def carried(step: Step, which: int, field: Field) -> Field:
    """The field that a step's result has from input ``which``, whose field is given."""
    function, shape, out = step.function, shape_of(step, which), result_of(step)
    if isinstance(function, shaping.Reshape):
        return field.reshaped(shape, out)
    if isinstance(function, unfold.Unfold):  # to (N, C*KH*KW, OH, OW), whose rows are then put one after another
        planes = (*out[:2], *function.window.output_size)
        return field.through(shape, planes, window_routes(function.window)).reshaped(planes, out)
    if isinstance(function, unfold.Fold):
        planes = (*shape[:2], *function.window.output_size)
        return field.reshaped(shape, planes).through(planes, out, transposed_routes(function.window))
    return field.through(shape, out, routes(function, step, which))


def aligned(shape: Shape, out: Shape) -> Routes:
    """Dimensions compared from the right, as in broadcasting."""
    return [Route(d + len(out) - len(shape)) for d in range(len(shape))]


@singledispatch
def routes(function: Function, step: Step, which: int) -> Routes:
    """For each dimension of input ``which``: where it goes, and how far the operation looks along it."""
    return [None] * len(shape_of(step, which))


def _each_on_its_own(function: Function, step: Step, which: int) -> Routes:
    return aligned(shape_of(step, which), result_of(step))


for _kind in EACH_ON_ITS_OWN:
    routes.register(_kind, _each_on_its_own)


# --------------------------------------------------------------------- windows


def window_routes(window: Any) -> Routes:
    """Of (N, C, H, W) under a sliding window."""
    rows, columns = (
        Reach(s, -pads[0], d * (k - 1) - pads[0])
        for k, s, d, pads in zip(window.kernel_size, window.stride, window.dilation, window.padding, strict=True)
    )
    return [Route(0), Route(1), Route(2, rows), Route(3, columns)]


def transposed_routes(window: Any) -> Routes:
    """The same from a window's output back to its input: row y is made from the rows i with y = i*s + a*d - p."""
    reaches = []
    for k, s, d, pads in zip(window.kernel_size, window.stride, window.dilation, window.padding, strict=True):
        steps = [(y, y + pads[0] - a * d) for y in range(s) for a in range(k)]
        ends = [Fraction(i - y, s) for y, i in steps if i % s == 0]  # i/s - y/s
        reaches.append(Reach(Fraction(1, s), min(ends, default=0), max(ends, default=0)))
    return [Route(0), Route(1), Route(2, reaches[0]), Route(3, reaches[1])]


@routes.register
def _(function: conv.Conv2d, step: Step, which: int) -> Routes:
    sees = window_routes(function.window)
    return [sees[0], None, *sees[2:]] if which == 0 else [None] * len(shape_of(step, which))


@routes.register
def _(function: conv.ConvGradInput, step: Step, which: int) -> Routes:
    sees = transposed_routes(function.window)
    return [sees[0], None, *sees[2:]] if which == 0 else [None] * len(shape_of(step, which))


@routes.register
def _(function: pooling.MaxPool2d, step: Step, which: int) -> Routes:
    return window_routes(function.window)


@routes.register
def _(function: pooling.AvgPool2d, step: Step, which: int) -> Routes:
    return window_routes(function.size_or_window)


@routes.register(pooling.AdaptiveAvgPool2d)
@routes.register(pooling.AdaptiveMaxPool2d)
def _(function: Function, step: Step, which: int) -> Routes:
    """Bin i reaches from floor(i*n/bins) to ceil((i + 1)*n/bins) - 1; one bin mixes everything."""
    found: Routes = [Route(0), Route(1)]
    for d in (2, 3):
        n, bins = shape_of(step, which)[d], result_of(step)[d]
        starts = [i * n // bins for i in range(bins)]
        ends = [-(-(i + 1) * n // bins) - 1 for i in range(bins)]
        found.append(None if bins == 1 else Route(d, hull(starts, ends, n)))
    return found


@routes.register
def _(function: pooling.MaxUnpool2d, step: Step, which: int) -> Routes:
    """As upsampling, if each maximum goes back into its own block of the result; otherwise everywhere."""
    values, places = step.inputs
    size, out = values.shape[2:], result_of(step)[2:]  # type: ignore[union-attr]
    if any(n % m for n, m in zip(out, size, strict=True)):
        return [Route(0), Route(1), None, None]
    found: Routes = [Route(0), Route(1)]
    at = np.divmod(places._array, out[1])  # type: ignore[union-attr]  # rows, columns
    for axis, (n, m) in enumerate(zip(out, size, strict=True)):
        own = np.expand_dims(np.arange(m), 1 - axis)  # the number of the block along the axis
        inside = bool((at[axis] // (n // m) == own).all())
        found.append(Route(2 + axis, Reach(Fraction(m, n), Fraction(m, n) - 1, 0)) if inside else None)
    return found


@routes.register
def _(function: resize.Resize, step: Step, which: int) -> Routes:
    found: Routes = [Route(0), Route(1)]
    for d, table in ((2, function.rows), (3, function.columns)):
        low, high = table[:2] if isinstance(table, tuple) else (table, table)
        found.append(Route(d, hull(low.tolist(), high.tolist(), shape_of(step, which)[d])))
    return found


def hull(lows: list[int], highs: list[int], n: int) -> Reach:
    """The tightest reach that contains the positions ``lows[i]`` to ``highs[i]``, of n, for every output position i."""
    found = []
    for ratio in (Fraction(n, len(lows)), Fraction(n - 1, max(len(lows) - 1, 1))):
        low = min(a - i * ratio for i, a in enumerate(lows))
        found.append(Reach(ratio, low, max(b - i * ratio for i, b in enumerate(highs))))
    return min(found, key=lambda reach: reach.high - reach.low)


# -------------------------------------------------------- products, reductions


@routes.register
def _(function: linalg.Linear, step: Step, which: int) -> Routes:
    return [Route(0), None] if which == 0 else [None] * len(shape_of(step, which))


@routes.register
def _(function: linalg.MatMul, step: Step, which: int) -> Routes:
    found = aligned(shape_of(step, which), result_of(step))
    found[-1 if which == 0 else -2] = None  # the dimension that is summed over
    return found


@routes.register
def _(function: linalg.Einsum, step: Step, which: int) -> Routes:
    return [Route(function.output.index(c)) if c in function.output else None for c in function.inputs[which]]


@routes.register
def _(function: reductions.Reduction, step: Step, which: int) -> Routes:
    kept = [d for d in range(len(shape_of(step, which))) if d not in function.axes]
    places = {d: d if function.keepdim else i for i, d in enumerate(kept)}
    return [Route(places[d]) if d in places else None for d in range(len(shape_of(step, which)))]


@routes.register(activations.Softmax)
@routes.register(activations.LogSoftmax)
def _(function: Any, step: Step, which: int) -> Routes:
    return [None if d == function.axis else Route(d) for d in range(len(result_of(step)))]


# ----------------------------------------------------- arrangement of elements


@routes.register
def _(function: shaping.Permute, step: Step, which: int) -> Routes:
    return [Route(function.dims.index(d)) for d in range(len(function.dims))]


@routes.register
def _(function: joining.Cat, step: Step, which: int) -> Routes:
    found = aligned(shape_of(step, which), result_of(step))
    start = sum(shape_of(step, i)[function.axis] for i in range(which))
    found[function.axis] = Route(function.axis, Reach(1, -start, -start))
    return found


@routes.register
def _(function: padding.PadConstant, step: Step, which: int) -> Routes:
    return [Route(d, Reach(1, -before, -before)) for d, (before, _) in enumerate(function.widths)]


@routes.register
def _(function: rearranging.Flip, step: Step, which: int) -> Routes:
    turned = [Route(d, Reach(-1, n - 1, n - 1)) for d, n in enumerate(result_of(step))]
    return [turned[d] if d in function.axes else Route(d) for d in range(len(turned))]


@routes.register
def _(function: rearranging.Roll, step: Step, which: int) -> Routes:
    return [None if d in function.axes else Route(d) for d in range(len(result_of(step)))]


@routes.register
def _(function: splitting.Unfold, step: Step, which: int) -> Routes:
    found: Routes = [Route(d) for d in range(len(shape_of(step, which)))]
    found[function.axis] = Route(function.axis, Reach(function.step, 0, function.size - 1))
    return found


@routes.register
def _(function: indexing.GetItem, step: Step, which: int) -> Routes:
    return index_routes(function.index, shape_of(step, which))


@routes.register
def _(function: indexing.SetItem, step: Step, which: int) -> Routes:
    """``region[index] = value``, where the region is slices of the base: each slice goes back where it is from."""
    base, value = shape_of(step, 0), shape_of(step, which)
    if which == 0:
        return aligned(base, base)
    views = [step for step in function.steps if isinstance(step, indexing.GetItem)]
    if function.index is not Ellipsis or len(function.steps) > 1 or len(views) < len(function.steps):
        return [None] * len(value)
    slices = index_routes(views[0].index if views else Ellipsis, base)
    kept = [(d, r.reach) for d, r in enumerate(slices) if r is not None and r.dim is not None and r.reach is not None]
    found: Routes = [None] * len(value)
    for place in range(1, min(len(value), len(kept)) + 1):  # from the right, as in broadcasting
        d, (step_between, start, _) = kept[-place]
        if value[-place] > 1 or base[d] == 1:  # else one row is written everywhere
            back = Fraction(-start, step_between)
            found[-place] = Route(d, Reach(Fraction(1, step_between), back, back))
    return found


def index_routes(index: Any, shape: Shape) -> Routes:
    """Of ``x[index]``: slices keep a dimension, a number takes it away, an array of numbers picks from it."""
    parts = list(index) if isinstance(index, tuple) else [index]
    arrays = [p for p in parts if isinstance(p, np.ndarray)]
    if len(arrays) > 1 or any(a.ndim != 1 or a.dtype.kind == "b" for a in arrays):
        return [None] * len(shape)
    missing = len(shape) - sum(p is not None and p is not Ellipsis for p in parts)
    dots = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    parts[dots : dots + 1] = [slice(None)] * missing
    found: Routes = []
    place = 0
    for part in parts:
        if isinstance(part, slice):
            start, _, step = part.indices(shape[len(found)])
            found.append(Route(place, Reach(step, start, start)))
        elif isinstance(part, np.ndarray):
            found.append(_picked(place, part))
        elif part is not None:
            position = int(part) % shape[len(found)]
            found.append(Route(None, Reach(0, position, position)))
            continue
        place += 1
    return found


def _picked(place: int, positions: Any) -> Route | None:
    """Rows picked by number: repeated ones at the borders count as padding, another order as mixing."""
    offsets = positions - np.arange(len(positions))
    values, counts = np.unique(offsets, return_counts=True)
    usual = int(values[counts.argmax()])
    inside = np.flatnonzero(offsets == usual)
    if 2 * len(inside) < len(offsets) or inside[-1] - inside[0] + 1 != len(inside):
        return None
    return Route(place, Reach(1, usual, usual))
