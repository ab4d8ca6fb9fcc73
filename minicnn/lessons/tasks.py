"""The exercises: which kernels a class may write, and what their arguments are called."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minicnn_kernels.registry import find

from ..explain.printed import html_columns

ANY = object()  # a parameter that may be left out whatever its value


@dataclass(frozen=True)
class Task:
    """One exercise: write the kernel of an operation.

    Attributes
    ----------
    operation : str
        Its name in the registry.
    results : tuple of str
        What it returns; of a step, which changes its arguments, what it changes.
    words : str
        What to compute, in a line.
    optional : dict
        Parameters that a function may leave out, and the value they have then.
    parameters : tuple of str
        What it is called with.
    lesson : str
        The page of the documentation about it.
    solution : callable
        The reference kernel.
    """

    operation: str
    results: tuple[str, ...]
    words: str
    optional: dict[str, Any] = field(default_factory=dict)
    count: int = 0  # of parameters; the reference kernel may have more, for what a network does in the same pass

    @property
    def solution(self) -> Callable[..., Any]:
        return _SOLUTIONS[self.operation]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.solution).parameters)[: self.count or None]

    @property
    def signature(self) -> str:
        """``(grad_y, x, window, groups=1) -> grad_w``; what has a value may be left out."""
        texts = [
            f"{name}{_default(self.optional[name])}" if name in self.optional else name for name in self.parameters
        ]
        changes = self.operation.endswith(".step")
        return f"({', '.join(texts)}) {'changes' if changes else '->'} {', '.join(self.results)}"

    @property
    def lesson(self) -> str:
        return f"docs/lessons/{self.operation.replace('.', '_')}.md"

    def __str__(self) -> str:
        where = f"{self.solution.__module__}.{self.solution.__qualname__}"
        return f"{self.operation}{self.signature}\n  {self.words}\n  lesson: {self.lesson}; solution: {where}"


def _default(value: Any) -> str:
    return "=..." if value is ANY else f"={value}"


_PLAIN = {"groups": 1}
TASKS = [
    Task("relu.grad", ("grad_x",), "The gradient of max(x, 0), from that of the result and the result itself."),
    Task("im2col", ("columns",), "Every patch under the window as a column of a matrix."),
    Task("col2im", ("x",), "The way back: every entry is added to where it came from."),
    Task("conv2d.forward", ("y",), "Convolution: the sum of w*x under the window, plus the bias.", _PLAIN, 5),
    Task("conv2d.grad_input", ("grad_x",), "Every input collects from the outputs it went into.", _PLAIN, 4),
    Task("conv2d.grad_weight", ("grad_w",), "Every weight collects from all places it was used at.", _PLAIN),
    Task("max_pool2d.forward", ("y", "taps"), "The largest value under each window, and which tap saw it."),
    Task("max_pool2d.grad_input", ("grad_x",), "Each gradient is added where the winning tap looks."),
    Task("batch_norm.normalize", ("y",), "(x - mean)/sqrt(var + eps)*weight + bias, channel by channel.", {}, 6),
    Task("batch_norm.grad", ("grad_x", "grad_weight", "grad_bias"), "All three gradients of a batch norm.",
         {"fixed": False}, 7),
    Task("cross_entropy.forward", ("losses", "log_p"), "-log softmax(logits) at the label, and all log-probabilities.",
         {"weight": None, "ignore_index": ANY, "label_smoothing": 0.0}),
    Task("cross_entropy.grad", ("grad_logits",), "p - onehot(label), times the gradient of the loss.",
         {"weight": None, "ignore_index": ANY, "label_smoothing": 0.0}),
    Task("dropout.forward", ("y", "keep"), "0 with probability p, else divided by 1 - p; and what was kept."),
    Task("dropout.grad", ("grad_x",), "What was kept passes, divided by 1 - p."),
    Task("sgd.step", ("params", "momentum_buffers"), "One step down the gradient, with momentum.",
         {"dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False, "first": False}),
    Task("adam.step", ("params", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs"), "One step of Adam.",
         {"max_exp_avg_sqs": None, "weight_decay": 0.0, "decoupled": False, "maximize": False}),
]  # fmt: skip
_SOLUTIONS = {task.operation: find(task.operation, "reference") for task in TASKS}


class Tasks(tuple[Task, ...]):
    """All exercises; printed, a table."""

    def __repr__(self) -> str:
        width = max(len(task.operation) for task in self)
        return "\n".join(f"{task.operation.ljust(width)}  {task.words}" for task in self)

    def _repr_html_(self) -> str:
        rows = [[task.operation, task.signature, task.words, task.lesson] for task in self]
        return html_columns(["exercise", "arguments", "what to compute", "lesson"], rows, left=4)


def exercises() -> Tasks:
    """All exercises, in the order of a course.

    Returns
    -------
    tuple of Task
        Printed, it is a table. Each has ``operation``, ``signature``, ``words``, ``lesson`` and ``solution``.

    Examples
    --------
    >>> import minicnn
    >>> print(minicnn.exercises()[5])
    conv2d.grad_weight(grad_y, x, window, groups=1) -> grad_w
      Every weight collects from all places it was used at.
      lesson: docs/lessons/conv2d_grad_weight.md; solution: minicnn_kernels.reference.conv.conv2d_grad_weight
    """
    return Tasks(TASKS)


def task_of(operation: str) -> Task:
    """The exercise with this name."""
    found = {task.operation: task for task in TASKS}
    if operation not in found:
        near = difflib.get_close_matches(operation, found, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(found)}"
        raise ValueError(f"exercise: there is no exercise {operation!r}. {hint}")
    return found[operation]
