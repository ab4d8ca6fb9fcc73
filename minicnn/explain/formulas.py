"""Formulas with their numbers: where the size of an output and the number of parameters come from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from itertools import groupby
from math import prod
from typing import Any

from ..core.function import Function
from ..core.recording import Step
from ..ops import conv, joining, linalg, padding, pooling, reductions, resize, shaping, unfold
from .follow import Sees, result_of, shape_of


def times(numbers: Sequence[int]) -> str:
    """A product as text: ``11*11*3*96``."""
    return "*".join(map(str, numbers))


def weights(shape: tuple[int, ...], groups: int = 1) -> str:
    """How many numbers a parameter has; of filters ``kernel height * kernel width * inputs of a group * outputs``."""
    if len(shape) not in (2, 4):
        return times(shape) or "1"
    inputs = f"{shape[1]}" if groups == 1 else f"({shape[1] * groups}/{groups})"
    return "*".join([*map(str, shape[2:]), inputs, str(shape[0])])


def per_axis(texts: Sequence[str]) -> str:
    """One formula if both axes have the same, else one for the rows and one for the columns."""
    rows, columns = texts
    return rows if rows == columns else f"height {rows}; width {columns}"


@singledispatch
def size_formula(function: Function, step: Step) -> str:
    """Where the size of the output comes from; empty if there is nothing to compute."""
    return ""


# --------------------------------------------------------------------- windows


def window_formula(window: Any) -> str:
    """``floor((size - kernel + 2*padding) / stride) + 1``, with dilation ``size - dilation*(kernel - 1) - 1 + ...``."""
    settings = zip(
        window.input_size, window.kernel_size, window.stride, window.padding, window.dilation, window.output_size,
        strict=True,
    )  # fmt: skip
    return per_axis([_one_axis(*numbers) for numbers in settings])


def _one_axis(size: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int, out: int) -> str:
    reach = f"{kernel}" if dilation == 1 else f"{dilation}*({kernel} - 1) - 1"
    around = f"2*{pads[0]}" if pads[0] == pads[1] else f"{pads[0]} + {pads[1]}"
    steps = size + sum(pads) - dilation * (kernel - 1) - 1
    rounding = "" if steps % stride == 0 else "floor" if steps // stride + 1 == out else "ceil"
    fraction = f"({size} - {reach} + {around})/{stride}"
    return f"{rounding}({fraction}) + 1 = {out}" if rounding else f"{fraction} + 1 = {out}"


def left_out(function: Function) -> str:
    """The last rows and columns that no window reaches, because the division is rounded down; empty if there are none.

    Rows between windows that are further apart than they are large do not count: there the stride was meant to skip.

    Examples
    --------
    >>> from minicnn_kernels.geometry import pool_window
    >>> left_out(pooling.MaxPool2d(pool_window("max_pool2d", (1, 1, 7, 6), 2)))
    'last row'
    """
    window: Any = getattr(function, "window", getattr(function, "size_or_window", None))
    if not isinstance(function, (conv.Conv2d, pooling.MaxPool2d, pooling.AvgPool2d)):
        return ""
    parts = []
    for axis, name in enumerate(("row", "column")):
        reach = window.dilation[axis] * (window.kernel_size[axis] - 1) + 1
        end = (window.output_size[axis] - 1) * window.stride[axis] + reach - window.padding[axis][0]
        count = window.input_size[axis] - end
        if count > 0 and window.stride[axis] <= reach:
            parts.append(f"{name}" if count == 1 else f"{count} {name}s")
    return f"last {' and '.join(parts)}" if parts else ""


@size_formula.register(conv.Conv2d)
@size_formula.register(pooling.MaxPool2d)
@size_formula.register(unfold.Unfold)
def _(function: Any, step: Step) -> str:
    return window_formula(function.window)


@size_formula.register
def _(function: pooling.AvgPool2d, step: Step) -> str:
    return window_formula(function.size_or_window)


@size_formula.register
def _(function: conv.ConvGradInput, step: Step) -> str:
    """Transposed: ``(size - 1)*stride - 2*padding + dilation*(kernel - 1) + output padding + 1``."""
    window = function.window
    texts = []
    for out, size, k, s, d, pads in zip(
        window.input_size, window.output_size, window.kernel_size, window.stride, window.dilation, window.padding,
        strict=True,
    ):  # fmt: skip
        extra = out - ((size - 1) * s - sum(pads) + d * (k - 1) + 1)
        texts.append(f"({size} - 1)*{s} - 2*{pads[0]} + {d}*({k} - 1) + {extra} + 1 = {out}")
    return per_axis(texts)


@size_formula.register(pooling.AdaptiveAvgPool2d)
@size_formula.register(pooling.AdaptiveMaxPool2d)
def _(function: Function, step: Step) -> str:
    size, bins = shape_of(step, 0)[2:], result_of(step)[2:]
    if bins == (1, 1):
        return f"all {times(size)} in one"
    return per_axis([f"{n} in {m} bins" for n, m in zip(size, bins, strict=True)])


@size_formula.register
def _(function: resize.Resize, step: Step) -> str:
    return per_axis([f"{n} to {m}" for n, m in zip(shape_of(step, 0)[2:], result_of(step)[2:], strict=True)])


# ---------------------------------------------------------------------- others


@size_formula.register
def _(function: linalg.Linear, step: Step) -> str:
    return f"{shape_of(step, 0)[1]} to {result_of(step)[1]}"


@size_formula.register
def _(function: shaping.Reshape, step: Step) -> str:
    if not flattens(step):
        return ""
    before, after = shape_of(step, 0), result_of(step)
    return f"{times(before[len(after) - 1 :])} = {after[-1]}"


def flattens(step: Step) -> bool:
    """Whether the last dimensions become one."""
    before, after = shape_of(step, 0), result_of(step)
    kept = len(after) - 1
    return 0 <= kept < len(before) - 1 and before[:kept] == after[:kept] and prod(before[kept:]) == after[-1]


@size_formula.register
def _(function: joining.Cat, step: Step) -> str:
    sizes = [shape_of(step, i)[function.axis] for i in range(len(step.inputs))]
    runs = [(len(list(run)), n) for n, run in groupby(sizes)]
    terms = [f"{count}*{n}" if count > 1 else f"{n}" for count, n in runs]
    return f"{' + '.join(terms)} = {sum(sizes)}"


@size_formula.register
def _(function: padding.PadConstant, step: Step) -> str:
    texts = [
        f"{before} + {n} + {after} = {before + n + after}"
        for n, (before, after) in zip(shape_of(step, 0), function.widths, strict=True)
        if (before, after) != (0, 0)
    ]
    return ", ".join(dict.fromkeys(texts))


@size_formula.register
def _(function: reductions.Reduction, step: Step) -> str:
    return f"all {times([shape_of(step, 0)[d] for d in function.axes])} in one" if function.axes else ""


# ------------------------------------------------------------- receptive field


def field_formula(function: Function, saw: Sees, sees: Sees) -> str:
    """``r = 3 + (3 - 1)*2 = 7, jump 2*1 = 2`` of a sliding window; empty for others, and where axes differ."""
    window: Any = getattr(function, "window", getattr(function, "size_or_window", None))
    if not isinstance(function, (conv.Conv2d, pooling.MaxPool2d, pooling.AvgPool2d)) or len(saw) != 2:
        return ""
    texts = []
    for axis, (before, after) in enumerate(zip(saw.values(), sees.values(), strict=True)):
        k, d, s = window.kernel_size[axis], window.dilation[axis], window.stride[axis]
        if before.whole or after.whole or before.size + (k - 1) * d * before.jump != after.size:
            return ""
        reach = f"({k} - 1)*{before.jump}" if d == 1 else f"({k} - 1)*{d}*{before.jump}"
        texts.append(f"{before.size} + {reach} = {after.size}, jump {before.jump}*{s} = {after.jump}")
    return per_axis(texts)
