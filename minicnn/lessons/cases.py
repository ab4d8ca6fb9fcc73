"""The cases of an exercise: from the project's own table, the plain ones first, and what is special about each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from minicnn_kernels.cases import LAYOUTS, arrays, draw_case
from minicnn_kernels.geometry import Window2d

from .tasks import ANY, Task

MORE = 5  # as many cases are drawn, to have plain ones among them
DRAWS = 4000  # at most, to find cases with what a function leaves out


@dataclass(frozen=True)
class Case:
    """How to draw one set of arguments; each time they are the same, in fresh arrays."""

    task: Task
    dtype: str
    batch: int
    layout: str
    seed: int

    def draw(self) -> dict[str, Any]:
        """The arguments by name; an incomplete dictionary means that the case has others, which no answer takes."""
        drawn = draw_case(self.task.operation, np.dtype(self.dtype).type, self.batch, self.layout, self.seed)
        names = self.task.parameters
        return dict(zip(names, drawn, strict=True)) if len(drawn) == len(names) else {}

    def features(self) -> list[str]:
        """What is special about it, in words."""
        found = [text for name, value in self.draw().items() for text in _special(self.task, name, value)]
        values = [a for a in arrays(tuple(self.draw().values())) if a.dtype.kind == "f"]
        if any(np.isnan(a).any() for a in values):
            found.append("NaN")
        if any(np.isinf(a).any() for a in values):
            found.append("infinite numbers")
        if self.batch != 1:
            found.append("an empty batch" if self.batch == 0 else "several samples")
        if self.dtype != "float64":
            found.append(self.dtype)
        if self.layout != "contiguous":
            found.append("arrays that are not contiguous")
        return list(dict.fromkeys(found))

    def __str__(self) -> str:
        return ", ".join(f"{name} {shown(value)}" for name, value in self.draw().items())


def _special(task: Task, name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Window2d):
        if any(s > 1 and n > 1 for s, n in zip(value.stride, value.output_size, strict=True)):
            yield "a stride"
        if value.padding != ((0, 0), (0, 0)):
            yield "padding"
        if any(_reaches_beyond(value, axis) for axis in (0, 1)):
            yield "ceil_mode"
        if any(d > 1 and k > 1 for d, k in zip(value.dilation, value.kernel_size, strict=True)):
            yield "dilation"
        if value.kernel_size[0] != value.kernel_size[1]:
            yield "a window that is not square"
    elif name == "groups" and value != 1:
        yield "groups"
    elif name == "target" and (value < 0).any():
        yield "labels to be ignored"
    elif name == "p" and value in (0.0, 1.0):
        yield f"p = {value:g}"
    elif isinstance(value, bool) and value:
        yield name
    elif name in ("weight_decay", "dampening", "momentum", "label_smoothing") and value:
        yield name.replace("_", " ")
    elif value is not None and name in ("weight", "bias", "max_exp_avg_sqs"):
        yield {"weight": "a weight", "bias": "a bias"}.get(name, name)


def _reaches_beyond(window: Window2d, axis: int) -> bool:
    """Whether the last window ends outside of the padded image, as ``ceil_mode`` allows."""
    last = (window.output_size[axis] - 1) * window.stride[axis] + window.dilation[axis] * (window.kernel_size[axis] - 1)
    return last >= window.input_size[axis] + sum(window.padding[axis])


def shown(value: Any) -> str:
    """An argument in a message: the shape of an array, the settings of a window."""
    if isinstance(value, Window2d):
        text = f"{value.kernel_size[0]} x {value.kernel_size[1]} on {value.input_size[0]} x {value.input_size[1]}"
        for name, setting, usual in (
            ("stride", value.stride, (1, 1)),
            ("padding", value.padding, ((0, 0), (0, 0))),
            ("dilation", value.dilation, (1, 1)),
        ):
            text += f" {name} {setting}" if setting != usual else ""
        return text
    if isinstance(value, np.ndarray):
        return f"{value.shape}"
    if isinstance(value, list):
        return f"[{', '.join(str(a.shape) for a in value)}]"
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def cases_of(task: Task, left_out: tuple[str, ...], count: int, seed: int) -> list[Case]:
    """``count`` cases, the plainest first, in all of which the parameters left out have their usual values.

    Half of them are the plainest of a larger draw, the others are as they come.
    """
    found: list[tuple[int, int, int, Case]] = []
    for number, case in enumerate(_drawn(task, seed)):
        arguments = case.draw()
        if arguments and takes(task, left_out, arguments):
            size = sum(a.size for a in arrays(tuple(arguments.values())))
            rank = len(case.features()) + (9 if case.batch == 0 else 0)  # an empty batch teaches little: it comes last
            found.append((rank, size, number, case))
        if len(found) == MORE * count or number == DRAWS:
            break
    as_they_come = found[: count - count // 2]
    plain = [entry for entry in sorted(found) if entry not in as_they_come][: count // 2]
    return [case for *_, case in sorted(as_they_come + plain)]


def _drawn(task: Task, seed: int) -> Iterator[Case]:
    """Mostly small plain batches; every tenth case of each unusual kind."""
    for number in range(10**9):
        kind = number % 10
        dtype = "float32" if kind in (3, 7) else "float64"
        layout = LAYOUTS[1 + number // 10 % 4] if kind in (5, 7) else "contiguous"
        batch = 0 if kind == 9 else 1 if kind % 2 else 2
        yield Case(task, dtype, batch, layout, seed + number)


def takes(task: Task, left_out: tuple[str, ...], arguments: dict[str, Any]) -> bool:
    """Whether a function without some parameters can compute this: they have their usual values."""
    for name in left_out:
        usual, value = task.optional[name], arguments[name]
        if usual is not ANY and (value is None) != (usual is None):
            return False
        if usual is not ANY and usual is not None and value != usual:
            return False
    return not ("ignore_index" in left_out and (arguments["target"] == arguments["ignore_index"]).any())
