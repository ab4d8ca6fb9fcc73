"""What all schedules share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ..optimizer import Optimizer


class LRScheduler:
    """Base of the schedules.

    A subclass says in :meth:`get_lr` which learning rates follow, from
    ``self.last_epoch`` (the number of steps so far), ``self.base_lrs`` (the
    rates at the beginning) and ``self.optimizer.param_groups`` (the present
    ones). A schedule that multiplies the present rates can be combined with
    others: each does its part.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    last_epoch : int, default -1
        The last step of a training that is resumed; -1 begins anew.

    Raises
    ------
    TypeError
        If ``optimizer`` is none.
    KeyError
        If ``last_epoch`` resumes a training of which the optimiser knows nothing.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import optim
    >>> class Halving(LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * 0.5**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = optim.SGD([minicnn.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    _get_lr_called_within_step = False
    _is_initial = False  # setting the rates of epoch 0, in __init__

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked_optimizer(optimizer, self)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch} resumes a training, but group {number} of the "
                    "optimiser does not know its initial_lr. Fix: optimizer.load_state_dict(...) first"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    # ------------------------------------------------------------ what subclasses define

    def get_lr(self) -> list[float]:
        """Compute the learning rates of ``last_epoch``, one per group; to read them, use :meth:`get_last_lr`."""
        if not self._get_lr_called_within_step:
            warnings.warn("get_lr() computes new rates; to read the present ones, use get_last_lr()", stacklevel=2)
        return self._rates()

    def _rates(self) -> list[float]:
        raise TypeError(f"{type(self).__name__} must define get_lr(self), which returns one learning rate per group")

    _get_closed_form_lr: Any = None  # the rates as a function of last_epoch alone, where there is one

    # ----------------------------------------------------------------------- stepping

    def step(self, epoch: int | None = None) -> None:
        """Set the learning rates of the next epoch; call it after ``optimizer.step()``.

        Parameters
        ----------
        epoch : int, optional
            Jump to this epoch. Deprecated, as in PyTorch.
        """
        if self._step_count == 1 and not self.optimizer._stepped:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(), so the first learning rate of the schedule "
                "is never used. Fix: optimizer.step() first, then lr_scheduler.step()",
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn("step(epoch) is deprecated; call step() once per epoch", stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if epoch is not None and self._get_closed_form_lr is not None:
            self._set(self._get_closed_form_lr())
        else:
            self._set(self._computed())

    def _computed(self) -> list[float]:
        self._get_lr_called_within_step = True
        try:
            return self.get_lr()
        finally:
            self._get_lr_called_within_step = False

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = list(rates)

    def get_last_lr(self) -> list[float]:
        """Return the present learning rates, one per group."""
        return self._last_lr

    # ------------------------------------------------------------- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimiser, in PyTorch's arrangement."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a :meth:`state_dict`, of this schedule or of PyTorch's of the same name.

        Parameters
        ----------
        state_dict : dict
            The learning rates themselves are part of the optimiser's state.
        """
        self.__dict__.update(state_dict)

    def _scaled(self, factor: float) -> list[float]:
        """The present rates times ``factor``."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]


def checked_optimizer(optimizer: Any, scheduler: Any) -> Optimizer:
    """Return ``optimizer`` if it is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{type(scheduler).__name__}: the first argument is the optimiser; got {type(optimizer).__name__}"
        )
    return optimizer


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group: a list as it is, a single value repeated."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, Sequence):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(f"{name} has {len(value)} values; the optimiser has {groups} groups")
    return list(value)


def parts_of_callable(function: Any) -> dict[str, Any] | None:
    """What can be saved of a function that a schedule was given: the attributes of an object, nothing of a function."""
    return None if not hasattr(function, "__dict__") or hasattr(function, "__code__") else dict(function.__dict__)
