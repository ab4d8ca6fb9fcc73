"""A student's function in the place of a kernel: tested, timed, trained with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

from minicnn_kernels import registry

from ..core.grad_mode import set_fusion_enabled
from .cases import cases_of, takes
from .judge import judge
from .tasks import Task, task_of
from .timing import Timing, timed
from .training import Training, train
from .verdict import Verdict

CASES = 40


def exercise(operation: str) -> Callable[[Callable[..., Any]], Answer]:
    """Write a kernel of one's own: ``@minicnn.exercise("conv2d.grad_weight")`` above the function.

    The function takes NumPy arrays by the names of the exercise's parameters (:func:`minicnn.exercises` lists them;
    those with a value may be left out, and then only such cases are tried). What comes back can be called as before,
    and can be tested, timed and trained with.

    Parameters
    ----------
    operation : str
        The kernel's name, such as "conv2d.grad_weight".

    Returns
    -------
    callable
        A decorator, which makes an :class:`Answer` of a function.

    Raises
    ------
    ValueError
        If there is no such exercise.
    TypeError
        If the function's parameters are not those of the exercise.

    Examples
    --------
    >>> import minicnn
    >>> import numpy as np
    >>> @minicnn.exercise("dropout.grad")
    ... def dropout_grad(grad_y, keep, p):
    ...     return np.where(keep, grad_y, 0)
    >>> print(dropout_grad.check())  # doctest: +ELLIPSIS
    dropout.grad: 2 of 40 cases are right.
    ...
      Likely: what is kept is not divided by 1 - p. Right is: y = x / (1 - p) where kept: the expected value stays
    The formula is in docs/lessons/dropout_grad.md.
    """
    task = task_of(operation)
    return lambda function: Answer(task, function)


class Answer:
    """A function that computes an exercise's kernel, made by :func:`exercise`. Called, it is the function.

    Attributes
    ----------
    task : Task
    function : callable
    calls : int
        How often networks have called it so far, inside of :meth:`active`.
    passed_on : int
        How often the project's kernel did instead, because there was something that the function does not take.
    """

    def __init__(self, task: Task, function: Callable[..., Any]) -> None:
        self.task, self.function = task, function
        self.calls = self.passed_on = 0
        self._names = _names(task, function)
        self.left_out = tuple(name for name in task.parameters if name not in self._names)
        update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<exercise {self.task.operation}: {self.function.__name__}({', '.join(self._names)})>"

    def check(self, cases: int = CASES, seed: int = 0) -> Verdict:
        """Compare with the reference kernel on random cases of the project's own table, the plain ones first.

        Values, shapes, element types, arguments that must stay as they are; batches of 0, 1 and 2, float64 and
        float32, and arrays that are not contiguous.

        Parameters
        ----------
        cases : int, default 40
        seed : int, default 0
            Of the random cases.

        Returns
        -------
        Verdict
            Printed, it says what is wrong in the plainest case, and what the mistake may be.
        """
        if cases < 1:
            raise ValueError(f"check: cases must be at least 1; got {cases}")
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        file = "" if code is None else code.co_filename
        found = cases_of(self.task, self.left_out, cases, seed)
        return Verdict(self.task, found, [judge(self.task, self._call, case, file) for case in found])

    def _call(self, arguments: dict[str, Any]) -> Any:
        return self.function(*(arguments[name] for name in self._names))

    @contextmanager
    def active(self) -> Iterator[Answer]:
        """Let all networks compute with this function, inside a ``with`` block.

        Where a network needs what the function does not take (groups, say), the project's kernel does it; steps are
        not joined (:func:`minicnn.set_fusion_enabled`), so that each is its own call.

        Examples
        --------
        >>> import minicnn
        >>> import numpy as np
        >>> from minicnn.nn import functional as F
        >>> @minicnn.exercise("relu.grad")
        ... def relu_grad(grad_y, y):
        ...     return np.where(y > 0, grad_y, 0)
        >>> x = minicnn.tensor([-1.0, 2.0], requires_grad=True)
        >>> with relu_grad.active():
        ...     F.relu(x).sum().backward()
        >>> x.grad, relu_grad.calls
        (tensor([0., 1.]), 1)
        """
        operation = self.task.operation
        ours = registry.find(operation, registry.active_backend())

        def kernel(*arguments: Any) -> Any:
            by_name = dict(zip(self.task.parameters, arguments, strict=False))
            if len(arguments) != len(self.task.parameters) or not takes(self.task, self.left_out, by_name):
                self.passed_on += 1
                return ours(*arguments)
            self.calls += 1
            result = self._call(by_name)
            if result is None and not operation.endswith(".step"):
                raise TypeError(f"exercise {operation}: {self.function.__name__} returned None. Fix: run its check()")
            return (*result, None) if operation == "batch_norm.grad" and len(result) == 3 else result

        with registry.replaced({operation: kernel}), set_fusion_enabled(False):
            yield self

    def time(self, batch: int = 32, seed: int = 0) -> Timing:
        """How long this function takes beside the project's kernels, on one case in float32.

        Parameters
        ----------
        batch : int, default 32
            Samples (of a step: the size of the largest parameter grows with it).
        seed : int, default 0

        Returns
        -------
        Timing
            Printed, it is a table.
        """
        return timed(self.task, self._call, self.left_out, batch, seed)

    def train_mnist(
        self, steps: int = 30, batch_size: int = 16, data: Any = None, lr: float | None = None, seed: int = 0
    ) -> Training:
        """Train a small network on handwritten digits with this function at work.

        Parameters
        ----------
        steps : int, default 30
        batch_size : int, default 16
        data : path, optional
            The folder of MNIST; by default it is looked for as :class:`minicnn.datasets.MNIST` does, and if it is
            nowhere, scikit-learn's digits are taken.
        lr : float, optional
            The learning rate; default 0.05, with Adam 0.003.
        seed : int, default 0
            Of the initial weights and the order of the images.

        Returns
        -------
        Training
            The losses, and how many digits the network then gets right.
        """
        return train(self, steps, batch_size, data, lr, seed)


def _names(task: Task, function: Callable[..., Any]) -> tuple[str, ...]:
    """Which of the exercise's parameters the function takes, in its order."""
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return task.parameters
    positional = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = tuple(p.name for p in positional)
    known = set(task.parameters)
    needed = {name for name in task.parameters if name not in task.optional}
    if needed <= set(names) and all(p.name in known or p.default is not p.empty for p in positional):
        return tuple(name for name in names if name in known)
    if any(p.kind is p.VAR_POSITIONAL for p in given):
        return task.parameters
    if len(names) == len(task.parameters):
        return task.parameters  # other names, in the same order
    raise TypeError(
        f"exercise {task.operation}: the function takes ({', '.join(names)}); expected {task.signature}. "
        "Fix: these names; those with a value may be left out"
    )
