"""Concatenations that wait, and their gradients: what makes a dense block take linear time and memory.

Layer ``l`` of a dense block normalises the features of all layers before it (Huang et al., 2017). Done step by step,
each layer copies them all, takes their statistics, and adds their gradients to those from the layers behind it.
But the features are the same in every layer, and so are the mean and the variance of each channel. So

- a concatenation along the channels waits (:class:`Join`); a batch norm reads the parts, whose statistics are taken
  once. Whoever else asks for its numbers gets them, as of everything that waits;
- the gradient of a batch norm with the statistics of its batch is::

      grad_x = scale*h + slope*(x - mean) + offset

  where slope and offset, one number per channel each, come from sums over the whole batch. The first term is added to
  the gradient from the layers behind in the pass that makes these sums. The others wait: slopes and offsets of all
  layers are added up (:class:`Sum`), and used once for each part, when its gradient is asked for.

Pleiss et al., *Memory-efficient implementation of DenseNets*, 2017, share the memory of concatenations, and compute
them anew for backward; here they do not exist.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from minicnn_kernels.registry import call

from ..core.deferred import Deferred
from ..core.function import Function
from ..core.parts import Versions
from ..core.tensor import Tensor

Statistics = tuple[Any, Any]  # mean and variance of each channel


class Join(Deferred):
    """A concatenation along axis 1.

    While it waits, its parts are as they were (before one is changed in place, it is computed), and so what is known
    of them stays true.
    """

    __slots__ = ("_known",)
    open = False

    def __init__(
        self,
        parts: tuple[Any, ...],
        known: list[Statistics | None],
        memories: tuple[Versions, ...],
        shape: tuple[int, ...],
        step: Function,
    ) -> None:
        super().__init__("cat.forward", (parts, 1), shape, parts[0].dtype, memories, (step,))
        self._known = known

    @classmethod
    def of(cls, tensors: Sequence[Tensor], step: Function) -> Join:
        """Of these tensors; the parts of those that wait as joins themselves are its parts."""
        parts: list[Any] = []
        known: list[Statistics | None] = []
        memories: list[Versions] = []
        for t in tensors:
            join = waiting_join(t)
            if join is None:
                parts.append(t._array)
                known.append(None)
                memories.append(t._versions.memory)
            else:
                parts += join.arguments[0]
                known += join._known
                memories += join.memories
        shape = list(tensors[0]._form.shape)
        shape[1] = sum(part.shape[1] for part in parts)
        return cls(tuple(parts), known, tuple(memories), tuple(shape), step)

    @property
    def parts(self) -> tuple[Any, ...] | None:
        """The arrays that are joined; None once they have been."""
        return self.arguments[0] if self._array is None else None

    def statistics(self) -> Statistics:
        """Mean and variance of each channel."""
        for i, part in enumerate(self.arguments[0]):
            if self._known[i] is None:
                self._known[i] = call("batch_norm.statistics", part)
        means, variances = zip(*self._known, strict=True)  # type: ignore[arg-type]
        return np.concatenate(means), np.concatenate(variances)


def waiting_join(t: Tensor) -> Join | None:
    """The join that ``t`` waits for, if it does."""
    deferred = t._deferred
    return deferred if isinstance(deferred, Join) and deferred._array is None else None


def normalized_join(
    join: Join, statistics: Sequence[Any], affine: Sequence[Tensor | None], eps: float, step: Function
) -> Deferred:
    """The join after a batch norm by these statistics and the tensors weight and bias, none of it computed yet."""
    numbers = [None if t is None else t._array for t in affine]
    memories = [t._versions.memory for t in affine if t is not None]
    arguments = join.parts, *statistics, *numbers, eps
    all_memories = *join.memories, *memories
    return Deferred("batch_norm.normalize_joined", arguments, join.shape, join.dtype, all_memories, (step,))


class Sum:
    """A gradient of joined arrays to which ``slope*(x - mean) + offset`` is still to be added, channel by channel.

    Parameters
    ----------
    array : array (N, C, *)
        What has been added up.
    join : Join
        The arrays x.
    mean : array (C,)
    """

    def __init__(self, array: Any, join: Join, mean: Any) -> None:
        self.whole, self.mean = array, mean
        self._parts = join.arguments[0]
        self._firsts = list(accumulate((x.shape[1] for x in self._parts[:-1]), initial=0))  # channels
        self._line = np.zeros((2, len(mean)))
        self.slope, self.offset = self._line
        me = weakref.ref(self)
        for memory in join.memories:
            memory.add_reader(me)

    def array(self) -> Any:
        """All of it: somebody is about to change one of the arrays x."""
        return self.columns(0, len(self.mean))

    def columns(self, start: int, stop: int) -> Any:
        """The gradient of some channels."""
        i = bisect_right(self._firsts, start) - 1
        while i < len(self._parts) and (first := self._firsts[i]) < stop:
            x = self._parts[i]
            begin, end = max(first, start), min(first + x.shape[1], stop)
            if np.logical_or.reduce(self._line[:, begin:end], axis=None):
                numbers = (v[begin:end] for v in (self.mean, self.slope, self.offset))
                call("batch_norm.add_line", self.whole[:, begin:end], x[:, begin - first : end - first], *numbers)
                self._line[:, begin:end] = 0
            i += 1
        return self.whole[:, start:stop]


class GradPart(Deferred):
    """The gradient of some channels of a :class:`Sum`."""

    __slots__ = ("start", "stop", "whole")
    open = False

    def __init__(self, whole: Sum, start: int, stop: int) -> None:
        array = whole.whole
        shape = (len(array), stop - start, *array.shape[2:])
        super().__init__("batch_norm.add_line", (start, stop), shape, array.dtype, (), (), kernel=whole.columns)
        self.whole, self.start, self.stop = whole, start, stop

    def cut(self, start: int, stop: int) -> Tensor:
        """Some of the channels."""
        return Tensor._wrap(GradPart(self.whole, self.start + start, self.start + stop))


def cutter(grad: Tensor, axis: int) -> Callable[[int, int], Tensor]:
    """What gives the positions from ``start`` to ``stop`` of ``grad`` along an axis."""
    part = grad._deferred
    if axis == 1 and isinstance(part, GradPart):
        return part.cut
    return lambda start, stop: grad.narrow(axis, start, stop - start)


def add_up(
    so_far: Tensor | None, join: Join, mean: Any, gradients: Callable[[Any], tuple[Any, ...]]
) -> tuple[Tensor, Any, Any]:
    """The gradients of a batch norm of ``join``, the first one added to that ``so_far``.

    ``gradients(out)`` calls the kernel, with the array to add to or None.
    """
    whole, start, out = None, 0, None
    if so_far is not None:
        part = so_far._deferred
        if isinstance(part, GradPart) and np.array_equal(part.whole.mean[part.start : part.stop], mean):
            whole, start = part.whole, part.start
            out = whole.whole[:, start : part.stop]
        else:
            out = so_far._array
    direct, slope, offset, grad_weight, grad_bias = gradients(out)
    if whole is None:
        whole = Sum(direct, join, mean)
    stop = start + len(mean)
    whole.slope[start:stop] += slope
    whole.offset[start:stop] += offset
    return Tensor._wrap(GradPart(whole, start, stop)), grad_weight, grad_bias
