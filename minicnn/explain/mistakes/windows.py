"""Mistakes of sliding windows: convolution, im2col and col2im, pooling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from minicnn_kernels.geometry import Window2d

from .known import Array, Plant, mistake
from .known import right as kernel

SLIDING = (
    *("conv2d.forward", "conv2d.grad_input", "conv2d.grad_weight", "im2col", "col2im"),
    *("max_pool2d.forward", "max_pool2d.grad_input", "avg_pool2d.forward", "avg_pool2d.grad_input"),
)
DILATED = tuple(name for name in SLIDING if not name.startswith("avg"))
NONE = ((0, 0), (0, 0))


def _with_window(change: Callable[[Window2d], Window2d]) -> Plant:
    return lambda right, *arguments: right(*(change(a) if isinstance(a, Window2d) else a for a in arguments))


def _swapped(window: Window2d) -> Window2d:
    return replace(window, stride=window.stride[::-1], padding=window.padding[::-1], dilation=window.dilation[::-1])


for _name, _remedy, _change in (
    ("the stride is forgotten", "output row i looks at input row i*stride + a*dilation - padding",
     lambda window: replace(window, stride=(1, 1))),
    ("the padding is forgotten", "output row i looks at input row i*stride + a*dilation - padding",
     lambda window: replace(window, padding=NONE)),
    ("the padding is added instead of subtracted", "output row i looks at input row i*stride + a*dilation - padding",
     lambda window: replace(window, padding=tuple((-before, -after) for before, after in window.padding))),
    ("the dilation is forgotten", "tap a is a*dilation rows below the first",
     lambda window: replace(window, dilation=(1, 1))),
    ("height and width are mixed up in stride, padding or dilation", "the first number is that of the rows", _swapped),
):  # fmt: skip
    mistake(*(DILATED if "dilation" in _name else SLIDING), name=_name, remedy=_remedy)(_with_window(_change))


# --------------------------------------------------------------- convolution


@mistake(
    "conv2d.forward",
    name="the kernel is flipped",
    remedy="a layer computes a cross-correlation: w[a, b] meets x[i + a, j + b], not x[i - a, j - b]",
)
def _(right: Plant, x: Array, w: Array, *rest: Any) -> Any:
    return right(x, w[..., ::-1, ::-1], *rest)


@mistake(
    "conv2d.grad_input",
    name="the kernel is not flipped",
    remedy="as a correlation of grad_y, the gradient of the input takes the kernel turned by 180 degrees: "
    "x[h] went into y[i] through w[a] with a = h + padding - i*stride",
)
def _(right: Plant, grad_y: Array, w: Array, *rest: Any) -> Any:
    return right(grad_y, w[..., ::-1, ::-1], *rest)


@mistake(
    "conv2d.grad_weight",
    name="the gradient of the kernel is flipped",
    remedy="grad_w[a, b] sums grad_y[i, j] * x[i*stride + a, j*stride + b]: no turn by 180 degrees",
)
def _(right: Plant, *arguments: Any) -> Any:
    return right(*arguments)[..., ::-1, ::-1]


@mistake(
    "conv2d.grad_weight",
    name="the kernel's height and width are transposed",
    remedy="a, the row of the kernel, comes before b, its column",
)
def _(right: Plant, *arguments: Any) -> Any:
    grad = right(*arguments)
    return grad.swapaxes(2, 3) if grad.shape[2] == grad.shape[3] else None


@mistake(
    "conv2d.forward",
    "conv2d.grad_input",
    name="the weight's input and output channels are transposed",
    remedy="the weight is (O, C/groups, KH, KW): output channels first",
)
def _(right: Plant, first: Array, w: Array, *rest: Any) -> Any:
    return right(first, w.swapaxes(0, 1), *rest) if w.shape[0] == w.shape[1] else None


@mistake(
    "conv2d.forward",
    "conv2d.grad_input",
    name="the kernel is transposed",
    remedy="w[o, c, a, b]: a is the row, b the column",
)
def _(right: Plant, first: Array, w: Array, *rest: Any) -> Any:
    return right(first, w.swapaxes(2, 3), *rest) if w.shape[2] == w.shape[3] else None


@mistake("conv2d.forward", name="the bias is forgotten", remedy="bias[o] is added to every place of output channel o")
def _(right: Plant, x: Array, w: Array, bias: Array | None, *rest: Any) -> Any:
    return right(x, w, None, *rest)


@mistake("conv2d.forward", name="the bias is added once per product", remedy="bias[o] is added once to each output")
def _(right: Plant, x: Array, w: Array, bias: Array | None, *rest: Any) -> Any:
    return None if bias is None else right(x, w, bias * np.prod(w.shape[1:]), *rest)


for _operation, _groups_at in (("conv2d.forward", 4), ("conv2d.grad_input", 3), ("conv2d.grad_weight", 3)):

    @mistake(
        _operation,
        name="the groups are ignored: every output channel sees the first group",
        remedy="output channel o sees the input channels from o // (O/groups) * (C/groups) on",
    )
    def _(right: Plant, *arguments: Any, at: int = _groups_at, operation: str = _operation) -> Any:
        return _first_group_only(operation, right, arguments, at)


def _first_group_only(operation: str, right: Plant, arguments: tuple[Any, ...], at: int) -> Any:
    first, second, groups = arguments[0], arguments[1], arguments[at]
    if groups == 1:
        return None
    rest = (*arguments[2:at], 1, *arguments[at + 1 :])
    if operation == "conv2d.grad_input":
        grad = right(first, second, *rest)  # of the first group's channels
        return np.concatenate([grad, np.zeros((len(grad), grad.shape[1] * (groups - 1), *grad.shape[2:]))], 1)
    group = slice(0, (first if operation == "conv2d.forward" else second).shape[1] // groups)
    if operation == "conv2d.forward":
        return right(first[:, group], second, *rest)
    return right(first, second[:, group], *rest)


def _samples(which: slice) -> Plant:
    def plant(right: Plant, *arguments: Any) -> Any:
        count = len(arguments[0])
        if count < 2:
            return None
        return right(*(a[which] if isinstance(a, np.ndarray) and len(a) == count else a for a in arguments))

    return plant


for _name, _which in (("the last", slice(-1, None)), ("the first", slice(0, 1))):
    mistake(
        "conv2d.grad_weight",
        "conv2d.grad_bias",
        name=f"the sum over the batch is missing: only {_name} sample counts",
        remedy="every sample uses the same weight, so their gradients are added: += and not =",
    )(_samples(_which))


@mistake(
    "conv2d.grad_weight",
    "conv2d.grad_bias",
    name="the mean over the batch is taken instead of the sum",
    remedy="the mean, if there is one, is in the loss and so in grad_y already",
)
def _(right: Plant, grad_y: Array, *rest: Any) -> Any:
    return right(grad_y, *rest) / len(grad_y)


@mistake(
    "conv2d.grad_weight",
    "conv2d.grad_bias",
    name="the mean over batch and positions is taken instead of the sum",
    remedy="the weight is used at every position, and the gradients of all uses are added",
)
def _(right: Plant, grad_y: Array, *rest: Any) -> Any:
    return right(grad_y, *rest) / (grad_y.size / grad_y.shape[1])


# ------------------------------------------------------------ im2col, col2im


@mistake(
    "im2col",
    name="the rows are in another order: taps before channels",
    remedy="row (c*KH + a)*KW + b is tap (a, b) of channel c: the channel is the slowest index",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    columns = right(x, window)
    by_channel = columns.reshape(len(x), x.shape[1], -1, columns.shape[2])
    return by_channel.swapaxes(1, 2).reshape(columns.shape)


@mistake(
    "im2col",
    name="the columns are in another order: down before across",
    remedy="column i*OW + j is the window at row i, column j",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    columns = right(x, window)
    return columns.reshape(*columns.shape[:2], *window.output_size).swapaxes(2, 3).reshape(columns.shape)


@mistake(
    "im2col",
    name="the taps of the window are in reverse order",
    remedy="tap (a, b) is row (c*KH + a)*KW + b, from the top left",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    columns = right(x, window)
    return columns.reshape(len(x), x.shape[1], -1, columns.shape[2])[:, :, ::-1].reshape(columns.shape)


@mistake(
    "col2im",
    "max_pool2d.grad_input",
    name="where windows overlap, the last one overwrites the others",
    remedy="a place that several windows see gets the sum of what they send back: += and not =",
)
def _(right: Plant, values: Array, *rest: Any) -> Any:
    last = np.zeros_like(right(values, *rest))
    places = values.reshape(*values.shape[: 2 if len(rest) == 1 else -2], -1).shape[-1]
    for place in range(places):  # one position of the window after the other
        here = (np.arange(places) == place).reshape(values.shape[2:])
        sees = right(here * np.ones_like(values), *rest) > 0
        last = np.where(sees, right(here * values, *rest), last)
    return last.astype(values.dtype)


@mistake(
    "col2im",
    name="overlaps are averaged instead of added",
    remedy="col2im is the transposed map of im2col: it adds, and divides by nothing",
)
def _(right: Plant, columns: Array, window: Window2d) -> Any:
    return right(columns, window) / np.maximum(right(np.ones_like(columns), window), 1)


# ------------------------------------------------------------------- pooling


def _seen(x: Array, window: Window2d, tap: int, outside: float = -np.inf) -> Array:
    """What one tap of the window sees at every output, (N, C, OH, OW)."""
    places, inside = [], []
    for axis, at in enumerate(divmod(tap, window.kernel_size[1])):
        start = at * window.dilation[axis] - window.padding[axis][0]
        place = np.arange(window.output_size[axis]) * window.stride[axis] + start
        inside.append((place >= 0) & (place < window.input_size[axis]))
        places.append(place.clip(0, window.input_size[axis] - 1))
    values = x[:, :, places[0][:, None], places[1]]
    return np.where(inside[0][:, None] & inside[1], values, x.dtype.type(outside))


def _taps(window: Window2d) -> range:
    return range(int(np.prod(window.kernel_size)))


@mistake(
    "max_pool2d.forward",
    name="padding counts as 0",
    remedy="padding is -inf, so that it never wins; a window of negative numbers has a negative maximum",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    y = np.full((*x.shape[:2], *window.output_size), -np.inf, x.dtype)
    winner = np.zeros(y.shape, window.tap_type)
    for tap in _taps(window):
        seen = _seen(x, window, tap, outside=0.0)
        better = (seen > y) | np.isnan(seen)
        y, winner = np.where(better, seen, y), np.where(better, tap, winner).astype(window.tap_type)
    return y, winner


@mistake(
    "max_pool2d.forward",
    name="NaN is passed over",
    remedy="NaN wins over all numbers: no comparison with NaN is true, so ask np.isnan",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    return right(np.where(np.isnan(x), x.dtype.type(-np.inf), x), window)


@mistake(
    "max_pool2d.forward",
    name="of several NaN the first wins",
    remedy="a later NaN wins over an earlier one",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    y, winner = right(x, window)
    for tap in reversed(_taps(window)):
        winner = np.where(np.isnan(_seen(x, window, tap)), tap, winner)
    return y, winner.astype(window.tap_type)


@mistake(
    "max_pool2d.forward",
    name="the search for the maximum starts at 0",
    remedy="start at -inf: all numbers under the window may be negative",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    y, winner = right(x, window)
    return np.maximum(y, 0), np.where(y > 0, winner, 0).astype(window.tap_type)


@mistake(
    "max_pool2d.forward",
    name="of equal maxima the last wins",
    remedy="the first of equal values wins: compare with > and not with >=",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    y, winner = right(x, window)
    for tap in _taps(window):
        winner = np.where(_seen(x, window, tap) == y, tap, winner)
    return y, winner.astype(window.tap_type)


@mistake(
    "max_pool2d.forward",
    name="the place in the plane is returned instead of the number of the tap",
    remedy="the second result is a*KW + b, the tap of the window that saw the maximum",
)
def _(right: Plant, x: Array, window: Window2d) -> Any:
    y, taps = right(x, window)
    return y, kernel("max_pool2d.indices")(taps, window).astype(taps.dtype)


@mistake(
    "max_pool2d.grad_input",
    name="row and column of the tap are mixed up",
    remedy="tap number t is row t // KW and column t % KW of the window",
)
def _(right: Plant, grad_y: Array, winner: Array, window: Window2d) -> Any:
    height, width = window.kernel_size
    return right(grad_y, winner % height * width + winner // height, window)


@mistake(
    "max_pool2d.grad_input",
    name="the gradient goes to all places under the window",
    remedy="only the largest value went into the output, so it alone receives the gradient",
)
def _(right: Plant, grad_y: Array, winner: Array, window: Window2d) -> Any:
    return sum(right(grad_y, np.full_like(winner, tap), window) for tap in _taps(window))


@mistake(
    "max_pool2d.grad_input",
    name="the gradient goes to all of several equal maxima",
    remedy="of equal values the first won, and it alone receives the gradient",
    watches="max_pool2d.forward",
)
def _(right: Plant, grad_y: Array, winner: Array, window: Window2d, seen: tuple[Any, ...] = ()) -> Any:
    if not seen:
        return None
    x = seen[0]
    y = np.max([_seen(x, window, tap) for tap in _taps(window)], axis=0)
    return sum(
        right(np.where(_seen(x, window, tap) == y, grad_y, 0), np.full_like(winner, tap), window)
        for tap in _taps(window)
    )
