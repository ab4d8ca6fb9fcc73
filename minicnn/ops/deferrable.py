"""Steps whose result can wait for the next ones; what it means to wait stands in :mod:`minicnn.core.deferred`.

A convolution and a batch norm begin a chain (:class:`Deferrable`), a sum continues it, a rectifier ends it
(:class:`minicnn.ops.activations.Rectifier`).
"""

from __future__ import annotations

from typing import Any

from minicnn_kernels.registry import call

from ..core.deferred import Deferred, may_wait, waiting
from ..core.function import Function
from ..core.tensor import Tensor


class Deferrable(Function):
    """A step of one kernel call, to which more can be added before it is made."""

    computes_again = False  # whether its gradient after a rectifier does not need the rectifier's result

    def prepare(self, *arrays: Any) -> tuple[str, tuple[Any, ...], tuple[int, ...]]:
        """The kernel call: operation and arguments, and the shape of its result."""
        raise TypeError(f"{self.operation} must define prepare")

    def forward(self, *arrays: Any) -> Any:
        operation, arguments, _ = self.prepare(*arrays)
        return call(operation, *arguments)

    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        if not may_wait(inputs):
            return super().evaluate(inputs, recording)
        arrays = [None if t is None else t._array for t in inputs]
        operation, arguments, shape = self.prepare(*arrays)
        memories = tuple([t._versions.memory for t in inputs if t is not None])
        return Deferred(operation, arguments, shape, arrays[0].dtype, memories, (self,))  # type: ignore[union-attr]


def sum_that_waits(step: Function, a: Tensor, b: Tensor) -> Deferred | None:
    """``a + b`` as ``a`` with a residual, if ``a`` waits and ``b`` is like it: the end of a residual block."""
    deferred = waiting(a)
    if deferred is None or deferred.epilogue.residual is not None or a is b:
        return None
    form = b._form
    if form.shape != deferred.shape or form.dtype != deferred.dtype or not may_wait((b,)):
        return None
    return deferred.plus(b, step)


def edges_before(steps: tuple[Function, ...], edge: Any) -> Any:
    """Where gradients go on before a batch norm, and a sum perhaps, that lead to ``edge``; None for other steps."""
    norm, *total = steps
    if not hasattr(norm, "gradients") or not all(step.sequence >= 0 for step in steps):
        return None
    others: tuple[Any, ...] = ()
    if total:
        ends = [e for e in total[0].edges if e is not None and e.node is norm]
        if edge.node is not total[0] or len(ends) != 1:
            return None
        others = tuple([e for e in total[0].edges if e is not ends[0]])
    elif edge.node is not norm:
        return None
    return (*norm.edges, *others)
