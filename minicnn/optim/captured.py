"""Steps of an optimiser that a CUDA graph repeats: the graph changes the weights, and Python counts the steps.

What changes from step to step, the learning rate and Adam's corrections, is told before each replay
(:mod:`minicnn.core.capture`, :mod:`minicnn_kernels.schedules`). Everything else is part of the graph; whether it is
still as it was is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minicnn_kernels import registry, schedules

from ..core.capture import Recording
from ..core.errors import CaptureError
from ..core.tensor import Tensor

if TYPE_CHECKING:
    from .optimizer import Optimizer
    from .together import Together


class CapturedStep:
    """The parameters that one call of a kernel changes, in a graph.

    Parameters
    ----------
    optimizer : Together
    params : list of Tensor
        With the same number of steps behind them.
    group : dict
        Theirs, of ``optimizer.param_groups``.
    averages : dict
        By name, the arrays of the optimiser's state.
    call : tuple
        What ``optimizer.kernel_call`` returned for this step.
    """

    def __init__(
        self,
        optimizer: Together,
        params: list[Tensor],
        group: dict[str, Any],
        averages: dict[str, Any],
        call: tuple[Any, ...],
    ) -> None:
        self.optimizer, self.params, self.group, self.averages = optimizer, params, group, averages
        self.operation, self.arguments = call[0], list(call[1:])
        self.state = optimizer.state

    def record(self, recording: Recording) -> None:
        """Launch the kernel into the graph that is being captured."""
        where = {self._device(param) for param in self.params}
        if where != {str(recording.device)}:
            raise CaptureError(
                f"{self.name}: the parameters are on {', '.join(sorted(where))}, and the graph is captured on "
                f"{recording.device}. Fix: model.to('{recording.device}') before the optimiser is made"
            )
        at = schedules.LR[self.operation]
        count = len(schedules.schedule(self.operation, self.arguments))
        numbers = recording.slot(self.params[0]._array.dtype, count, self.tell)
        arguments = [*self.arguments[:at], numbers, *self.arguments[at + 1 :]]
        kernel, why = registry.select(self.operation, tuple(arguments))
        if kernel.backend != "cupy":
            raise CaptureError(f"{self.name}: its step cannot be part of a graph: {why}")
        recording.at_the_end(self.take_back)
        kernel.function(*arguments)

    def take_back(self) -> None:
        """The capture is over, and has changed nothing: the step is not counted."""
        for param in self.params:
            if "step" in self.state[param]:
                self.state[param]["step"]._array -= 1
        before, now = self.arguments[schedules.LR[self.operation]], float(self.group["lr"])
        if now != before:
            raise CaptureError(
                f"{self.name}: the learning rate went from {before:g} to {now:g} while the step was captured; this "
                "happens once, not in each replay. Fix: scheduler.step() outside of the captured step, after the replay"
            )

    def tell(self) -> tuple[float, ...]:
        """Count a step, and return what the kernel needs to know for it."""
        self.check_memory()
        group = self.group
        for param in self.params:
            step = self.optimizer.begin(self.state[param], param._array, group)
            param._versions.count += 1
        params, grads = self.arguments[:2]
        _, *now = self.optimizer.kernel_call(params, grads, self.averages, step, group)
        self.check_options(now)
        self.optimizer._stepped = True
        return schedules.schedule(self.operation, now)

    def check_memory(self) -> None:
        """The graph reads and writes where weights and averages were when it was captured."""
        written = self.arguments[0]
        if self.optimizer.state is not self.state or any(
            param._array is not array for param, array in zip(self.params, written, strict=True)
        ):
            raise CaptureError(
                f"{self.name}: weights or averages are no longer in the memory where the graph changes them (after "
                "load_state_dict of the optimiser, model.to() or p.data = ...). Fix: capture the step anew"
            )

    def check_options(self, now: list[Any]) -> None:
        """All numbers but the learning rate and the number of the step are part of the graph."""
        free = {schedules.LR[self.operation], schedules.STEP.get(self.operation)}
        for i, (before, after) in enumerate(zip(self.arguments, now, strict=True)):
            if i not in free and isinstance(after, (int, float)) and after != before:
                raise CaptureError(
                    f"{self.name}: an option was {before} when the graph was captured and is {after} now; only the "
                    "learning rate may change. Fix: capture the step anew"
                )

    @property
    def name(self) -> str:
        """The optimiser's, for messages."""
        return type(self.optimizer).__name__

    @staticmethod
    def _device(param: Tensor) -> str:
        return str(param.device)


def first_step(optimizer: Optimizer) -> CaptureError:
    """What to raise for a step that prepares the optimiser's averages."""
    return CaptureError(
        f"{type(optimizer).__name__}: the first step of a parameter makes the averages that the next ones need, and "
        "cannot be part of a graph. Fix: do a step (or three) before the capture, as minicnn.cuda.graph(step) does"
    )


def not_together(optimizer: Optimizer) -> CaptureError:
    """What to raise for an optimiser that changes one parameter after another, in Python."""
    name = type(optimizer).__name__
    return CaptureError(
        f"{name}.update is Python: a graph would repeat it with the learning rate that it had then. Fix: "
        "capture forward and backward, and call optimizer.step() after the replay; or use one of minicnn's optimisers"
    )
