"""Which operations of a recording become one kernel call: looking at neighbours, as through a peephole.

The rules are those by which results wait for one another in a network that is not compiled
(:mod:`minicnn.core.deferred`), and the kernels are the same, so the numbers are too:

- convolution, then batch norm with fixed statistics: a scale and a shift of each channel
- convolution or batch norm, then a sum: a residual
- all of these, then ReLU, ReLU6 or clamp: bounds

A result that somebody else reads too must exist, and is not swallowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from ..core.function import Function
from ..onnx.tracing import Operation, Program, Value
from ..ops.activations import BOUNDS, Rectifier
from ..ops.arithmetic import Add
from ..ops.choosing import Clamp
from ..ops.conv import Conv2d
from ..ops.inplace import AddInto
from ..ops.normalisation import BatchNormFixed


@dataclass(eq=False)
class Fold:
    """A batch norm that became the scale and the shift of a convolution.

    Attributes
    ----------
    sources : tuple of (Value or None)
        Bias of the convolution; mean, variance, weight and bias of the batch norm.
    eps : float
    scale, shift : Value
        Made of these, anew when one of them has changed.
    """

    sources: tuple[Value | None, ...]
    eps: float
    scale: Value
    shift: Value


@dataclass(eq=False)
class Call:
    """One function call: of a kernel, known by its name, or of a Python function.

    Attributes
    ----------
    function : str or callable
    arguments : tuple
        Values, and settings, which are anything else.
    outputs : tuple of Value
    fold, residual, low, high
        The epilogue, for kernels that take one.
    made_of : Function, optional
        The operation that it began with.
    """

    function: str | Callable[..., Any]
    arguments: tuple[Any, ...]
    outputs: tuple[Value, ...]
    fold: Fold | None = None
    residual: Value | None = None
    low: float = -inf
    high: float = inf
    made_of: Function | None = None

    @property
    def open(self) -> bool:
        """Whether more can be added: a kernel with an epilogue, and no clamp yet."""
        return self.function in ("conv2d.forward", "batch_norm.normalize") and (self.low, self.high) == (-inf, inf)

    def reads(self) -> Iterable[Value]:
        """The values that the call needs."""
        yield from (a for a in self.arguments if isinstance(a, Value))
        if self.fold is not None:
            yield self.fold.scale
        if self.residual is not None:
            yield self.residual


def calls_of(program: Program) -> list[Call]:
    """The calls that compute what the program computes, in their order."""
    return _Peephole(program).run()


class _Peephole:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.users = Counter(v for operation in program.operations for v in operation.inputs if v is not None)
        self.users.update(program.outputs)
        self.calls: dict[Value, Call] = {}  # by their first result

    def run(self) -> list[Call]:
        for operation in self.program.operations:
            call = self.swallow(operation) or plain(operation)
            call.outputs = operation.outputs
            call.made_of = call.made_of or operation.function
            self.calls[operation.outputs[0]] = call
        return list(self.calls.values())

    def swallow(self, operation: Operation) -> Call | None:
        """The call that made an input, taken out of the list, with this operation added to it."""
        function, inputs = operation.function, operation.inputs
        if isinstance(function, BatchNormFixed):
            return self.scaled(operation)
        if isinstance(function, (Add, AddInto)):
            a, b = inputs
            return self.plus(a, b) or (None if function.inplace else self.plus(b, a))
        if isinstance(function, Rectifier):
            return self.clamped(inputs[0], *BOUNDS[function.kind])
        if isinstance(function, Clamp):
            low, high = _number(inputs[1], -inf), _number(inputs[2], inf)
            if low is not None and high is not None and low <= high:
                return self.clamped(inputs[0], low, high)
        return None

    def maker(self, value: Value) -> Call | None:
        """The call that made a value, if nobody else reads this and more can be added."""
        call = self.calls.get(value)
        return call if call is not None and call.open and self.users[value] == 1 else None

    def scaled(self, operation: Operation) -> Call | None:
        x, *constants = operation.inputs
        call = self.maker(x)
        if call is None or call.function != "conv2d.forward" or call.fold is not None or call.residual is not None:
            return None
        sources = (call.arguments[2], *constants)
        if x.dtype.itemsize < 4 or any(v is not None and v.array is None for v in sources):
            return None  # a scale in float16 would be too coarse; and it must not depend on the input
        scale, shift = (Value((x.shape[1],), x.dtype) for _ in range(2))
        call.fold = Fold(sources, operation.function.eps, scale, shift)
        call.arguments = (*call.arguments[:2], shift, *call.arguments[3:])
        return self.calls.pop(x)

    def plus(self, a: Value, b: Value) -> Call | None:
        call = self.maker(a)
        if call is None or call.residual is not None or a is b or (a.shape, a.dtype) != (b.shape, b.dtype):
            return None
        call.residual = b
        return self.calls.pop(a)

    def clamped(self, x: Value, low: float, high: float) -> Call | None:
        call = self.maker(x)
        if call is None:
            return None
        call.low, call.high = low, high
        return self.calls.pop(x)


def _number(limit: Value | None, end: float) -> float | None:
    """A limit of a clamp as a number; None if it is not a constant one."""
    if limit is None:
        return end
    return limit.array.item() if limit.array is not None and limit.name is None and limit.shape == () else None


def plain(operation: Operation) -> Call:
    """The call for an operation on its own."""
    function, inputs = operation.function, operation.inputs
    if isinstance(function, Conv2d):
        x, w, bias = (*inputs, None)[:3]
        return Call("conv2d.forward", (x, w, bias, function.window, function.groups), ())
    if isinstance(function, BatchNormFixed):
        return Call("batch_norm.normalize", (*inputs, function.eps), ())
    if isinstance(function, AddInto):
        return Call(np.add, inputs, ())
    if isinstance(function, Rectifier):
        return Call(again_and_again(Rectifier(function.kind), inputs), inputs, ())
    return Call(again_and_again(function, inputs), inputs, ())


def again_and_again(function: Function, inputs: tuple[Any, ...]) -> Callable[..., Any]:
    """``forward`` of a new twin of ``function`` in each call, so that calls know nothing of one another.

    A step in place works on a copy: a value never changes.
    """
    kind, copies = type(function), function.inplace
    settings = {**vars(function.again()), "needs_grad": (False,) * len(inputs)}

    def forward(*arrays: Any) -> Any:
        twin = kind.__new__(kind)
        twin.__dict__.update(settings)
        if copies:
            arrays = (arrays[0].copy(order="K"), *arrays[1:])
        return twin.forward(*arrays)

    return forward
