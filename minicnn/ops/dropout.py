"""Dropout: zero some numbers at random, and scale the others up so that the mean stays.

Source: Srivastava et al., *Dropout: a simple way to prevent neural networks
from overfitting*, 2014; the scaling by 1/(1 - p) in training is its section 10's
"inverted" variant.
"""

from __future__ import annotations

from typing import Any

from minicnn_kernels.registry import call

from ..core import device as devices
from ..core.function import Function
from ..core.random import default_generator, generator_of
from ..core.tensor import Tensor


class Dropout(Function):
    """y = x * keep / (1 - p), where ``keep`` is drawn from a seed."""

    def __init__(self, p: float, seed: Any) -> None:
        self.p, self.seed = p, seed

    def forward(self, x: Any) -> Any:
        y, keep = call("dropout.forward", x, self.p, self.seed)
        self.save(keep)
        return y

    def backward(self, grad_y: Any) -> Any:
        (keep,) = self.saved
        return call("dropout.grad", grad_y, keep, self.p)


def dropout(x: Tensor, p: float) -> Tensor:
    """Drop single numbers; one draw from the default generator of the device seeds the whole mask."""
    return Dropout(p, seed_of_draw(x))(x)


def seed_of_draw(x: Tensor) -> Any:
    """A number from the default generator of the device of ``x``."""
    if not devices.in_use or (where := x.device) == devices.CPU:
        return int(default_generator.numpy.integers(2**63))
    return generator_of(where).numpy.draw()
