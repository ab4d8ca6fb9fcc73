"""What changes from one replay of a CUDA graph to the next: the seeds of random numbers, learning rates.

A graph keeps the arguments of the kernels that were recorded, but not what their addresses point to. So such numbers
are put into memory of the GPU, each in a *slot* of its own, and before each replay all are sent there by one copy.
Whoever knows the next number gives a function that tells it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from minicnn_kernels.arrays import on_device

from . import device as devices
from .errors import CaptureError

SIZE = 32 << 10  # bytes; below 64 KB, a copy from ordinary memory has been read when the call that starts it returns
ALIGNMENT = 16

recording: Recording | None = None  # the one that is open; at most one in a process


class Place(NamedTuple):
    """Where a graph reads a tensor, and whether it computes its gradient. The memory is kept as long as the graph."""

    tensor: weakref.ref[Any]
    array: Any
    requires_grad: bool

    def check(self) -> None:
        """It is as it was."""
        t = self.tensor()
        if t is None:
            return
        now = t._array
        if now is not self.array and (not on_device(now) or now.data.ptr != self.array.data.ptr):
            raise CaptureError(
                f"a tensor of shape {tuple(t.shape)} is no longer in the memory where the graph reads it (after "
                "model.to() or p.data = ...). Fix: capture anew; or write the new numbers to where the old ones are, "
                "p.data.copy_(x)"
            )
        if t.requires_grad != self.requires_grad:
            raise CaptureError(
                f"requires_grad of a tensor of shape {tuple(t.shape)} was {self.requires_grad} when the graph was "
                f"captured and is {t.requires_grad} now; replays compute the gradients of then. Fix: capture anew"
            )


class Recording:
    """The slots of one graph.

    Parameters
    ----------
    where : device
        The GPU. Its memory for the slots is taken here, before the capture begins.
    """

    def __init__(self, where: devices.device) -> None:
        self.device = where
        with devices.on(where.index):
            self._gpu = devices.cupy().empty(SIZE, np.uint8)
        self._host = np.zeros(SIZE, np.uint8)
        self._sent: Any = None  # what is on the GPU
        self._used = 0
        self._slots: list[tuple[Any, Callable[[], Any]]] = []
        self._at_the_end: list[Callable[[], None]] = []
        self._leaves: dict[int, Any] = {}  # tensors that gradients arrive at
        self._grads: list[tuple[Any, Any]] = []  # and those gradients, which each replay computes anew
        self._read: dict[int, weakref.ref[Any]] = {}  # tensors without history that operations were given
        self._places: list[Place] = []  # and where they are

    def slot(self, dtype: Any, count: int, tell: Callable[[], Any]) -> Any:
        """An array (count,) on the GPU that holds in each replay what ``tell()`` returns before it."""
        kind = np.dtype(dtype)
        start, end = self._used, self._used + count * kind.itemsize
        if end > SIZE:
            raise CaptureError(
                f"a graph has room for {SIZE // ALIGNMENT} changing numbers (draws of random numbers, groups of an "
                "optimiser), and this one asks for more. Fix: capture fewer steps in one graph"
            )
        self._used = -(-end // ALIGNMENT) * ALIGNMENT
        self._slots.append((self._host[start:end].view(kind), tell))
        return self._gpu[start:end].view(kind)

    def at_the_end(self, undo: Callable[[], None]) -> None:
        """Call a function when the capture is over: nothing has been computed, and nothing may be counted."""
        self._at_the_end.append(undo)

    def arrives_at(self, leaf: Any) -> None:
        """A gradient has been added to ``leaf.grad``."""
        self._leaves[id(leaf)] = leaf

    def reads(self, tensors: Iterable[Any]) -> None:
        """An operation is given ``tensors``: weights and constants must stay in their memory, for replays read there.

        What is computed in the capture mostly has no tensor at its end any more, and is not looked at.
        """
        for t in tensors:
            if t is not None and t.grad_fn is None:
                self._read[id(t)] = weakref.ref(t)

    def close(self) -> None:
        """The capture is over, or was given up."""
        global recording
        recording = None
        read = [t for t in (reference() for reference in self._read.values()) if t is not None]
        self._places = [
            Place(weakref.ref(t), t._array, t.requires_grad)
            for t in read
            if t._deferred is None and on_device(t._array)
        ]
        self._read = {}
        self._grads = [(leaf, leaf.grad) for leaf in self._leaves.values()]
        self._leaves = {}
        errors = []
        while self._at_the_end:
            try:
                self._at_the_end.pop()()
            except CaptureError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def send(self) -> None:
        """Before a replay, on its stream: the next numbers, if they are others.

        And ``leaf.grad`` is the gradient that the graph writes, whatever became of it since.

        Raises
        ------
        CaptureError
            If a tensor that the graph reads is elsewhere, or is to have a gradient and was not, or the reverse.
        """
        for place in self._places:
            place.check()
        for leaf, grad in self._grads:
            leaf.grad = grad
        for numbers, tell in self._slots:
            numbers[...] = tell()
        now = self._host[: self._used]
        if self._used and (self._sent is None or not np.array_equal(now, self._sent)):
            self._sent = now.copy()
            self._gpu[: self._used].set(self._sent, stream=devices.cupy().cuda.get_current_stream())


def begin(where: devices.device) -> Recording:
    """From now on random draws and steps of optimisers are written down."""
    global recording
    if recording is not None:
        raise CaptureError("a graph is being captured already, and one at a time can be. Fix: end that capture first")
    recording = Recording(where)
    return recording
