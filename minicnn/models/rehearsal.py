"""Running a model on a batch of no images: it costs next to nothing, and shows which layers run and what they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..core.grad_mode import no_grad
from ..core.tensor import Tensor
from ..nn import Conv2d, Linear, Module
from ..ops.creation import zeros

T = TypeVar("T")

_SIDES = (64, 224, 299, 32, 227, 28, 331, 256, 128, 96)  # pixels that networks are made for; 64 fits most of them


@contextmanager
def at_rest(model: Module, training: bool) -> Iterator[None]:
    """Let the model itself choose its way as in training or evaluation, but no layer in it draw or learn anything."""
    modes = {module: module.training for module in model.modules()}
    try:
        for module in modes:
            module.training = training and module is model
        with no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def of_parameters(model: Module) -> dict[str, Any]:
    """Element type and device of a model's parameters, as arguments of what makes a tensor."""
    first = next(model.parameters(), None)
    return {} if first is None else {"dtype": first.dtype, "device": first.device}


def rehearse(model: Module, run: Callable[[Tensor], T]) -> T | None:
    """What ``run`` returns for the first batch of no images (or vectors) with which it works.

    None if it works with none of the usual sizes.
    """
    for batch in _candidates(model):
        try:
            return run(batch)
        except Exception:  # whatever a model does with an input that it was not made for
            continue
    return None


def _candidates(model: Module) -> Iterator[Tensor]:
    like = of_parameters(model)
    for layer in model.modules():
        if isinstance(layer, Conv2d):
            yield from (zeros(0, layer.in_channels, side, side, **like) for side in _SIDES)
            return
        if isinstance(layer, Linear):
            yield zeros(0, layer.in_features, **like)
            return
