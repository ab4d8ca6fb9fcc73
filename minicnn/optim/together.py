"""Optimisers that change many parameters by one call of a kernel, instead of one call for each."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from minicnn_kernels import registry

from ..core import capture
from ..core import device as devices
from ..core.errors import DeviceError
from ..core.tensor import Tensor
from .captured import CapturedStep, first_step
from .optimizer import Array, Optimizer

Arrays = list[Array]


class Together(Optimizer):
    """Base of the optimisers of this package.

    Parameters go together if they have the same element type and the same past: as many steps, the same averages.
    A subclass of one of them may still define ``update``, for one parameter at a time.
    """

    def begin(self, state: dict[str, Any], param: Array, group: dict[str, Any]) -> int:
        """Fill in what is missing in the state of a parameter, and return the number of its step: 1, 2, ..."""
        raise TypeError(f"{type(self).__name__} must define begin(self, state, param, group)")

    def kernel_call(
        self, params: Arrays, grads: Arrays, state: dict[str, Arrays], step: int, group: dict[str, Any]
    ) -> tuple[Any, ...]:
        """The operation that changes the arrays ``params`` in place, and its arguments.

        ``state`` has, by name, a list of what belongs to each parameter.
        """
        raise TypeError(f"{type(self).__name__} must define kernel_call(self, params, grads, state, step, group)")

    def _update_group(self, params: list[Tensor], group: dict[str, Any]) -> None:
        if type(self).update is not Optimizer.update:
            super()._update_group(params, group)
            return
        batches: defaultdict[Any, list[tuple[Tensor, dict[str, Any]]]] = defaultdict(list)
        for param in params:
            state = self.state[param]
            known = len(state)
            with devices.beside(param._array):
                step = self.begin(state, param._array, group)
            if capture.recording is not None and len(state) != known:
                self.state.pop(param)
                raise first_step(self)
            names = tuple([name for name, value in state.items() if name != "step" and value is not None])
            where = _checked_device(param, state) if devices.in_use else devices.CPU
            batches[param._array.dtype, step, names, where].append((param, state))
        for (_, step, names, where), members in batches.items():
            batch = [param for param, _ in members]
            arrays = {name: [state[name]._array for _, state in members] for name in names}
            grads = [param.grad._array for param in batch]  # type: ignore[union-attr]
            call = self.kernel_call([param._to_change() for param in batch], grads, arrays, step, group)
            with devices.on(where.index):
                if capture.recording is None:
                    registry.call(*call)
                else:
                    CapturedStep(self, batch, group, arrays, call).record(capture.recording)


def _checked_device(param: Tensor, state: dict[str, Any]) -> devices.device:
    """Where a parameter is; its gradient and its averages must be there too."""
    where = param.device
    for name, value in [("grad", param.grad), *state.items()]:
        if name != "step" and isinstance(value, Tensor) and value.device != where:
            raise DeviceError(
                f"the optimiser's {name!r} of a parameter of shape {tuple(param.shape)} is on {value.device}, the "
                f"parameter on {where}. Fix: model.to('{where}') before the optimiser is made, or "
                "optimizer.load_state_dict(optimizer.state_dict()) after it was moved"
            )
    return where


def zeros_like(param: Array) -> Tensor:
    """What a new moving average starts from, in the layout of the parameter."""
    return Tensor._wrap(np.zeros_like(param))


def next_step(state: dict[str, Any]) -> int:
    """Count a step in ``state`` (as a tensor, as PyTorch does) and return its number: 1, 2, ..."""
    if "step" not in state:
        state["step"] = Tensor._wrap(np.zeros((), np.float32))
    state["step"]._array += 1
    return int(state["step"]._array)
