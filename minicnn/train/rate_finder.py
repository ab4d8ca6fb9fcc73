"""The learning-rate range test: one short training in which the rate grows, to see where it is good."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.figure import new_figure
from ..core.grad_mode import no_grad
from ..nn.module import Module
from ..optim import Optimizer
from .batches import check_data, kept_order, moved, split_batch
from .losses import Loss, choose_loss, total_loss
from .randomness import kept_randomness

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LRFindResult:
    """What :func:`lr_find` found.

    Attributes
    ----------
    lrs : list of float
        The rate of every step.
    losses : list of float
        Its loss, before the step.
    smoothed : list of float
        The exponentially averaged loss.
    suggestion : float or None
        The rate at which the smoothed loss falls fastest over the logarithm of the rate; None if it falls nowhere.
    """

    def __init__(self, lrs: list[float], losses: list[float], smoothing: float) -> None:
        self.lrs, self.losses = lrs, losses
        self.smoothed = smooth(losses, smoothing)
        self.suggestion = steepest(lrs, self.smoothed)

    def __repr__(self) -> str:
        found = "none" if self.suggestion is None else f"{self.suggestion:.2g}"
        return f"LRFindResult(suggestion={found}, {len(self.lrs)} steps from {self.lrs[0]:.2g} to {self.lrs[-1]:.2g})"

    def plot(self) -> Figure:
        """Draw the loss over the rate, with the suggestion marked.

        Returns
        -------
        matplotlib.figure.Figure
        """
        figure = new_figure(7, 4)
        ax = figure.subplots()
        ax.plot(self.lrs, self.losses, linewidth=0.5, alpha=0.5, label="each step")
        ax.plot(self.lrs, self.smoothed, label="smoothed")
        if self.suggestion is not None:
            ax.axvline(self.suggestion, color="black", linestyle=":", label=f"suggestion: {self.suggestion:.2g}")
        low, high = min(self.smoothed), self.smoothed[0]
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(low - 0.1 * (high - low), 2 * high - low))
        ax.legend()
        return figure


def lr_find(
    model: Module,
    train: Iterable[Any],
    optimizer: Optimizer,
    *,
    loss: Loss | None = None,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_steps: int = 100,
    smoothing: float = 0.9,
    diverged: float = 4.0,
    device: Any = None,
) -> LRFindResult:
    r"""Look for a good learning rate: train a few steps while the rate grows, and see where the loss falls fastest.

    In step t = 0, 1, ..., T - 1 the rate is :math:`\text{start} (\text{end}/\text{start})^{t/(T-1)}`. It ends early
    when the smoothed loss exceeds ``diverged`` times its minimum. With several groups of parameters the first group
    has that rate, and the others keep their ratio to it. Afterwards model, optimiser and random numbers are as before.

    Parameters
    ----------
    model : Module
    train : DataLoader, or another iterable of batches (inputs, targets)
        Begun anew when it ends before ``num_steps``.
    optimizer : Optimizer
        Of the model's parameters.
    loss : callable, optional
        As for :func:`fit`; cross-entropy unless given.
    start_lr, end_lr : float, default 1e-7 and 10
    num_steps : int, default 100
    smoothing : float, default 0.9
        Part of the old average that remains in each step.
    diverged : float, default 4
    device : device or str, optional
        Where to compute; default: where the model is.

    Returns
    -------
    LRFindResult
        ``.suggestion``, ``.plot()``.

    References
    ----------
    Smith: Cyclical learning rates for training neural networks, 2017, section 3.3; that the rate grows exponentially,
    and that the steepest point is taken, are customs that came after it.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn, optim
    >>> _ = minicnn.manual_seed(0)
    >>> x = minicnn.randn(64, 2)
    >>> model = nn.Linear(2, 2)
    >>> found = lr_find(model, [(x, (x[:, 0] > 0).long())], optim.SGD(model.parameters(), lr=0.1), end_lr=100.0)
    >>> 0.01 < found.suggestion < 100
    True
    """
    _check(start_lr, end_lr, num_steps, smoothing)
    check_data(train, "lr_find")
    loss = choose_loss(loss, 0.0)
    if device is not None:
        model.to(device)
    lrs = np.geomspace(start_lr, end_lr, num_steps).tolist()
    ratios = [group["lr"] / (optimizer.param_groups[0]["lr"] or 1.0) for group in optimizer.param_groups]
    losses: list[float] = []
    with kept_order(train), kept_randomness(), kept_weights(model, optimizer):
        model.train()
        for lr, batch in zip(lrs, _endless(train), strict=False):
            for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
                group["lr"] = lr * ratio
            inputs, targets = (moved(part, device) for part in split_batch(batch, "lr_find"))
            optimizer.zero_grad()
            value = total_loss(loss, model(inputs), targets)
            value.backward()
            optimizer.step()
            losses.append(value.item())
            smoothed = smooth(losses, smoothing)
            if not np.isfinite(losses[-1]) or smoothed[-1] > diverged * min(smoothed):
                break
    if losses and not np.isfinite(losses[-1]):
        losses.pop()
    if len(losses) < 2:
        raise ValueError(
            f"lr_find: only {len(losses)} steps had a finite loss, too few to see anything. Fix: a smaller start_lr "
            f"than {start_lr:g}, and inputs that are normalised"
        )
    return LRFindResult(lrs[: len(losses)], losses, smoothing)


def smooth(values: list[float], smoothing: float) -> list[float]:
    """Exponential average that makes up for its start: a_t = (s*a_(t-1) + (1-s)*v_t), divided by 1 - s^t."""
    average, found = 0.0, []
    for t, value in enumerate(values, 1):
        average = smoothing * average + (1 - smoothing) * value
        found.append(average / (1 - smoothing**t))
    return found


def steepest(lrs: list[float], losses: list[float]) -> float | None:
    """The rate, before the minimum, at which the loss falls fastest over the logarithm of the rate."""
    end = int(np.argmin(losses)) + 1
    if end < 3:
        return None
    slopes = np.gradient(losses[:end], np.log(lrs[:end]))
    return lrs[int(np.argmin(slopes))] if slopes.min() < 0 else None


@contextmanager
def kept_weights(model: Module, optimizer: Optimizer) -> Iterator[None]:
    """After the block, model and optimiser are as they were."""
    weights = [(t, t.detach().clone()) for t in (*model.parameters(), *model.buffers())]
    modes = [(module, module.training) for module in model.modules()]
    grads = [(p, p.grad) for p in model.parameters()]
    state = copy.deepcopy(optimizer.state_dict())
    try:
        yield
    finally:
        with no_grad():
            for tensor, value in weights:
                tensor.copy_(value)
        for module, training in modes:
            module.training = training
        for parameter, grad in grads:
            parameter.grad = grad
        optimizer.load_state_dict(state)


def _endless(data: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in data:
            empty = False
            yield batch
        if empty:
            raise ValueError("lr_find: the data gave no batch. Is the dataset empty, or smaller than a batch?")


def _check(start_lr: float, end_lr: float, num_steps: int, smoothing: float) -> None:
    if not 0 < start_lr < end_lr:
        raise ValueError(f"lr_find: expected 0 < start_lr < end_lr; got start_lr={start_lr} and end_lr={end_lr}")
    if isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 10:
        raise ValueError(f"lr_find: num_steps must be a whole number from 10 on; got {num_steps!r}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"lr_find: smoothing must be at least 0 and less than 1; got {smoothing}")
