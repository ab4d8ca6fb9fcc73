"""The way back through ReLUs by another rule: what distinguishes saliency, deconvnet and guided backpropagation.

For y = max(x, 0) and a signal g that comes from above, the signal that goes on is

    backpropagation   g * (x > 0)               the gradient
    deconvnet         g * (g > 0)               the forward pass's ReLU, applied to the signal
    guided            g * (g > 0) * (x > 0)     both

Springenberg et al., *Striving for simplicity: the all convolutional net*, 2014, section 3.4 and figure 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...core.recording import record
from ...core.tensor import Tensor
from ...ops.activations import Rectifier

Rule = Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]


def deconvnet_rule(signal: Tensor, gradient: Callable[[Tensor], Tensor]) -> Tensor:
    """What is positive in the signal goes on, wherever it came from."""
    return signal.clamp(min=0)


def guided_rule(signal: Tensor, gradient: Callable[[Tensor], Tensor]) -> Tensor:
    """What is positive in the signal, where the forward pass was positive too."""
    return gradient(signal.clamp(min=0))


@contextmanager
def rectifiers_go_back_by(rule: Rule) -> Iterator[Callable[[], int]]:
    """The steps of the graph that are ReLUs (layers or functions, in place or not) get another ``backward``.

    The forward pass runs inside, then the function that is given is called, which changes the steps that ran and says
    how many they are; then backward. At the end everything is as before.
    """
    changed: list[Rectifier] = []

    def change() -> int:
        for step in steps:
            if isinstance(step.function, Rectifier):
                step.function.one_by_one()
                step.function.show()
                _exchange(step.function, rule)
                changed.append(step.function)
        steps.clear()
        return len(changed)

    try:
        with record() as steps:
            yield change
    finally:
        for function in changed:
            del function.backward


def _exchange(function: Any, rule: Rule) -> None:
    gradient = function.backward
    function.backward = lambda signal: rule(signal, gradient)
