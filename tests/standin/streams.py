"""Devices, streams, events and graphs. Work runs at once, in order; while a stream captures, it is written down."""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import spec
from .state import STATE

if TYPE_CHECKING:
    from .memory import Block

RELAXED = 2  # cudaStreamCaptureModeRelaxed, CuPy's default


class _Current(threading.local):
    """The current device of a thread, and the current stream of each device."""

    def __init__(self) -> None:
        self.device = 0
        self.streams: dict[int, Stream] = {}


_current = _Current()
_capturing: weakref.WeakSet[Stream] = weakref.WeakSet()


def reset() -> None:
    _current.__init__()  # type: ignore[misc]
    for stream in list(_capturing):
        stream._capture = None
    _capturing.clear()


def current_device() -> int:
    return _current.device


def current_stream(device: int | None = None) -> Stream:
    return _current.streams.get(_current.device if device is None else device, Stream.null)


class Device:
    """``cupy.cuda.Device``: in a ``with`` block it is the current one."""

    def __init__(self, device: Any = None) -> None:
        self.id = _current.device if device is None else int(device)
        self._before: list[int] = []

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def use(self) -> None:
        if not 0 <= self.id < STATE.devices:
            raise spec.cuda_error(spec.INVALID_DEVICE)
        _current.device = self.id

    def __enter__(self) -> Device:
        self._before.append(_current.device)
        self.use()
        return self

    def __exit__(self, *exception: object) -> None:
        _current.device = self._before.pop()

    def synchronize(self) -> None:
        synchronise("Device.synchronize()", device=True)

    @property
    def compute_capability(self) -> str:
        return STATE.capabilities.get(self.id, "90")

    @property
    def attributes(self) -> dict[str, int]:
        return {"MultiProcessorCount": 4, "MaxThreadsPerBlock": 1024, "WarpSize": 32}

    @property
    def mem_info(self) -> tuple[int, int]:
        from .memory import free_and_total

        return free_and_total(self.id)

    @property
    def pci_bus_id(self) -> str:
        return f"0000:0{self.id}:00.0"


class Graph:
    """``cupy.cuda.Graph``: what a stream has captured; runs when it is launched."""

    def __init__(self, work: list[Callable[[], None]], blocks: Iterable[Block]) -> None:
        self._work, self._blocks = work, list(blocks)

    def launch(self, stream: Stream | None = None) -> None:
        stream = stream or current_stream()

        def run() -> None:
            with np.errstate(all="ignore"):
                for work in self._work:
                    work()

        perform(run, self._blocks, "graph launches", stream)

    def upload(self, stream: Stream | None = None) -> None:
        """Nothing to prepare here."""

    def debug_dot_str(self, flags: int = 0) -> str:
        return f"digraph {{ /* {len(self._work)} nodes */ }}"


class Capture:
    """What a stream captures: the work, and the memory that it touches."""

    def __init__(self, origin: Stream) -> None:
        self.origin = origin
        self.work: list[Callable[[], None]] = []
        self.blocks: dict[int, Block] = {}
        self.joined: set[Stream] = set()
        self.waited_for: set[Stream] = set()  # of these, by the others, for all that they have to do
        self.broken = False


class Event:
    """``cupy.cuda.Event``."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self._timed, self._time = not disable_timing, None  # type: tuple[bool, float | None]
        self._capture: Capture | None = None
        self.ptr = id(self)

    def record(self, stream: Stream | None = None) -> None:
        self._stream = stream or current_stream()
        self._capture = self._stream._capture
        self._time = time.perf_counter()

    @property
    def done(self) -> bool:
        """CuPy takes any status but success for "not yet", also that the event is part of a capture."""
        return self._capture is None

    def synchronize(self) -> None:
        synchronise("Event.synchronize()", capture=self._capture)


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds between two events."""
    if start_event._time is None or end_event._time is None or not (start_event._timed and end_event._timed):
        raise spec.cuda_error(400)  # cudaErrorInvalidResourceHandle
    return 1e3 * (end_event._time - start_event._time)


