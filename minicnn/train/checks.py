"""The usual mistakes, looked for in the first steps of a training; each is a :class:`TrainingWarning` with its fix."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.grad_mode import no_grad
from ..core.tensor import Tensor
from ..nn.activation import Softmax
from ..nn.loss import CrossEntropyLoss, NLLLoss
from .batches import moved, on_host
from .callbacks import Callback
from .errors import TrainingWarning
from .evaluation import evaluation_mode
from .losses import scores_of
from .randomness import kept_randomness

if TYPE_CHECKING:
    from .loop import Run

LARGEST_MEAN, LARGEST_DEVIATION = 5.0, 10.0  # of inputs that may pass for normalised
WORSE_THAN_GUESSING = 3.0  # times ln(classes), in the first step
LONGEST_STEP = 2.0  # length of the first step, in lengths of the vector of all weights
STEPS_WATCHED = 100
DIVERGED = 4.0  # times the first loss


class Checks(Callback):
    """What :func:`fit` looks for with ``checks=True``, each at most once per training."""

    order = 8  # after every change of the batch

    def on_fit_begin(self, run: Run) -> None:
        self._told: set[str] = set()
        self._before: list[Any] = []
        self._modes: list[Any] = []
        _check_parameters(run)

    def on_epoch_begin(self, run: Run) -> None:
        self._modes = []

    def on_batch(self, run: Run, inputs: Any, targets: Any) -> tuple[Any, Any]:
        if not self._modes:
            self._modes = [module for module in run.model.modules() if module.training]
        elif not all(module.training for module in self._modes):
            self._warn(
                "mode",
                f"in epoch {run.epoch} the model is no longer in training mode: dropout drops nothing there and batch "
                "norm stands still. Something called model.eval(), a callback or the model's forward. "
                "Fix: model.train() after it, or train.evaluate, which leaves every layer as it was",
            )
        if run.step == 0 and run.batch == 0:
            self._inputs = inputs
            self._look_at_inputs(inputs)
        return inputs, targets

    def on_gradients(self, run: Run) -> None:
        if run.step == 0:
            self._look_at_outputs(run)
        if run.step == 0 or (self._before and run.step < STEPS_WATCHED):
            self._before = [p.detach().clone() for p in _trained(run)]

    def on_step_end(self, run: Run) -> None:
        if self._before:
            self._look_at_step(run)
        if run.step == 1:
            self._look_at_evaluation(run)
        if run.step <= STEPS_WATCHED:
            self._look_at_losses(run)

    def _warn(self, key: str, text: str) -> None:
        if key not in self._told:
            self._told.add(key)
            warn(text)

    # ------------------------------------------------------------------- what is looked at

    def _look_at_inputs(self, inputs: Any) -> None:
        if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or not inputs.numel():
            return
        x = np.asarray(on_host(inputs))
        mean, deviation = float(x.mean()), float(x.std())
        if not math.isfinite(mean):
            self._warn("inputs", "the first batch of inputs has NaN or infinite numbers. Fix: look at the dataset")
        elif abs(mean) > LARGEST_MEAN or deviation > LARGEST_DEVIATION:
            self._warn(
                "inputs",
                f"the inputs are not normalised: the first batch has mean {mean:.3g} and standard deviation "
                f"{deviation:.3g} (from {x.min():.3g} to {x.max():.3g}); about 0 and 1 train best. Fix: "
                "transforms.ToTensor() makes 0..255 to 0..1, and after it transforms.Normalize(mean, std) with the "
                "values of the training data",
            )

    def _look_at_outputs(self, run: Run) -> None:
        scores = on_host(run.outputs)
        if not isinstance(scores, np.ndarray) or scores.ndim < 2 or scores.dtype.kind != "f" or not scores.size:
            return
        classes = scores.shape[1]
        if isinstance(run.loss, CrossEntropyLoss) and classes > 1:
            if (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-3):
                self._warn("softmax", _softmax_before(run))
            elif run.loss_value > WORSE_THAN_GUESSING * math.log(classes):
                self._warn(
                    "first loss",
                    f"the first loss is {run.loss_value:.4g}; guessing among {classes} classes would cost "
                    f"ln({classes}) = {math.log(classes):.4g}. The scores are too large, from {scores.min():.3g} to "
                    f"{scores.max():.3g}. Fix: normalise the inputs, and initialise the layers as nn does (or "
                    "nn.init.kaiming_normal_)",
                )
        if isinstance(run.loss, NLLLoss) and (scores > 0).any():
            self._warn(
                "nll",
                "NLLLoss expects the logarithms of probabilities, which are at most 0; the largest output is "
                f"{scores.max():.3g}. Fix: nn.CrossEntropyLoss(), or nn.LogSoftmax(dim=1) as the last layer",
            )

    def _look_at_step(self, run: Run) -> None:
        if all(group["lr"] == 0 for group in run.optimizer.param_groups) or run.lr == 0:
            return  # a warm-up from 0: the next step shows it
        changed = size = 0.0
        for before, parameter in zip(self._before, _trained(run), strict=True):
            old, new = np.asarray(on_host(before), np.float64), np.asarray(on_host(parameter), np.float64)
            changed, size = changed + float(np.square(new - old).sum()), size + float(np.square(old).sum())
        self._before = []
        if changed == 0:
            self._warn(
                "unchanged",
                f"step {run.step} changed no parameter. Are all frozen (requires_grad=False), or is the loss cut off "
                "from the model (detach, .data, no_grad, item in forward)? Fix: model.requires_grad_(True), and losses "
                "computed from the model's own outputs",
            )
        elif changed > LONGEST_STEP**2 * size and size:
            self._warn(
                "lr",
                f"the learning rate {run.lr:g} is far too high: step {run.step} changed the weights by "
                f"{math.sqrt(changed / size):.2g} times their length; about 0.001 is usual. "
                f"Fix: a rate of {run.lr * 0.01 / math.sqrt(changed / size):.1g}, or train.lr_find",
            )

    def _look_at_losses(self, run: Run) -> None:
        losses = run.history.step_losses
        if len(losses) < 2:
            return
        first, recent = losses[0], sum(losses[-5:]) / len(losses[-5:])
        if not math.isfinite(first):
            self._warn("nan", f"the first loss is {first}. Fix: train.TerminateOnNaN() names the layer that made it")
        elif not recent < (DIVERGED * max(first, 0.1) if first >= 0 else math.inf):  # NaN is not less
            self._warn(
                "lr",
                f"the learning rate {run.lr:g} is far too high: the loss went from {first:.4g} to {losses[-1]:.4g} "
                f"in {len(losses)} steps. Fix: a rate of {run.lr / 10:g}, train.ClipGradients, or train.lr_find",
            )

    def _look_at_evaluation(self, run: Run) -> None:
        """Two passes in evaluation mode must agree, or some dropout is always on."""
        if not isinstance(self._inputs, Tensor):
            return
        inputs = moved(self._inputs, run.device)
        with evaluation_mode(run.model), no_grad(), kept_randomness():
            first, second = (on_host(scores_of(run.model(inputs))) for _ in range(2))
        del self._inputs
        if isinstance(first, np.ndarray) and not np.array_equal(first, second, equal_nan=True):
            self._warn(
                "random evaluation",
                "in evaluation mode the model gives other outputs for the same inputs each time, so that its "
                "results on validation data are worse than it is. Fix: F.dropout(x, p, training=self.training), or "
                "nn.Dropout, which knows the mode",
            )


def warn(text: str) -> None:
    """A warning of a usual mistake, shown at the line that called ``fit``."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("minicnn."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, TrainingWarning, stacklevel=level)


def _trained(run: Run) -> list[Tensor]:
    return [p for group in run.optimizer.param_groups for p in group["params"]]


def _check_parameters(run: Run) -> None:
    """Parameters that want a gradient, but that the optimiser does not have."""
    known = {id(p) for p in _trained(run)}
    left = [name for name, p in run.model.named_parameters() if p.requires_grad and id(p) not in known]
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        warn(
            f"the optimiser does not have the parameters {', '.join(left[:3])}{more}, which will not be trained. "
            "Fix: make the optimiser after the last layer was replaced; or freeze what shall stay (models.freeze)"
        )


def _softmax_before(run: Run) -> str:
    layers = [name for name, module in run.model.named_modules() if isinstance(module, Softmax)]
    where = f" (layer {layers[-1]!r})" if layers else ""
    return (
        f"the model's outputs are probabilities already{where}, and CrossEntropyLoss applies softmax itself: twice, it "
        "learns slowly and never becomes sure. Fix: take the Softmax out of the model, and use outputs.softmax(1) "
        "when predicting"
    )
