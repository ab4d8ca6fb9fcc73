"""What is done to gradients before a step, and to weights after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...core.grad_mode import no_grad
from ...core.tensor import Tensor
from ...nn.utils import clip_grad_norm_, clip_grad_value_
from .base import Callback

if TYPE_CHECKING:
    from ..loop import Run


class ClipGradients(Callback):
    """Bound the gradients of the optimiser's parameters before each step: their common norm, or every number of them.

    Parameters
    ----------
    max_norm : float, optional
        All gradients are scaled so that ``sqrt(sum g^2)`` is at most this (:func:`minicnn.nn.utils.clip_grad_norm_`).
    max_value : float, optional
        Every number is cut to ``[-max_value, max_value]``, before the norm is taken.

    Attributes
    ----------
    norm : float
        With ``max_norm``, the norm of the last step's gradients before clipping.

    References
    ----------
    Pascanu, Mikolov & Bengio: On the difficulty of training recurrent neural networks, 2013.

    Examples
    --------
    >>> ClipGradients(max_norm=1.0).max_norm
    1.0
    """

    def __init__(self, max_norm: float | None = None, max_value: float | None = None) -> None:
        if max_norm is None and max_value is None:
            raise ValueError("ClipGradients: give max_norm, max_value, or both")
        for name, value in (("max_norm", max_norm), ("max_value", max_value)):
            if value is not None and not value > 0:
                raise ValueError(f"ClipGradients: {name} must be above 0; got {value}")
        self.max_norm, self.max_value = max_norm, max_value
        self.norm = float("nan")

    def on_gradients(self, run: Run) -> None:
        if self.max_value is not None:
            clip_grad_value_(run.trained(), self.max_value)
        if self.max_norm is not None:
            self.norm = clip_grad_norm_(run.trained(), self.max_norm).item()


class EMA(Callback):
    r"""Exponential moving average of the weights, which is what is validated, saved as the best model, and kept.

    After every step, for parameters and for the statistics of batch norm,

    .. math:: \bar w = d \bar w + (1 - d) w, \qquad d = \min(\text{decay}, (1 + t) / (10 + t))

    in step t; the second bound lets the average follow quickly at first. The optimiser goes on with ``w``; the model
    has ``w`` again after validation, and the average at the end of the training.

    Parameters
    ----------
    decay : float, default 0.999
        The average is over the last ``1 / (1 - decay)`` steps, about.
    warmup : bool, default True
        Whether the second bound holds.

    References
    ----------
    Polyak & Juditsky: Acceleration of stochastic approximation by averaging, 1992; the bound is that of
    TensorFlow's ``ExponentialMovingAverage``.

    Examples
    --------
    >>> EMA(decay=0.99).decay_at(1), EMA(decay=0.99).decay_at(10_000)
    (0.18181818181818182, 0.99)
    """

    order = 5

    def __init__(self, decay: float = 0.999, warmup: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay must be at least 0 and less than 1; got {decay}")
        self.decay, self.warmup = decay, warmup

    def decay_at(self, step: int) -> float:
        """d of a step."""
        return min(self.decay, (1 + step) / (10 + step)) if self.warmup else self.decay

    def on_fit_begin(self, run: Run) -> None:
        self.average = {name: value.clone() for name, value in run.model.state_dict().items()}

    @no_grad()
    def on_step_end(self, run: Run) -> None:
        weight = 1 - self.decay_at(run.step)
        for name, value in run.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, weight)
            else:  # such as the number of batches that a batch norm has seen
                self.average[name].copy_(value)

    @contextmanager
    def evaluating(self, run: Run) -> Iterator[None]:
        own: dict[str, Tensor] = {name: value.clone() for name, value in run.model.state_dict().items()}
        run.model.load_state_dict(self.average)
        try:
            yield
        finally:
            run.model.load_state_dict(own)

    def on_fit_end(self, run: Run) -> None:
        run.model.load_state_dict(self.average)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state["average"].items():  # into what on_fit_begin made, where the model is
            self.average[name].copy_(value)
