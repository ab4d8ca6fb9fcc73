"""A training step that is captured by itself, for each shape of its arguments, and then replayed."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core import device as devices
from ..core.device import check_device, device, placed
from ..core.grad_mode import is_grad_enabled
from ..core.tensor import Tensor


class Captured(NamedTuple):
    """A graph, the tensors that it reads, and what the step returned: it writes there."""

    graph: Any
    inputs: list[Tensor]
    results: Any


class Place(NamedTuple):
    """Where a tensor was in the arguments."""

    number: int


class GraphedStep:
    """What :func:`minicnn.cuda.graph` makes of a function.

    Attributes
    ----------
    captures : int
        How many graphs there are.
    """

    def __init__(self, step: Callable[..., Any], capture: Callable[..., Any], warmup: int, graphs: int) -> None:
        for name, value, least in (("warmup", warmup, 0), ("graphs", graphs, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"graph: {name} must be a whole number from {least} on; got {value!r}")
        check_device("cuda")
        self._step, self._capture, self._warmup, self._most = step, capture, warmup, graphs
        self._seen: Counter[Any] = Counter()
        self._graphs: dict[Any, Captured] = {}
        functools.update_wrapper(self, step)

    @property
    def captures(self) -> int:
        return len(self._graphs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do the step: itself the first times, then by its graph."""
        tensors: list[Tensor] = []

        def note(t: Tensor) -> Place:
            if t.requires_grad:
                raise ValueError(
                    "an argument of a captured step requires a gradient, which would not arrive at the tensor that "
                    "was given. Fix: x.detach(); or take it from outside of the step, as the model's parameters are"
                )
            tensors.append(t)
            return Place(len(tensors) - 1)

        form = mapped((args, kwargs), note)
        where = next((t.device for t in tensors if t.is_cuda), None) or check_device("cuda")
        numbers = tuple((t.shape, t.dtype) for t in tensors)
        key = identity(form), numbers, where, is_grad_enabled(), mode(self._step)
        with devices.on(where.index):
            known = self._graphs.get(key)
            if known is None:
                self._seen[key] += 1
                if self._seen[key] <= self._warmup or len(self._graphs) == self._most:
                    return mapped(self._do(form, [on_gpu(t, where) for t in tensors]), Tensor.detach)
                known = self._graphs[key] = self._record(form, [on_gpu(t, where) for t in tensors])
            for static, t in zip(known.inputs, tensors, strict=True):
                static._array[...] = placed(t._array, where)
            known.graph.replay()
            return mapped(known.results, lambda t: Tensor._wrap(t._array.copy()))

    def _do(self, form: Any, tensors: list[Tensor]) -> Any:
        args, kwargs = filled(form, tensors)
        return self._step(*args, **kwargs)

    def _record(self, form: Any, tensors: list[Tensor]) -> Captured:
        """Capture the step, with memory of its own for its arguments."""
        inputs = [Tensor._wrap(np.copy(t._array)) for t in tensors]

        def step() -> Any:
            return mapped(self._do(form, inputs), lambda t: Tensor._wrap(t._array))  # what waits is computed

        graph, results = self._capture(step)
        return Captured(graph, inputs, results)


def mode(step: Any) -> tuple[bool, ...]:
    """Of a step that is a module, or a method of one: which of its modules are in training."""
    module = getattr(step, "__self__", step)
    return tuple([part.training for part in module.modules()]) if hasattr(module, "modules") else ()


def on_gpu(t: Tensor, where: device) -> Tensor:
    """The tensor, on the GPU."""
    return t if t.device == where else t.to(where)


def mapped(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """Lists, tuples and dictionaries with ``function`` of each tensor in them."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, (list, tuple)):
        parts = [mapped(part, function) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        return {name: mapped(part, function) for name, part in tree.items()}
    return tree


def filled(tree: Any, tensors: list[Tensor]) -> Any:
    """Put tensors into their places."""
    if isinstance(tree, Place):
        return tensors[tree.number]
    if isinstance(tree, (list, tuple)):
        parts = [filled(part, tensors) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        return {name: filled(part, tensors) for name, part in tree.items()}
    return tree


def identity(tree: Any) -> Any:
    """What tells one structure of arguments from another: equal if the step does the same with both."""
    if isinstance(tree, (list, tuple)):
        return type(tree), tuple(identity(part) for part in tree)
    if isinstance(tree, dict):
        return dict, tuple((name, identity(part)) for name, part in tree.items())
    try:
        hash(tree)
    except TypeError:
        raise TypeError(
            f"an argument of a captured step is a {type(tree).__name__}, and would be part of the graph as it is now. "
            "Fix: a tensor, torch.as_tensor(x), whose numbers may change; or take it from outside of the step"
        ) from None
    return type(tree), tree
