"""What convolutions and linear layers add up.

A convolution has three arrays, y, weight and x, and adds up products of those elements that meet: along each axis

    input position = output position * stride + tap * dilation - padding

Fix an element of one of the three, and those of the other two that meet it are the factors::

    y[n, o, i, j]        = sum of x * weight         grad_x[n, c, h, w] = sum of grad_y * weight
    grad_w[o, c, a, b]   = sum of grad_y * x

A transposed convolution is the same with the parts of x and y exchanged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from minicnn_kernels.geometry import Window2d

from ..ops import conv, linalg
from .terms import Array, Given, Index, Terms, columns, places, planes, rows, summed, taken, terms

TURNED = (
    "the first tap meets the last position: what is gathered is read backwards, as by a filter turned by 180 degrees"
)


class Axis(NamedTuple):
    """How a window slides along rows or columns: ``input = output*stride + tap*dilation - before``."""

    size: int
    length: int  # of the output
    kernel: int
    stride: int
    dilation: int
    before: int

    def inputs(self, output: Any, tap: Any) -> tuple[Array, Array]:
        """Input positions, and whether they lie in the input."""
        found = np.asarray(output) * self.stride + np.asarray(tap) * self.dilation - self.before
        return found, (found >= 0) & (found < self.size)

    def outputs(self, position: int) -> tuple[Array, Array]:
        """For each tap, the output at which it looks at an input position, and whether there is one."""
        found, rest = np.divmod(position + self.before - self.taps * self.dilation, self.stride)
        return found, (rest == 0) & (found >= 0) & (found < self.length)

    @property
    def taps(self) -> Array:
        return np.arange(self.kernel)

    def formula(self, output: str, tap: str) -> str:
        """``i*2 + a - 1``."""
        text = output if self.stride == 1 else f"{output}*{self.stride}"
        text += f" + {tap}" if self.dilation == 1 else f" + {tap}*{self.dilation}"
        return text if self.before == 0 else f"{text} - {self.before}"


def axes_of(window: Window2d) -> tuple[Axis, Axis]:
    """Rows and columns."""
    before = [pads[0] for pads in window.padding]
    settings = (window.input_size, window.output_size, window.kernel_size, window.stride, window.dilation, before)
    vertical, horizontal = (Axis(*numbers) for numbers in zip(*settings, strict=True))
    return vertical, horizontal


class Meeting(NamedTuple):
    """Index grids (P, R, C, 4) of elements that are multiplied with each other, and whether they exist."""

    y: Array
    weight: Array
    x: Array
    real: Array


def meeting(window: Window2d, groups: int, w_shape: Index, batch: int, part: str, at: Any) -> Meeting:
    """All products of a convolution in which element ``at`` of ``part`` ("y", "weight" or "x") takes part."""
    vertical, horizontal = axes_of(window)
    out_group, in_group = w_shape[0] // groups, w_shape[1]
    real: Any = True
    if part == "weight":  # over the batch and all positions
        o, c, a, b = at
        n, i, j = planes(range(batch)), rows(range(vertical.length)), columns(range(horizontal.length))
    elif part == "y":  # over the channels of the group, and taps
        n, o, i, j = at
        c, a, b = planes(range(in_group)), rows(vertical.taps), columns(horizontal.taps)
    else:
        n, channel, h, w = at
        group, c = divmod(channel, in_group)
        o = planes(range(group * out_group, (group + 1) * out_group))
        (i, real_i), (j, real_j) = vertical.outputs(h), horizontal.outputs(w)
        a, b, i, j = rows(vertical.taps), columns(horizontal.taps), rows(i), columns(j)
        real = rows(real_i) & columns(real_j)
    (h, inside_h), (w, inside_w) = vertical.inputs(i, a), horizontal.inputs(j, b)
    first = o // out_group * in_group  # the first input channel of o's group
    grids = np.broadcast_arrays(n, o, i, j, c, a, b, first + c, h, w, real & inside_h & inside_w)
    n, o, i, j, c, a, b, channel, h, w, real = grids
    return Meeting(places(n, o, i, j), places(o, c, a, b), places(n, channel, h, w), real)


@terms.register(conv.Conv2d)
@terms.register(conv.ConvGradInput)
def _(function: Any, of: str, at: Index, given: Given) -> Terms:
    if of == "grad_bias":
        return summed(given.grad, at)
    transposed = isinstance(function, conv.ConvGradInput)
    plays = {"input": "y", "output": "x"} if transposed else {"input": "x", "output": "y"}
    plays["weight"] = "weight"
    wanted = of.removeprefix("grad_")
    x, w = given.array(0), given.array(1)
    meet = meeting(function.window, function.groups, w.shape, len(x), plays[wanted], at)
    arrays = {"input": ("x", x), "weight": ("weight", w), "output": ("grad_y", given.grad)}
    factors = {"output": ("input", "weight"), "input": ("output", "weight"), "weight": ("output", "input")}[wanted]
    if transposed and wanted == "weight":  # the one that has an element at every position comes first
        factors = factors[::-1]
    first_at, second_at = (getattr(meet, plays[factor]) for factor in factors)
    (first_name, first), (second_name, second) = (arrays[factor] for factor in factors)
    everywhere = np.ones_like(meet.real)  # weights are there in the padding too
    return Terms(
        (first_name, second_name),
        taken(first, first_at, meet.real),
        taken(second, second_at, everywhere if second is w else meet.real),
        first_at,
        second_at,
        meet.real,
        formula(function.window, function.groups, transposed, wanted),
        [TURNED] if plays[wanted] == "x" and max(function.window.kernel_size) > 1 else [],
        bias=None if of != "output" or given.bias is None else float(given.bias[at[1]]),
        whole=first,
    )


def formula(window: Window2d, groups: int, transposed: bool, wanted: str) -> str:
    """The sum with the numbers of this layer in it."""
    vertical, horizontal = axes_of(window)
    h, w = vertical.formula("i", "a"), horizontal.formula("j", "b")
    c = "c" if groups == 1 else "first + c"
    wide, narrow = ("grad_y", "x") if transposed else ("x", "grad_y")  # on the window's input and on its output
    text = {
        "y": f"{{}}[n, o, i, j] = sum over c, a, b of {wide}[n, {c}, {h}, {w}] * weight[o, c, a, b]",
        "x": f"{{}}[n, {c}, h, w] = sum over o, a, b of {narrow}[n, o, i, j] * weight[o, c, a, b], "
        f"where h = {h} and w = {w}",
        "weight": f"{{}}[o, c, a, b] = sum over n, i, j of {narrow}[n, o, i, j] * {wide}[n, {c}, {h}, {w}]",
    }["weight" if wanted == "weight" else "y" if (wanted == "output") != transposed else "x"]
    text = text.format({"output": "y", "input": "grad_x", "weight": "grad_weight"}[wanted])
    return text if groups == 1 else f"{text}; first is the first channel of o's group, one of {groups}"


@terms.register
def _(function: linalg.Linear, of: str, at: Index, given: Given) -> Terms:
    x, w, grad = given.array(0), given.array(1), given.grad
    n: Any
    bias = None
    if of == "output":
        (n, o), k = at, columns(range(w.shape[1]))
        factors = ("x", x, places(n, k)), ("weight", w, places(o, k))
        text = "y[n, o] = sum over k of x[n, k] * weight[o, k]"
        bias = None if given.bias is None else float(given.bias[o])
    elif of == "grad_input":
        (n, k), o = at, columns(range(len(w)))
        factors = ("grad_y", grad, places(n, o)), ("weight", w, places(o, k))
        text = "grad_x[n, k] = sum over o of grad_y[n, o] * weight[o, k]"
    elif of == "grad_weight":
        (o, k), n = at, columns(range(len(x)))
        factors = ("grad_y", grad, places(n, o)), ("x", x, places(n, k))
        text = "grad_weight[o, k] = sum over n of grad_y[n, o] * x[n, k]"
    else:
        return summed(grad, at)
    names, arrays, grids = zip(*factors, strict=True)
    real = np.ones(grids[0].shape[:3], bool)
    first, second = (taken(array, grid, real) for array, grid in zip(arrays, grids, strict=True))
    return Terms(names, first, second, *grids, real, text, bias=bias)
