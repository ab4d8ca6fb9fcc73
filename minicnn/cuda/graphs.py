"""CUDA graphs: work for a GPU that is recorded once and then started again and again, all of it by one call.

In a small network most of the time of a step goes into telling the GPU what to do, one kernel after another. A graph
tells it all at once. What is recorded are the kernels with their arguments, which are addresses of memory: a replay
reads and writes the same memory as the recording, so new data is copied into the tensors that were used then.

While a graph is captured, nothing runs. So no number can be looked at, and what Python does beside it happens once.
What must change from replay to replay is taken care of: the learning rate, the count of an optimiser's steps, and
random numbers (:mod:`minicnn.core.capture`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from typing import Any

from minicnn_kernels.cuda import runtime

from ..core import capture
from ..core import device as devices
from ..core.errors import CaptureError
from .devices import gpu, synchronize
from .explaining import broken, explained
from .memory import empty_cache
from .pools import Pool
from .stepping import GraphedStep
from .streams import Stream, current_stream, stream

MODES = {"global": 0, "thread_local": 1, "relaxed": 2}


def is_current_stream_capturing() -> bool:
    """Whether the work of the current stream is being recorded.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.cuda.is_current_stream_capturing()
    False
    """
    return devices.in_use and devices.capturing()


class CUDAGraph:
    """A recording of work for a GPU; see :func:`graph`, which is the usual way to make one.

    Examples
    --------
    >>> import minicnn as torch
    >>> if torch.cuda.is_available():
    ...     x, g = torch.zeros(3, device="cuda"), torch.cuda.CUDAGraph()
    ...     with torch.cuda.graph(g):
    ...         y = 2 * x
    ...     _ = x.fill_(1)
    ...     g.replay()  # y is 2 now
    """

    def __init__(self) -> None:
        self.device = gpu(None)
        self.reset()

    def reset(self) -> None:
        """Forget what was recorded, and let go of its memory; tensors keep theirs."""
        self._graph: Any = None
        self._pool: Pool | None = None
        self._recording: Any = None
        self._workspaces: Any = None  # of cuBLAS
        self._open = ExitStack()

    def pool(self) -> Pool:
        """Its memory, for other graphs."""
        if self._pool is None:
            raise CaptureError("this graph has no memory before it is captured. Fix: graph_pool_handle()")
        return self._pool

    def capture_begin(self, pool: Pool | None = None, capture_error_mode: str = "relaxed") -> None:
        """Record what the current stream is told from now on.

        Parameters
        ----------
        pool : Pool, optional
            Memory of :func:`graph_pool_handle`, or of another graph; default: memory of its own.
        capture_error_mode : {"relaxed", "thread_local", "global"}
            CUDA's: what other calls are errors meanwhile. (PyTorch's default is "global"; in that mode CuPy could not
            take memory from the GPU while it captures.)
        """
        if capture_error_mode not in MODES:
            raise ValueError(f"capture_error_mode must be one of {', '.join(MODES)}; got {capture_error_mode!r}")
        if self._graph is not None:
            raise CaptureError("this graph has been captured already. Fix: a new CUDAGraph(), or reset() first")
        cuda = devices.cupy().cuda
        current = cuda.get_current_stream()
        if current.ptr == 0:
            raise CaptureError(
                "the default stream cannot be recorded. Fix: with minicnn.cuda.graph(g): takes another one; or "
                "with minicnn.cuda.stream(minicnn.cuda.Stream()):"
            )
        runtime.blas().prepare()
        recording = capture.begin(self.device)
        try:
            self._pool = pool or Pool()
            self._recording = recording
            self._workspaces = self._open.enter_context(runtime.blas().captured())
            self._open.enter_context(cuda.using_allocator(self._pool.blocks.malloc))
            current.begin_capture(MODES[capture_error_mode])
        except BaseException:
            self._open.close()
            recording.close()
            self.reset()
            raise

    def capture_end(self) -> None:
        """The recording is complete.

        Raises
        ------
        CaptureError
            If it cannot be: something in it failed, or another stream took part and was not waited for.
        """
        if self._recording is None or self._graph is not None:
            raise CaptureError("capture_end: no capture has begun. Fix: capture_begin() before it")
        try:
            self._graph = devices.cupy().cuda.get_current_stream().end_capture()
        except BaseException as error:
            self._give_up()
            if isinstance(error, RuntimeError):
                raise broken(error) from error
            raise
        self._open.close()
        try:
            self._recording.close()
        except CaptureError:
            self.reset()
            raise

    def _give_up(self) -> None:
        """Something went wrong while the graph was captured: it is as if it had not begun."""
        with suppress(RuntimeError):  # what went wrong first is told; a broken capture must be ended, too
            devices.cupy().cuda.get_current_stream().end_capture()
        self._open.close()
        with suppress(CaptureError):
            self._recording.close()
        self.reset()

    def replay(self) -> None:
        """Do what was recorded, on the current stream; the program goes on meanwhile.

        Steps of optimisers count, the learning rate is the one of now, and random numbers are the next ones.

        Raises
        ------
        CaptureError
            If nothing was captured, or what the graph reads is elsewhere by now.
        """
        if self._graph is None:
            raise CaptureError("there is nothing to replay. Fix: with minicnn.cuda.graph(g): ... before g.replay()")
        with devices.on(self.device.index):
            self._recording.send()
            self._graph.launch(devices.cupy().cuda.get_current_stream())


class _Capturing:
    """The ``with`` block of :func:`graph`."""

    def __init__(self, cuda_graph: CUDAGraph, pool: Pool | None, stream: Stream | None, mode: str) -> None:
        self.graph, self.pool, self.mode = cuda_graph, pool, mode
        self.stream = capture_stream(cuda_graph.device.index) if stream is None else stream
        self._block: Any = None

    def __enter__(self) -> None:
        if capture.recording is None:
            gc.collect()  # not in the middle of the recording
            with devices.on(self.graph.device.index):
                synchronize()
                empty_cache()  # a graph takes nothing of the memory that is kept for other arrays
        self.stream.wait_stream(current_stream(self.graph.device))
        self._block = stream(self.stream)
        self._block.__enter__()
        try:
            self.graph.capture_begin(self.pool, self.mode)
        except BaseException as error:
            self._block.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self.graph.capture_end()
            else:
                self.graph._give_up()
        finally:
            self._block.__exit__(None, None, None)
        if isinstance(error, Exception) and (told := explained(error)) is not None:
            raise told from error


@cache
def capture_stream(index: int) -> Stream:
    """The stream on which graphs of a GPU are recorded."""
    return Stream(index)


def graph(
    cuda_graph: CUDAGraph | Callable[..., Any] | None = None,
    pool: Pool | None = None,
    stream: Stream | None = None,
    capture_error_mode: str = "relaxed",
    *,
    warmup: int = 3,
    graphs: int = 4,
) -> Any:
    """Record work for a GPU as a CUDA graph: that of a ``with`` block, or a whole training step.

    ``with graph(g):`` records the block into the :class:`CUDAGraph` ``g``, as in PyTorch: nothing runs until
    ``g.replay()``.

    ``step = graph(step)``, also as a decorator, makes a function that does the same as ``step``, sooner: it calls
    ``step`` itself the first times, then records it once, and from then on only replays. The arguments may have other
    numbers each time. With other shapes (the last batch of an epoch) it does the same for those.

    Parameters
    ----------
    cuda_graph : CUDAGraph or callable
        Where to record the block; or a step, such as: forget the gradients, compute the loss, backward,
        ``optimizer.step()``. Its arguments that are tensors are copied to the GPU if they are not there; what it
        returns comes without history.
    pool : Pool, optional
        Memory; see :meth:`CUDAGraph.capture_begin`.
    stream : Stream, optional
        Where to record; default: one that is kept for it.
    capture_error_mode : str
        See :meth:`CUDAGraph.capture_begin`.
    warmup : int, default 3
        How often a step is called itself, for each shape of arguments, before it is recorded: kernels are compiled, and
        the optimiser prepares its averages. These are steps like all others.
    graphs : int, default 4
        For so many shapes of arguments graphs are kept, each with memory of its own; steps with still others are not
        recorded.

    Returns
    -------
    a ``with`` block, or a callable

    Raises
    ------
    CaptureError
        If the work cannot be recorded: it looks at a number (``loss.item()``), for one.
    DeviceError
        If there is no GPU.

    Notes
    -----
    What is not part of the graph: Python's own work in the step (it runs in the calls that are not replays, and once
    when it is recorded), such as printing, or ``scheduler.step()``, which belongs after the step. Weights must stay in
    their memory. A module that is switched between training and evaluation needs two steps, unless the step is the
    module itself or its method.

    Examples
    --------
    >>> import minicnn as torch
    >>> from minicnn import nn, optim
    >>> if torch.cuda.is_available():
    ...     model = nn.Linear(4, 2).cuda()
    ...     optimizer = optim.Adam(model.parameters())
    ...
    ...     @torch.cuda.graph
    ...     def step(x, target):
    ...         optimizer.zero_grad()
    ...         loss = nn.functional.cross_entropy(model(x), target)
    ...         loss.backward()
    ...         optimizer.step()
    ...         return loss
    ...
    ...     for _ in range(10):
    ...         loss = step(torch.randn(8, 4), torch.randint(2, (8,)))
    """
    if isinstance(cuda_graph, CUDAGraph):
        return _Capturing(cuda_graph, pool, stream, capture_error_mode)
    if cuda_graph is not None and not callable(cuda_graph):
        raise TypeError(f"graph: expected a CUDAGraph or a function; got {type(cuda_graph).__name__}: {cuda_graph!r}")

    def capture(step: Callable[[], Any]) -> tuple[CUDAGraph, Any]:
        g = CUDAGraph()
        with _Capturing(g, pool, stream, capture_error_mode):
            result = step()
        return g, result

    def graphed(step: Callable[..., Any]) -> GraphedStep:
        return GraphedStep(step, capture, warmup, graphs)

    return graphed if cuda_graph is None else graphed(cuda_graph)
