"""Streams and events: queues of work on a GPU, and marks in them.

A GPU does what it is told in the order of a *stream*. Work of different streams may run at the same time. Operations go
to the current stream, which is the default one where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core import device as devices
from .devices import gpu


class Event:
    """A mark in a stream: whether the work before it is done, and when it was.

    Parameters
    ----------
    enable_timing : bool, default False
        Note the time, for :meth:`elapsed_time`.
    blocking : bool, default False
        Let :meth:`synchronize` sleep instead of asking again and again.
    interprocess : bool, default False
        For other processes.
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        gpu(None)
        self._cupy = devices.cupy().cuda.Event(blocking, not enable_timing, interprocess)
        self._timed, self._recorded = enable_timing, False

    @property
    def cuda_event(self) -> int:
        """Its address."""
        return int(self._cupy.ptr)

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark behind what the stream (default: the current one) has to do so far."""
        (current_stream() if stream is None else stream)._cupy.record(self._cupy)
        self._recorded = True

    def wait(self, stream: Stream | None = None) -> None:
        """Let the stream (default: the current one) wait for the mark; the program goes on."""
        (current_stream() if stream is None else stream)._cupy.wait_event(self._cupy)

    def query(self) -> bool:
        """Whether all work before the mark is done."""
        return not self._recorded or bool(self._cupy.done)

    def synchronize(self) -> None:
        """Wait until the work before the mark is done."""
        self._cupy.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds of the GPU from this mark to another one."""
        if not (self._timed and end_event._timed):
            raise ValueError("elapsed_time: both events must note the time. Fix: Event(enable_timing=True)")
        if not (self._recorded and end_event._recorded):
            raise ValueError("elapsed_time: both events must have been recorded. Fix: event.record() before and after")
        return float(devices.cupy().cuda.get_elapsed_time(self._cupy, end_event._cupy))

    def __repr__(self) -> str:
        return f"<minicnn.cuda.Event {self.cuda_event:#x}>"


class Stream:
    """A queue of work on a GPU, beside the default one.

    Parameters
    ----------
    device : device, str or int, optional
        Default: the current GPU.
    priority : int, default 0
        Lower numbers come first.
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self.device = gpu(device)
        with devices.on(self.device.index):
            self._cupy = devices.cupy().cuda.Stream(non_blocking=True, priority=priority)

    @classmethod
    def _of(cls, stream: Any, where: devices.device) -> Stream:
        """CuPy's stream, as one of these."""
        self = cls.__new__(cls)
        self.device, self._cupy = where, stream
        return self

    @property
    def cuda_stream(self) -> int:
        """Its address; 0 is the default stream."""
        return int(self._cupy.ptr)

    def query(self) -> bool:
        """Whether all of its work is done."""
        return bool(self._cupy.done)

    def synchronize(self) -> None:
        """Wait until all of its work is done."""
        self._cupy.synchronize()

    def record_event(self, event: Event | None = None) -> Event:
        """Put a mark behind its work so far, and return it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what comes now wait for a mark, of whatever stream."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Let what comes now wait for all that another stream has to do so far."""
        if stream != self:
            with devices.on(stream.device.index):
                event = stream.record_event()
            self.wait_event(event)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.device, self.cuda_stream) == (other.device, other.cuda_stream)

    def __hash__(self) -> int:
        return hash((self.device, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<minicnn.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


def current_stream(device: Any = None) -> Stream:
    """The stream that operations on a GPU (default: the current one) go to."""
    where = gpu(device)
    with devices.on(where.index):
        return Stream._of(devices.cupy().cuda.get_current_stream(), where)


def default_stream(device: Any = None) -> Stream:
    """The stream that operations on a GPU go to where nothing else is said."""
    return Stream._of(devices.cupy().cuda.Stream.null, gpu(device))


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Let operations go to another stream in a ``with`` block; None: no change.

    The streams wait for each other only where they are told to: ``other.wait_stream(current_stream())``.
    """
    if stream is None:
        yield
        return
    with devices.on(stream.device.index), stream._cupy:
        yield


def set_stream(stream: Stream) -> None:
    """Let operations of this thread go to another stream from now on."""
    if stream is not None:
        devices.cupy().cuda.Device(stream.device.index).use()
        stream._cupy.use()
