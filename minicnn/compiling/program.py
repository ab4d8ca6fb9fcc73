"""A recording as a list of function calls, which is replayed on other inputs.

All values live in one list of slots: inputs, parameters, settings, results. A step takes its arguments from some slots
and puts its result into another one; slots that nobody reads any more are emptied, so that the memory of a
result serves the next ones. That is all that happens between two kernels::

    for function, arguments, result, last_reads in steps:
        slots[result] = function(*arguments(slots))
        for slot in last_reads:
            slots[slot] = None
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import inf
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.registry import active_backend, select
from minicnn_kernels.stages import launchers

from ..core.tensor import Tensor
from ..onnx.tracing import Program as Recording
from ..onnx.tracing import Value
from .folding import Folded
from .peephole import Call, calls_of
from .planning import Plan
from .slicing import Slices, plan_batch
from .watching import Watched, may_be_read_unseen


class StaleError(Exception):
    """A tensor of the model has another shape or type than in the recording, or was used unseen and is another one."""


class Step(NamedTuple):
    """One call, by slots."""

    function: Any  # the name of a kernel that is still to be selected, or what is called
    arguments: Any  # the slots, or what takes them out of the list of all
    result: int
    last_reads: tuple[int, ...] = ()


class Program:
    """The calls that compute what a recording did, on any input of its shape and type.

    Kernels are selected in the first run, by the backend that is active then.

    Parameters
    ----------
    recording : minicnn.onnx.tracing.Program
    members : dict
        The tensors of the model by their names; their numbers are read in each run.
    """

    def __init__(self, recording: Recording, members: dict[str, Tensor]) -> None:
        self.template: list[Any] = []  # settings and constants in their slots, None in the others
        self._slots: dict[Value, int] = {}
        self._known: dict[str, Tensor] = members
        self.members: list[tuple[int, Tensor, tuple[int, ...], np.dtype[Any]]] = []
        self.inputs = [self._slot(v) for v in recording.inputs]
        self.folds: list[Folded] = []
        listing: list[Step] = []
        self._calls, self._ends = calls_of(recording), [0]  # after each call, how many steps there are
        for call in self._calls:
            self._write(call, listing)
            self._ends.append(len(listing))
        self.outputs = [self._slot(v) for v in recording.outputs]
        self._listing = self._with_last_reads(listing)
        self._steps: list[Step] | None = None
        self._recording = recording
        self._plan: Plan | None = None
        self._turn = threading.Lock()  # held by who uses the plan
        self._shared: list[int] = []
        read = {v.name for operation in recording.operations for v in operation.inputs if v is not None}
        self.watched = [Watched(t) for name, t in members.items() if name not in read and may_be_read_unseen(name, t)]

    def __len__(self) -> int:
        return len(self._listing)

    def _slot(self, what: Any) -> int:
        """Where a value is, or a new place for a setting."""
        if not isinstance(what, Value):
            self.template.append(what)
            return len(self.template) - 1
        slot = self._slots.get(what)
        if slot is None:
            slot = self._slots[what] = len(self.template)
            self.template.append(what.array if what.name is None else None)
            if what.name is not None:
                self.members.append((slot, self._known[what.name], what.shape, what.dtype))
        return slot

    def _write(self, call: Call, listing: list[Step]) -> None:
        """Append the steps of a call."""
        arguments = [self._slot(a) for a in call.arguments]
        if call.fold is not None or call.residual is not None:
            scale = None if call.fold is None else call.fold.scale
            if call.fold is not None:
                sources = [None if v is None else self._known[v.name] if v.name else v.array for v in call.fold.sources]
                places = self._slot(call.fold.scale), self._slot(call.fold.shift)
                self.folds.append(Folded(sources, call.fold.eps, call.fold.scale.dtype, places))
            arguments.append(self._slot(None))
            parts = (scale, call.residual, call.low, call.high)
            listing.append(Step(Epilogue, [self._slot(part) for part in parts], arguments[-1]))
        elif (call.low, call.high) != (-inf, inf):
            arguments.append(self._slot(Epilogue(None, None, call.low, call.high)))
        if len(call.outputs) == 1:
            listing.append(Step(call.function, arguments, self._slot(call.outputs[0])))
            return
        together = self._slot(None)
        listing.append(Step(call.function, arguments, together))
        for i, output in enumerate(call.outputs):
            listing.append(Step(itemgetter(i), [together], self._slot(output)))

    def _with_last_reads(self, listing: list[Step]) -> list[Step]:
        """The same steps, each with the results that no later step reads."""
        results = {step.result for step in listing}
        done, read = [], set(self.outputs)
        for step in reversed(listing):
            last = results.intersection((step.result, *step.arguments)) - read
            read |= last
            done.append(step._replace(last_reads=tuple(sorted(last))))
        return done[::-1]

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """The outputs for other inputs."""
        for watched in self.watched:
            if watched.changed():
                raise StaleError
        plan = self._plan
        if plan is not None and plan.takes(arrays) and self._turn.acquire(False):
            try:
                if not plan.current():
                    plan = self._plan = self._up_to_date(plan, arrays)
                return plan.run(arrays) if plan.complete else self._by_plan(plan, arrays)
            finally:
                self._turn.release()
        slots = self._filled(arrays)
        if self._steps is None:
            with np.errstate(all="ignore"):
                self._steps = self._first_run(slots)
            if active_backend() in launchers:
                plan = self._planned(arrays)
                self._plan = plan if len(plan) else None
        else:
            self._run_steps(self._steps, slots)
        results = [slots[slot] for slot in self.outputs]
        for i in self._shared:  # constants, which the caller may change
            results[i] = results[i].copy(order="K")
        return results

    def _check_members(self) -> None:
        for _, tensor, shape, dtype in self.members:
            if tensor._array.shape != shape or tensor._array.dtype != dtype:
                raise StaleError

    def _filled(self, arrays: Sequence[Any]) -> list[Any]:
        """Slots with the inputs, and the tensors of the model as they are now."""
        self._check_members()
        slots = self.template.copy()
        for slot, array in zip(self.inputs, arrays, strict=True):
            slots[slot] = array
        for slot, tensor, _, _ in self.members:
            slots[slot] = tensor._array
        for fold in self.folds:
            fold.fill(slots)
        return slots

    @staticmethod
    @np.errstate(all="ignore")  # infinities and NaN are values
    def _run_steps(steps: Sequence[Step], slots: list[Any]) -> None:
        for function, arguments, result, last_reads in steps:
            slots[result] = function(*arguments(slots))
            for slot in last_reads:
                slots[slot] = None

    def _planned(self, arrays: Sequence[Any]) -> Plan:
        """The calls as stages, as far as the backend has some for them."""
        folds = {}
        folded = [call.fold for call in self._calls if call.fold is not None]
        for fold, numbers in zip(folded, self.folds, strict=True):
            folds[fold.scale], folds[fold.shift] = numbers.numbers
        inputs = list(zip(self._recording.inputs, arrays, strict=True))
        described = inputs, self._calls, self._recording.outputs, self._known, folds
        plan, batch = Plan(*described), plan_batch(self._recording, self._calls)
        if plan.complete and batch > 1:
            slices = Slices.near(self._calls, self._recording.outputs, batch)
            if slices.several:
                plan = Plan(*described, slices)
        return plan

    def _up_to_date(self, plan: Plan, arrays: Sequence[Any]) -> Plan:
        """The plan for the tensors of the model as they are now."""
        self._check_members()
        for fold in self.folds:
            fold.update()
        if not plan.holds():
            plan = self._planned(arrays)
        plan.prepare()
        return plan

    def _by_plan(self, plan: Plan, arrays: Sequence[Any]) -> list[Any]:
        """Run the stages, and the steps of those calls that have none."""
        slots, steps = self._filled(arrays), self._steps or []

        def foreign(i: int, fetched: dict[Value, Any]) -> dict[Value, Any]:
            for value, array in fetched.items():
                slots[self._slots[value]] = array
            self._run_steps(steps[self._ends[i] : self._ends[i + 1]], slots)
            return {value: slots[self._slots[value]] for value in plan.put.get(i, ())}

        made = dict(zip(plan.outputs, plan.run(arrays, foreign), strict=True))
        results = []
        for i, (value, slot) in enumerate(zip(self._recording.outputs, self.outputs, strict=True)):
            x = made[value] if value in made else slots[slot]
            shared = i in self._shared or np.may_share_memory(x, plan.arena)
            results.append(x.copy(order="K") if shared else x)
        return results

    def rest(self) -> None:
        """Give back the memory that is kept for the next run, unless it is in use at this moment."""
        if self._plan is not None and self._turn.acquire(False):
            self._plan.rest()
            self._turn.release()

    def _first_run(self, slots: list[Any]) -> list[Step]:
        """Run step by step, to select the kernels; the steps with these."""
        steps = []
        for function, places, result, last_reads in self._listing:
            arguments = _taker(places)
            if isinstance(function, str):
                function = select(function, arguments(slots))[0].function
            slots[result] = function(*arguments(slots))
            steps.append(Step(function, arguments, result, last_reads))
        constants = [what for what in self.template if isinstance(what, np.ndarray)]
        for i, slot in enumerate(self.outputs):
            if any(np.may_share_memory(slots[slot], constant) for constant in constants):
                self._shared.append(i)
        return steps


def _taker(places: Sequence[int]) -> Callable[[list[Any]], tuple[Any, ...]]:
    """What takes these items out of a list, as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    place = slice(places[0], places[0] + 1) if places else slice(0)
    return itemgetter(place)  # a list of one
