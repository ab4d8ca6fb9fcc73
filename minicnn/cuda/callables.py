"""Modules and functions whose forward and backward pass are CUDA graphs, each: what is between them may be anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.errors import CaptureError
from ..core.function import Function
from ..core.grad_mode import enable_grad
from ..core.graph import grad
from ..core.tensor import Tensor
from .graphs import CUDAGraph, graph
from .pools import Pool, graph_pool_handle


class Passes:
    """Both graphs of one callable, and the tensors that they read and write.

    Parameters
    ----------
    run : callable
        What is recorded.
    inputs : list of Tensor
        Copies of the sample arguments: where the graphs read.
    parameters : list of Tensor
    """

    def __init__(self, run: Callable[..., Any], inputs: list[Tensor], parameters: list[Tensor]) -> None:
        self.run, self.inputs, self.parameters = run, inputs, parameters
        self.forward, self.backward = CUDAGraph(), CUDAGraph()
        self.results: list[Tensor] = []
        self.grad_results: list[Tensor] = []  # the gradients of the results, where backward reads them
        self.grads: list[Tensor | None] = []  # of what is wanted
        self.calls = 0  # of forward; what backward needs is that of the last one

    @property
    def wanted(self) -> list[Tensor]:
        """What gets a gradient."""
        return [t for t in (*self.inputs, *self.parameters) if t.requires_grad]

    def run_forward(self) -> None:
        """The results, in a list, and whether there is one alone."""
        with enable_grad():
            result = self.run(*self.inputs)
        self.results = list(result) if isinstance(result, tuple) else [result]
        self.single = not isinstance(result, tuple)
        if not all(isinstance(t, Tensor) for t in self.results):
            raise TypeError("make_graphed_callables: what is recorded must return a tensor or a tuple of tensors")
        for t in self.results:
            t._array  # noqa: B018  # what waits is computed now

    def run_backward(self, allow_unused: bool) -> None:
        """The gradients of what is wanted, from those of the results."""
        leading = [t for t in self.results if t.requires_grad]
        if leading and self.wanted:
            self.grads = list(grad(leading, self.wanted, self.grad_results, allow_unused=allow_unused))

    def prepare(self) -> None:
        """Memory for the gradients of the results."""
        self.grads = []
        self.grad_results = [Tensor._wrap(t._array.copy()) for t in self.results if t.requires_grad]

    def warm_up(self, times: int, allow_unused: bool) -> None:
        """Compile kernels, and try."""
        for _ in range(times):
            self.run_forward()
            self.prepare()
            self.run_backward(allow_unused)

    def record_forward(self, pool: Pool) -> None:
        """Capture forward."""
        with graph(self.forward, pool):
            self.run_forward()
        self.prepare()

    def record_backward(self, pool: Pool, allow_unused: bool) -> None:
        """Capture backward, for the results of the captured forward."""
        with graph(self.backward, pool):
            self.run_backward(allow_unused)


class Replay(Function):
    """One step of the program's own graph: forward and backward are replays."""

    def __init__(self, passes: Passes) -> None:
        self.passes = passes

    def forward(self, *arrays: Any) -> Any:
        passes = self.passes
        for static, array in zip(passes.inputs, arrays, strict=False):
            if static._array is not array:
                static._array[...] = array
        passes.forward.replay()
        passes.calls += 1
        self.call = passes.calls
        results = tuple(t._array.copy() for t in passes.results)
        return results[0] if passes.single else results

    def backward(self, *grads: Any) -> Any:
        passes = self.passes
        if self.call != passes.calls:
            raise CaptureError(
                "backward of a graphed callable after it was called again: its graph keeps what backward needs of the "
                "last call alone. Fix: backward before the next call, or a second callable"
            )
        given = [g for g, t in zip(grads, passes.results, strict=True) if t.requires_grad]
        for static, g in zip(passes.grad_results, given, strict=True):
            static._array[...] = g
        passes.backward.replay()
        found = iter(passes.grads)
        return tuple(
            None if not t.requires_grad or (g := next(found, None)) is None else g._array.copy()
            for t in (*passes.inputs, *passes.parameters)
        )


def make_graphed_callables(
    callables: Any,
    sample_args: Sequence[Any],
    num_warmup_iters: int = 3,
    allow_unused_input: bool = False,
    pool: Pool | None = None,
) -> Any:
    """Record forward and backward of modules or functions as CUDA graphs, and return what replays them.

    For a network of which parts cannot be recorded; where the whole step can, :func:`graph` is simpler and faster.

    Parameters
    ----------
    callables : Module or function, or a tuple of them
        Of tensors, to a tensor or a tuple of tensors. A module is changed: in the mode (training or evaluation) in
        which it was recorded its ``forward`` is the replay. Several must be called in the order in which they are
        given.
    sample_args : tuple of Tensor, or for several callables a tuple of tuples
        On the GPU; shapes, types and ``requires_grad`` as in all later calls.
    num_warmup_iters : int, default 3
        How often each is run before it is recorded. (Running statistics change.)
    allow_unused_input : bool, default False
        Whether there may be inputs or parameters without influence on the results.
    pool : Pool, optional
        Memory; see :meth:`CUDAGraph.capture_begin`.

    Examples
    --------
    >>> import minicnn as torch
    >>> from minicnn import nn
    >>> if torch.cuda.is_available():
    ...     net = torch.cuda.make_graphed_callables(nn.Linear(4, 2).cuda(), (torch.ones(8, 4, device="cuda"),))
    ...     net(torch.randn(8, 4, device="cuda")).sum().backward()
    """
    several = isinstance(callables, tuple)
    chosen = callables if several else (callables,)
    samples = [tuple(args) for args in (sample_args if several else (sample_args,))]
    if len(chosen) != len(samples):
        raise ValueError(f"make_graphed_callables: {len(chosen)} callables and {len(samples)} tuples of sample_args")
    recorded = []
    for one, args in zip(chosen, samples, strict=True):
        if not all(isinstance(t, Tensor) and t.is_cuda for t in args):
            raise TypeError(
                "make_graphed_callables: sample_args must be tensors on a GPU, in tuples, one for each callable"
            )
        parameters = list(one.parameters()) if hasattr(one, "parameters") else []
        run = one.forward if hasattr(one, "parameters") else one
        passes = Passes(run, [t.detach().clone().requires_grad_(t.requires_grad) for t in args], parameters)
        passes.warm_up(num_warmup_iters, allow_unused_input)
        recorded.append(passes)
    memory = pool or graph_pool_handle()
    for passes in recorded:
        passes.record_forward(memory)
    for passes in reversed(recorded):
        passes.record_backward(memory, allow_unused_input)
    made = [_replaying(one, passes) for one, passes in zip(chosen, recorded, strict=True)]
    return tuple(made) if several else made[0]


def _replaying(one: Any, passes: Passes) -> Any:
    """The callable with replays in place of what it did."""

    def replay(*args: Tensor) -> Any:
        expected = [(tuple(t.shape), t.dtype) for t in passes.inputs]
        got = [(tuple(t.shape), t.dtype) for t in args]
        if got != expected:
            raise ValueError(f"a graphed callable takes tensors as it was recorded with, {expected}; got {got}")
        return Replay(passes)(*args, *passes.parameters)

    if not hasattr(one, "parameters"):
        return replay
    mode, itself = one.training, one.forward

    def forward(*args: Tensor) -> Any:
        return replay(*args) if one.training == mode else itself(*args)

    one.forward = forward
    return one
