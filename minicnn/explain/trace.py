"""One forward pass, watched: which layers were called, which operations ran in them, and what they made.

The pass is a real one. Hooks mark where layers begin and end, the record of :mod:`minicnn.core.recording` says what
was computed in between, and each operation is looked at and let go of as soon as the next layer begins or ends, so
that watching takes no more memory than the pass itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from math import prod
from threading import get_ident
from typing import Any

from ..core.function import Function
from ..core.grad_mode import no_grad
from ..core.layer_stack import stack
from ..core.recording import Step, record
from ..core.tensor import Tensor
from ..nn import Dropout, Dropout1d, Dropout2d, Module
from .costs import factors
from .field import Field
from .follow import Sees, shape_of
from .formulas import flattens, size_formula
from .memory import Memory, Notes
from .state import left_as_found

Shape = tuple[int, ...]


@dataclass
class Operation:
    """One operation that ran.

    Attributes
    ----------
    function : Function
        With its settings.
    name : str
    layer : Module
        The innermost layer it ran in.
    inputs, outputs : list of tuple
        Shapes.
    sees, saw : dict
        (number of the image, axis) -> field, of the result and of the first input.
    factors : list of int
        Their product is the number of multiply-adds.
    bytes : int
        New memory taken by its results.
    formula : str
        Where the size of the output comes from.
    number : int
        In the order in which operations ran.
    sources : list of int
        The operations that made the inputs, by number; -1 is the model's first input, -2 the second ...
    """

    function: Function
    name: str
    layer: Module
    inputs: list[Shape]
    outputs: list[Shape]
    sees: Sees
    saw: Sees
    factors: list[int]
    bytes: int
    formula: str
    number: int
    sources: list[int]

    @property
    def mult_adds(self) -> int:
        return prod(self.factors) if self.factors else 0


@dataclass
class Call:
    """One call of a layer: its shapes, and the calls and operations inside, in the order in which they ran.

    Inputs and outputs have sources: the numbers of the operations that made them. A dropout layer that lets
    everything pass has a number as if it were an operation.
    """

    module: Module
    inputs: list[Shape]
    outputs: list[Shape] = field(default_factory=list)
    sees: Sees = field(default_factory=dict)
    items: list[Call | Operation] = field(default_factory=list)
    finished: bool = False
    sources: list[int] = field(default_factory=list)
    made_by: list[int] = field(default_factory=list)
    number: int | None = None

    def operations(self) -> Iterator[Operation]:
        """All operations that ran inside, at any depth."""
        for item in self.items:
            if isinstance(item, Call):
                yield from item.operations()
            else:
                yield item


NAMES = {"GetItem": "getitem", "SetItem": "setitem", "PReLU": "prelu", "MatMul": "matmul", "AddInto": "add_"}
NAMES |= {"ConvGradInput": "conv_transpose2d", "BatchNormFixed": "batch_norm", "PadConstant": "pad"}


def name_of(step: Step) -> str:
    """An operation's name as a program writes it: ``conv2d``, ``add``, ``flatten``."""
    name = step.function.operation
    if name == "Reshape" and flattens(step):
        return "flatten"
    if name in NAMES:
        return NAMES[name]
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def tensors(value: Any) -> list[Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [t for item in inside for t in tensors(item)]


def shapes(value: Any) -> list[Shape]:
    return [tuple(t.shape) for t in tensors(value)]


class Trace:
    """Watches one forward pass of a model.

    Attributes
    ----------
    root : Call or None
        The call of the model itself, with everything that ran inside.
    elsewhere : bool
        Layers ran in other threads too, where operations are not written down.
    """

    def __init__(self, model: Module) -> None:
        self.model = model
        self.root: Call | None = None
        self.elsewhere = False
        self._thread = get_ident()
        self._layers = set(map(id, model.modules()))
        self._open: list[Call] = []
        self._steps: list[Step] = []
        self._memory = Memory()
        self._made: Notes[int] = Notes()
        self._numbers = count()
        self._outside = 0  # layers that were running around the model
        self._over = False

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any], mode: str) -> Any:
        """Call the model and watch; the model is left as it was found."""
        for number, image in enumerate(tensors((args, kwargs))):
            self._memory.enter(image, self._image(number, image))
            self._made.put(image, -1 - number)
        self._outside = len(stack.modules)
        handles = []
        with left_as_found(self.model, mode), no_grad(), record() as self._steps:
            try:
                for module in self.model.modules():
                    handles.append(module.register_forward_pre_hook(self._begin, prepend=True, with_kwargs=True))
                    handles.append(module.register_forward_hook(self._end, with_kwargs=True))
                return self.model(*args, **kwargs)
            finally:
                for handle in handles:
                    handle.remove()
                self._look()

    @staticmethod
    def _image(number: int, t: Tensor) -> Sees:
        """An input (N, C, H, W) or (C, H, W) is an image: its pixels see themselves."""
        if t.ndim not in (3, 4):
            return {}
        dims = (t.ndim - 2, t.ndim - 1)
        return {(number, axis): Field(t.shape[dim], dim, t.shape[dim]) for axis, dim in enumerate(dims)}

    def _running(self) -> list[Module]:
        """The layers of the model that are running, the outermost first."""
        return [module for module in stack.modules[self._outside :] if id(module) in self._layers]

    def _begin(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if get_ident() != self._thread:
            self.elsewhere = True
            return
        self._look()
        running = self._running()
        if self.root is not None and len(running) == 1:
            self._over = True  # the pass has failed, and the model is looking for a size that it takes
        if self._over:
            return
        del self._open[len(running) - 1 :]  # calls that ended with an error
        call = Call(module, shapes((args, kwargs)), sources=self._sources(tensors((args, kwargs))))
        if self._open:
            self._open[-1].items.append(call)
        else:
            self.root = call
        self._open.append(call)

    def _end(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if get_ident() != self._thread:
            return
        self._look()
        if self._over:
            return
        del self._open[len(self._running()) :]
        call = self._open.pop()
        call.outputs, call.finished = shapes(output), True
        if call.outputs:
            call.sees = self._memory.sees(tensors(output)[0])
        if not call.items and isinstance(module, (Dropout, Dropout1d, Dropout2d)):
            call.number = next(self._numbers)
            self._make(tensors(output), call.number)
        call.made_by = self._sources(tensors(output))

    def _sources(self, inputs: Iterable[Tensor | None]) -> list[int]:
        """The numbers of the operations that made them, as far as the model did."""
        found = (None if t is None else self._made.get(t) for t in inputs)
        return [number for number in found if number is not None]

    def _make(self, outputs: Iterable[Tensor], number: int) -> None:
        for t in outputs:
            self._made.put(t, number)

    def _look(self) -> None:
        """Take the operations since the last call or return of a layer into account, and let go of them."""
        for step in self._steps:
            inside = [module for module in step.modules[self._outside :] if id(module) in self._layers]
            if self._over or not inside:
                continue
            saw = next((self._memory.sees(x) for x in step.inputs if x is not None), {})
            taken = self._memory.follow(step)
            sources, number = self._sources(step.inputs), next(self._numbers)
            self._make(step.outputs, number)
            self._open[len(inside) - 1].items.append(
                Operation(
                    step.function,
                    name_of(step),
                    step.modules[-1],
                    [shape_of(step, i) for i, x in enumerate(step.inputs) if x is not None],
                    shapes([t for t in step.outputs if t.is_floating_point()] or step.outputs),  # without indices
                    self._memory.sees(step.outputs[0]),
                    saw,
                    factors(step.function, step),
                    taken,
                    size_formula(step.function, step),
                    number,
                    sources,
                )
            )
        self._steps.clear()
