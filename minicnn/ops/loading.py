"""Batch norms that a 1x1 convolution does while it loads its input, with the rectifier after them.

In a bottleneck, a batch norm and a rectifier stand before a 1x1 convolution. What they make waits
(:mod:`minicnn.core.deferred`), and the convolution normalises the numbers that it reads anyway, forward and for the
gradient of its weights; the gradient of the batch norm computes the rectifier's result again too. So the normalised
array is never in memory, unless somebody else asks for it: a hook, another layer, whoever changes in place what it is
made of. (:class:`~minicnn_kernels.prologue.Prologue`) Its gradient is not either where it is that of joined arrays
(:func:`gradients_of_parts`).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from minicnn_kernels import registry
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.prologue import Prologue

from ..core.deferred import Deferred
from ..core.tensor import Tensor

LOADS = "numba"  # the backend whose convolutions do that; others would normalise twice, forward and backward
NORMALIZATIONS = ("batch_norm.normalize", "batch_norm.normalize_joined")


class Rectified(Deferred):
    """What a rectifier makes of a batch norm that waits. Nothing more is added to it."""

    __slots__ = ()
    open = False


class _Last(threading.local):
    """What this thread's last rectifier has left waiting: a weak reference."""

    rectified: Any = None


_last = _Last()


def rectified(norm: Deferred, low: float, high: float, recording: bool) -> Rectified | None:
    """``norm`` cut to the bounds, if a convolution might do both and backward needs no result."""
    if not _may_load(norm) or (recording and not norm.steps[0].computes_again):  # type: ignore[attr-defined]
        return None
    epilogue = _cut(low, high)
    call = norm.operation, norm.arguments, norm.shape, norm.dtype, norm.memories
    found = Rectified(*call, (), epilogue, norm._kernel)
    _last.rectified = weakref.ref(found)
    return found


@cache
def _cut(low: float, high: float) -> Epilogue:
    return Epilogue(None, None, low, high)


def before_convolution(x: Tensor) -> None:
    """Compute what has been left waiting, if it is not ``x``: its numbers are still in the caches, and soon no more.

    (The branches of GoogLeNet would be normalised when all of them have been convolved: 2 % more time for a step.)
    """
    last, _last.rectified = _last.rectified, None
    if last is not None and (found := last()) is not None and found is not x._deferred:
        found.array()


def _may_load(deferred: Deferred) -> bool:
    if deferred.operation not in NORMALIZATIONS or deferred.epilogue.residual is not None or deferred.ndim != 4:
        return False
    return registry.backend_for(deferred.arguments) == LOADS and not registry.any_replaced()


def loaded(deferred: Deferred | None) -> tuple[Deferred, tuple[Any, ...], Prologue] | None:
    """What waits, the arrays and the steps that make it, if a convolution might do that."""
    if deferred is None or deferred._array is not None or not _may_load(deferred):
        return None
    x, mean, var, weight, bias, eps = deferred.arguments
    parts = x if isinstance(x, tuple) else (x,)
    return deferred, parts, Prologue(mean, var, weight, bias, eps, deferred.epilogue.low, deferred.epilogue.high)


def kernel_that_loads(operation: str, arguments: tuple[Any, ...]) -> registry.Kernel | None:
    """The kernel for ``operation``, if it normalises while it loads; it declines what it gains nothing with."""
    found, _ = registry.select(operation, arguments)
    return found if found.backend == LOADS else None


def gradients_of_parts(grad_y: Any, parts: tuple[Any, ...], prologue: Prologue) -> Callable[[Any], tuple[Any, ...]]:
    """What ``batch_norm.grad_joined`` computes, as a function of the array to add to or None.

    ``grad_y`` is an array or waits. If that of a convolution's input does, the convolution is done in the same pass.
    """
    if isinstance(grad_y, Deferred):
        if grad_y.operation == "conv2d.grad_input" and grad_y._array is None and not registry.any_replaced():
            g, w, *settings = grad_y.arguments
            arguments = g, w, parts, *settings, prologue
            kernel = kernel_that_loads("conv2d.grad_input_normalized", arguments)
            if kernel is not None:
                return partial(kernel.function, *arguments)
        grad_y = grad_y.array()
    return partial(registry.call, "batch_norm.grad_joined", grad_y, parts, *prologue)
