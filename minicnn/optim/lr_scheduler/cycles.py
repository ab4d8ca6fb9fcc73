"""Schedules that go up and down again, and take the momentum the other way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from ..optimizer import Optimizer
from .base import LRScheduler, checked_optimizer, parts_of_callable, per_group


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set the momentum, or what Adam has in its place, beta 1."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _begin_momentum(scheduler: Any, base: Any, maximum: Any, last_epoch: int) -> tuple[list[float], list[float]]:
    """Give each group its limits of the momentum, and begin at the upper one."""
    optimizer: Optimizer = scheduler.optimizer
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(
            f"{type(scheduler).__name__}: {type(optimizer).__name__} has no momentum. Fix: cycle_momentum=False"
        )
    scheduler.use_beta1 = "betas" in optimizer.defaults
    lower, upper = per_group("base_momentum", optimizer, base), per_group("max_momentum", optimizer, maximum)
    if last_epoch == -1:
        for group, low, high in zip(optimizer.param_groups, lower, upper, strict=True):
            _set_momentum(group, high)
            group["max_momentum"], group["base_momentum"] = high, low
    return lower, upper


class OneCycleLR(LRScheduler):
    r"""One cycle in a whole training: up to a large learning rate, then far down. Step after every batch.

    From ``max_lr / div_factor`` up to ``max_lr`` in the first ``pct_start`` of
    the steps, then down to ``max_lr / div_factor / final_div_factor``; the
    momentum goes from ``max_momentum`` to ``base_momentum`` and back.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float or list of float
        The highest learning rate, or one per group.
    total_steps : int, optional
        Number of steps; otherwise ``epochs * steps_per_epoch``.
    epochs, steps_per_epoch : int, optional
    pct_start : float, default 0.3
        The part of the steps that go up.
    anneal_strategy : {"cos", "linear"}, default "cos"
    cycle_momentum : bool, default True
    base_momentum, max_momentum : float or list of float, default 0.85, 0.95
    div_factor, final_div_factor : float, default 25, 1e4
    three_phase : bool, default False
        Go down as fast as up, to the initial rate, and from there to the last.
    last_epoch : int, default -1

    References
    ----------
    Smith and Topin: Super-convergence: very fast training of neural networks
    using large learning rates, 2019 (its cycle is ``three_phase=True``,
    ``anneal_strategy="linear"``).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> optimizer = optim.SGD([minicnn.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> for step in range(3):
    ...     print(round(scheduler.get_last_lr()[0], 4), round(optimizer.param_groups[0]["momentum"], 4))
    ...     optimizer.step()
    ...     scheduler.step()
    0.04 0.95
    0.52 0.9
    1.0 0.85
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked_optimizer(optimizer, self)
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch")
        counts = (epochs, steps_per_epoch) if total_steps is None else (total_steps,)
        for count in counts:
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"OneCycleLR: the numbers of steps must be integers, at least 1; got {count}")
        self.total_steps = math.prod(counts)  # type: ignore[arg-type]
        if not isinstance(pct_start, (int, float)) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be between 0 and 1; got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear'; got {anneal_strategy!r}")
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = self._phases(pct_start, three_phase)
        if last_epoch == -1:
            for group, high in zip(optimizer.param_groups, per_group("max_lr", optimizer, max_lr), strict=True):
                group["initial_lr"], group["max_lr"] = high / div_factor, high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            _begin_momentum(self, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _phases(self, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
        def phase(end: float, rates: tuple[str, str], momenta: tuple[str, str]) -> dict[str, Any]:
            return {"end_step": end, "start_lr": rates[0], "end_lr": rates[1],
                    "start_momentum": momenta[0], "end_momentum": momenta[1]}  # fmt: skip

        up, last = float(pct_start * self.total_steps), self.total_steps - 1
        first = phase(up - 1, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
        if not three_phase:
            return [first, phase(last, ("max_lr", "min_lr"), ("base_momentum", "max_momentum"))]
        return [
            first,
            phase(
                float(2 * pct_start * self.total_steps) - 2, ("max_lr", "initial_lr"), ("base_momentum", "max_momentum")
            ),
            phase(last, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum")),
        ]

    def _between(self, start: float, end: float, part: float) -> float:
        """Where ``part`` of the way from start to end is."""
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def _rates(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of a schedule of {self.total_steps} steps. "
                "Fix: total_steps = epochs * len(loader), with one scheduler.step() per batch"
            )
        begin = 0.0
        for phase in self._schedule_phases:
            if self.last_epoch <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begin = phase["end_step"]
        part = (self.last_epoch - begin) / (phase["end_step"] - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                momenta = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, self._between(*momenta, part))
        return rates


class CyclicLR(LRScheduler):
    r"""Up and down between two learning rates in straight lines. Step after every batch.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float or list of float
        The lowest and the highest learning rate, or one per group.
    step_size_up : int, default 2000
        Steps on the way up.
    step_size_down : int, optional
        Steps on the way down; as many as up unless given.
    mode : {"triangular", "triangular2", "exp_range"}, default "triangular"
        The same height always; half of it with each cycle; times ``gamma`` with each step.
    gamma : float, default 1.0
    scale_fn : callable, optional
        The height as a function of the cycle or the step, in the place of ``mode``.
    scale_mode : {"cycle", "iterations"}, default "cycle"
        What ``scale_fn`` is a function of.
    cycle_momentum : bool, default True
        Take the momentum down from ``max_momentum`` to ``base_momentum`` as the learning rate goes up.
    base_momentum, max_momentum : float or list of float, default 0.8, 0.9
    last_epoch : int, default -1

    References
    ----------
    Smith: Cyclical learning rates for training neural networks, WACV 2017.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> optimizer = optim.SGD([minicnn.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = optim.lr_scheduler.CyclicLR(optimizer, base_lr=1.0, max_lr=2.0, step_size_up=2)
    >>> for step in range(5):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [1.0] [1.5] [2.0] [1.5] [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked_optimizer(optimizer, self)
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, low in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = low
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        self.total_size = float(step_size_up) + float(step_size_up if step_size_down is None else step_size_down)
        self.step_ratio = float(step_size_up) / self.total_size
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range'; got {mode!r}")
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            limits = _begin_momentum(self, base_momentum, max_momentum, last_epoch)
            self.base_momentums, self.max_momentums = limits
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """Height of the cycle, or of the step, number ``x``."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def _rates(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle  # where in the cycle, from 0 to 1
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            limits = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in limits:
                _set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return the state; of ``scale_fn``, the attributes if it is an object, nothing if it is a function."""
        return {**super().state_dict(), "_scale_fn_custom": parts_of_callable(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a :meth:`state_dict`; ``scale_fn`` stays."""
        parts = state_dict["_scale_fn_custom"]
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        if parts is not None:
            self._scale_fn_custom.__dict__.update(parts)
