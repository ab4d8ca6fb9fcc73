"""Stopping at the first NaN or infinity, and saying where it came from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import AnomalyError
from ...core.grad_mode import detect_anomaly
from ...core.random import get_rng_state, set_rng_state
from ...core.tensor import Tensor
from ...nn.module import Module
from ..batches import moved, on_host
from ..errors import NonFiniteError
from ..losses import total_loss
from .base import Callback

if TYPE_CHECKING:
    from ..loop import Run

ADVICE = (
    "Usual reasons: a learning rate far too high (train.lr_find looks for a good one; train.ClipGradients bounds a "
    "step), inputs that are not normalised or not finite, log or division of 0"
)


class TerminateOnNaN(Callback):
    """Stop with an error at the first loss or gradient that is NaN or infinite, and name the layer that made it.

    It is found before the optimiser would spoil the weights by it. To name the layer, the batch is computed once more,
    layer by layer, and backward under :class:`~minicnn.autograd.detect_anomaly`.

    Raises
    ------
    NonFiniteError
        While training; the text names the parameter, the input or the layer.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn, optim, train
    >>> class Logarithm(nn.Module):
    ...     def forward(self, x):
    ...         return x.log()
    >>> model = nn.Sequential(nn.Linear(1, 2), Logarithm())
    >>> _ = model[0].weight.data.fill_(-1.0)
    >>> data = [(minicnn.ones(2, 1) * 3, minicnn.tensor([0, 1]))]
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> train.fit(
    ...     model, data, optimizer=optimizer, epochs=1, callbacks=[train.TerminateOnNaN()]
    ... )  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    minicnn.train.errors.NonFiniteError: step 1, in epoch 1: ... layer '1' (Logarithm()). ...
    """

    order = 9  # after every change of the batch

    def on_fit_begin(self, run: Run) -> None:
        self._batches: list[tuple[Any, Any, Any]] = []

    def on_batch(self, run: Run, inputs: Any, targets: Any) -> tuple[Any, Any]:
        self._batches.append((inputs, targets, get_rng_state()))
        return inputs, targets

    def on_gradients(self, run: Run) -> None:
        wrong = [name for name, p in run.model.named_parameters() if p.grad is not None and not finite(p.grad)]
        if wrong or not math.isfinite(run.loss_value):
            what = "the loss" if not math.isfinite(run.loss_value) else f"the gradient of {wrong[0]!r}"
            raise NonFiniteError(
                f"step {run.step + 1}, in epoch {run.epoch}: {what} is not finite. {self._origin(run)}. {ADVICE}"
            )
        self._batches.clear()

    def _origin(self, run: Run) -> str:
        for name, parameter in run.model.named_parameters():
            if not finite(parameter):
                return f"The parameter {name!r} is not finite: the step before was too long"
        for inputs, targets, randomness in self._batches:
            inputs, targets = moved(inputs, run.device), moved(targets, run.device)
            if not finite(inputs):
                return "The inputs of the batch are not finite, so the data are at fault"
            found = _first_layer(run, inputs, targets, randomness)
            if found:
                return found
        return "It did not come again when the batch was computed once more"


def _first_layer(run: Run, inputs: Any, targets: Any, randomness: Any) -> str | None:
    """Compute the batch again, and say where the first number that is not finite appears."""
    names = {module: name for name, module in run.model.named_modules()}
    seen: list[str] = []

    def look(module: Module, args: tuple[Any, ...], output: Any) -> None:
        if not seen and not all(finite(part) for part in (output if isinstance(output, tuple) else (output,))):
            seen.append(f"The first output that is not finite is that of layer {names[module]!r} ({described(module)})")

    handles = [module.register_forward_hook(look) for module in names]
    try:
        set_rng_state(randomness)
        loss = total_loss(run.loss, run.model(inputs), targets)
    finally:
        for handle in handles:
            handle.remove()
    if seen:
        return seen[0]
    if not finite(loss):
        return f"All layers are finite, the loss ({type(run.loss).__name__}) is not"
    try:
        with detect_anomaly():
            set_rng_state(randomness)
            total_loss(run.loss, run.model(inputs), targets).backward()
    except AnomalyError as error:
        return f"{error}"
    return None


def described(module: Module) -> str:
    """A layer in one line."""
    text = repr(module)
    return text if "\n" not in text else type(module).__name__


def finite(value: Any) -> bool:
    """Whether a tensor's numbers are all finite; true of anything else."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return True
    return bool(np.isfinite(on_host(value)).all())
