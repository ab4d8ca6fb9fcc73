"""What changes from step to step of an optimiser: the learning rate, and what depends on the number of the step.

On a GPU these few numbers may lie in its memory: a captured graph keeps the arguments of its kernels, but reads memory
anew at each replay. Then the operation's ``lr`` is that array, and what the array has to hold is told here.

>>> arguments = (*[[]] * 4, None, 1, 0.1, 0.9, 0.99, 1e-8, 0.0, False, False)  # of adam.step, in step 1
>>> [round(number, 6) for number in schedule("adam.step", arguments)]  # lr, 1 - beta1^step, 1 - beta2^step
[0.1, 0.1, 0.01]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LR = {"sgd.step": 3, "adam.step": 6, "rmsprop.step": 5, "adagrad.step": 4, "adadelta.step": 4}
"""Which argument of each operation is the learning rate, or the array in its place."""
STEP = {"adam.step": 5, "adagrad.step": 3}
"""Which argument is the number of the step, where there is one."""


def adam(step: int, lr: float, beta1: float, beta2: float) -> tuple[float, ...]:
    """The learning rate and the two corrections for averages that began at 0."""
    return lr, 1 - beta1**step, 1 - beta2**step


def adagrad(step: int, lr: float, lr_decay: float) -> tuple[float, ...]:
    """The learning rate, decayed."""
    return (lr / (1 + (step - 1) * lr_decay),)


def schedule(operation: str, arguments: Sequence[Any]) -> tuple[float, ...]:
    """The numbers for a step with these arguments, whose ``lr`` is a number.

    Parameters
    ----------
    operation : str
        ``"sgd.step"``, ``"adam.step"`` ...
    arguments : sequence
        As the operation takes them.
    """
    if operation == "adam.step":
        return adam(*arguments[5:9])
    if operation == "adagrad.step":
        return adagrad(*arguments[3:6])
    return (arguments[LR[operation]],)