class Stream:
    """``cupy.cuda.Stream``: in a ``with`` block it is the current one of its device."""

    null: Stream
    _numbers = itertools.count(0x10)

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        self.ptr = 0 if null else 2 if ptds else next(Stream._numbers)
        self.device_id = -1 if null or ptds else _current.device
        self.is_non_blocking, self.priority = non_blocking, priority or 0
        self._capture: Capture | None = None
        self._before: list[Stream] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return self.ptr

    def __repr__(self) -> str:
        return f"<Stream {self.ptr} (device {self.device_id})>"

    def use(self) -> Stream:
        if self.device_id not in (-1, _current.device):
            raise RuntimeError("This stream was not created on the current device; it cannot be used.")
        _current.streams[_current.device] = self
        return self

    def __enter__(self) -> Stream:
        self._before.append(current_stream())
        return self.use()

    def __exit__(self, *exception: object) -> None:
        _current.streams[_current.device] = self._before.pop()

    def synchronize(self) -> None:
        synchronise("Stream.synchronize()", capture=self._capture)

    @property
    def done(self) -> bool:
        if self._capture is not None:
            raise spec.cuda_error(spec.CAPTURE_UNSUPPORTED)
        return True

    def record(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        if event._capture is not None and self._capture is not event._capture:  # the stream joins the capture
            if self._capture is not None:
                raise spec.cuda_error(903)  # cudaErrorStreamCaptureMerge
            event._capture.joined.add(self)
            self._capture = event._capture
            _capturing.add(self)
        if event._capture is not None:
            event._capture.waited_for.add(event._stream)

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr == 0:
            raise spec.cuda_error(spec.CAPTURE_UNSUPPORTED)  # the legacy stream cannot be captured
        if self._capture is not None:
            raise spec.cuda_error(spec.INVALID_VALUE)
        self._capture = Capture(self)
        _capturing.add(self)

    def end_capture(self) -> Graph:
        capture = self._capture
        if capture is None or capture.origin is not self:
            raise spec.cuda_error(905 if capture is not None else spec.INVALID_VALUE)
        for stream in (self, *capture.joined):
            stream._capture = None
            _capturing.discard(stream)
        if capture.broken:
            raise spec.cuda_error(spec.CAPTURE_INVALIDATED)
        if capture.joined - capture.waited_for:
            raise spec.cuda_error(spec.CAPTURE_UNJOINED)
        return Graph(capture.work, capture.blocks.values())

    def is_capturing(self) -> bool:
        """Of a capture that is broken, CUDA says no; it has to be ended all the same."""
        return self._capture is not None and not self._capture.broken

    def launch_host_func(self, callback: Callable[[Any], None], arg: Any) -> None:
        perform(lambda: callback(arg), (), "host functions", self)

    def add_callback(self, callback: Callable[..., None], arg: Any) -> None:
        perform(lambda: callback(self, 0, arg), (), "host functions", self)


Stream.null = Stream(null=True)


class ExternalStream(Stream):
    """``cupy.cuda.ExternalStream``."""

    def __init__(self, ptr: int, device_id: int = -1) -> None:
        super().__init__()
        self.ptr, self.device_id = ptr, device_id


def capture_of(stream: Stream | None = None) -> Capture | None:
    """What the stream captures into, if it does; the legacy stream must stay still while a blocking one captures."""
    stream = stream or current_stream()
    if stream._capture is not None and stream._capture.broken:
        raise spec.cuda_error(spec.CAPTURE_INVALIDATED)
    if stream.ptr == 0 and any(not other.is_non_blocking for other in _capturing):
        raise spec.cuda_error(spec.CAPTURE_IMPLICIT)
    return stream._capture


def perform(work: Callable[[], None], blocks: Iterable[Block], count: str, stream: Stream | None = None) -> None:
    """Do work on a stream: now, or, while it captures, whenever the graph is launched."""
    capture, blocks = capture_of(stream), list(blocks)
    for block in blocks:
        block.check_alive(count)
    if capture is None:
        STATE.counts[count] += 1
        work()
        return
    STATE.counts["captured"] += 1
    capture.waited_for.discard(stream or current_stream())
    capture.work.append(work)
    capture.blocks.update((id(block), block) for block in blocks)


def synchronise(what: str, capture: Capture | None = None, device: bool = False) -> None:
    """The host waits; a stream that captures cannot be waited for."""
    STATE.counts["synchronisations"] += 1
    if device and _capturing:
        capture = next(iter(_capturing))._capture
    if capture is not None:
        capture.broken = True
        raise spec.cuda_error(spec.CAPTURE_UNSUPPORTED)


def host_waits(what: str) -> None:
    """A copy to or from the host that waits on the current stream: ``.get()``, ``.item()``, ``float(x)``."""
    STATE.counts["synchronisations"] += 1
    capture = capture_of()
    if capture is not None:
        capture.broken = True
        raise RuntimeError("the current stream is capturing, so synchronous API calls are disallowed")


def copied_from_host(to: np.ndarray, values: np.ndarray, block: Block) -> None:
    """A copy by way of CuPy's pinned memory. A graph records it, and by its replays that memory has other numbers."""
    from .memory import POISON

    if capture_of() is not None:
        values = np.frombuffer(bytes([POISON]) * to.nbytes, to.dtype).reshape(to.shape)
    perform(lambda: np.copyto(to, values), (block,), "host to device")


def check_device(device: int) -> None:
    """CuPy computes on the current device alone; arrays of another are an error there."""
    if device != _current.device:
        raise ValueError(
            "Array device must be same as the current device: "
            f"array device = {device} while current = {_current.device}"
        )
