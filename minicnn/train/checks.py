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
from .batches import moved, on_host
from .callbacks import Callback
from .errors import TrainingWarning
from .evaluation import evaluation_mode
from .losses import averages, is_cross_entropy, is_nll, scores_of
from .randomness import kept_randomness

if TYPE_CHECKING:
    from .loop import Run

LARGEST_MEAN, LARGEST_DEVIATION = 5.0, 10.0  # of inputs that may pass for normalised
WORSE_THAN_GUESSING = 3.0  # times ln(classes), in the first step
LONGEST_STEP = 2.0  # lengths of the vector of all weights; from tiny ones it may be right, so the loss must grow too
STEPS_WATCHED = 100
RECENT = 5  # steps, whose mean loss is looked at: a single small batch tells little
DIVERGED = 4.0  # times the first loss, or that of guessing
DIVERGED_UNKNOWN_SCALE = 10.0  # times the largest of the first RECENT losses, where guessing has no known cost


class Checks(Callback):
    """What :func:`fit` looks for with ``checks=True``, each at most once per training."""

    order = 8  # after every change of the batch

    def on_fit_begin(self, run: Run) -> None:
        self._told: set[str] = set()
        self._before: list[Any] = []
        self._modes: list[Any] = []
        self._long_step: tuple[int, float] | None = None  # its number, and how long it was
        self._guessing = 0.0
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
            self._before = [p.detach().clone() for p in run.trained()]

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
        if is_cross_entropy(run.loss) and classes > 1:
            self._guessing = math.log(classes)
            if (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-3):
                self._warn("softmax", _softmax_before(run))
            elif averages(run.loss) and run.loss_value > WORSE_THAN_GUESSING * self._guessing:
                self._warn(
                    "first loss",
                    f"the first loss is {run.loss_value:.4g}; guessing among {classes} classes would cost "
                    f"ln({classes}) = {self._guessing:.4g}. The scores are too large, from {scores.min():.3g} to "
                    f"{scores.max():.3g}. Fix: normalise the inputs, and initialise the layers as nn does (or "
                    "nn.init.kaiming_normal_)",
                )
        if is_nll(run.loss) and (scores > 0).any():
            self._warn(
                "nll",
                "NLLLoss expects the logarithms of probabilities, which are at most 0; the largest output is "
                f"{scores.max():.3g}. Fix: nn.CrossEntropyLoss(), or nn.LogSoftmax(dim=1) as the last layer",
            )

    def _look_at_step(self, run: Run) -> None:
        if all(group["lr"] == 0 for group in run.optimizer.param_groups) or run.lr == 0:
            return  # a warm-up from 0: the next step shows it
        changed = size = 0.0
        for before, parameter in zip(self._before, run.trained(), strict=True):
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
            self._long_step = run.step, math.sqrt(changed / size)

    def _look_at_losses(self, run: Run) -> None:
        losses = run.history.step_losses
        if len(losses) < 2:
            return
        first, (step, length) = losses[0], self._long_step or (0, 0.0)
        if not math.isfinite(first):
            self._warn("nan", f"the first loss is {first}. Fix: train.TerminateOnNaN() names the layer that made it")
        elif step and len(losses) == step + 1 and losses[-1] > DIVERGED * max(losses[-2], self._guessing or math.inf):
            self._warn(
                "lr",
                f"the learning rate {run.lr:g} is far too high: step {step} changed the weights by {length:.2g} times "
                f"their length (about 0.001 is usual), and the loss went from {losses[-2]:.4g} to {losses[-1]:.4g}. "
                f"Fix: a rate of {run.lr * 0.01 / length:.1g}, or train.lr_find",
            )
        elif self._diverged(run, losses):
            self._warn(
                "lr",
                f"the learning rate {run.lr:g} is far too high: the loss went from {first:.4g} to {losses[-1]:.4g} "
                f"in {len(losses)} steps. Fix: a rate of {run.lr / 10:g}, train.ClipGradients, or train.lr_find",
            )

    def _diverged(self, run: Run, losses: list[float]) -> bool:
        if not math.isfinite(losses[-1]):
            return True
        if self._guessing and averages(run.loss):
            scale, factor, enough = max(losses[0], self._guessing), DIVERGED, RECENT
        else:
            scale, factor, enough = max(losses[:RECENT]), DIVERGED_UNKNOWN_SCALE, 2 * RECENT
        if len(losses) < enough or scale <= 0:  # below 0 a loss has no scale that one could know
            return False
        return sum(losses[-RECENT:]) / RECENT > factor * scale

    def _look_at_evaluation(self, run: Run) -> None:
        """Two passes in evaluation mode must agree, or some dropout is always on."""
        if not isinstance(self._inputs, Tensor):
            return
        inputs = moved(self._inputs, run.device)
        with evaluation_mode(run.model), no_grad(), kept_randomness():
            first, second = (on_host(scores_of(run.model(inputs))) for _ in range(2))
        del self._inputs
        if not isinstance(first, np.ndarray) or first.dtype.kind != "f" or not np.isfinite(first).all():
            return
        if not np.allclose(first, second, rtol=0, atol=1e-3 * float(np.abs(first).max(initial=0))):
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


def _check_parameters(run: Run) -> None:
    """Parameters that want a gradient, but that the optimiser does not have."""
    known = {id(p) for p in run.trained()}
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
